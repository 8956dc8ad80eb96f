"""Writes the page about verifiers from the code that runs: `python -m filters.verify.document docs/verifiers.md`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from filters.verify.catalogue import KINDS
from filters.verify.graders import GRADERS
from filters.verify.kind import Kind
from filters.verify.kinds.composite import PartParams
from schemas.section import Section
from schemas.tags import TAG_SCHEMAS, TagSchema

_HEAD = """# Verifiers

*Generated from the code by `python -m filters.verify.document docs/verifiers.md`; a test keeps it current.*

A verifier reads the gold answer once, at ingest, finds the **answer span** of a response, reads it, compares the two, and
says why. `verify(response, gold)` gives a verdict: `score` in 0–1 or *unscored*, `correct`, the span, both readings, the
tier that settled it, and a sentence. Unscored is not wrong: it means that nobody could tell, and such a row or rollout
counts neither for nor against.

```python
from filters.verify.gold import parse_gold
from filters.verify.verifier import verify

gold = parse_gold("number", "5 cm")
verdict = verify("<think>…</think><answer>0.05 m</answer>", gold)
assert verdict.score == 1.0
assert verdict.explanation == "equal numbers"
```

## Where the answer is

The place that the tag schema names by a mark of its own (`### Answer:`, `<CONCLUSION>`, the box of a schema that asks for
one) beats anything found elsewhere. Else the last `<answer>` (its closing mark may have been cut off by a stop string), else
the last `\\boxed{}` whose braces balance, else, where the schema says that the whole is the answer, all of it; there a line
"**Answer:** D" after a box counts more than the box, and a line `#### 42` (GSM8K) than all before it. Tags are read
in any case and with blanks inside (`< Answer >`), which is a fault of format all the same. Boxes that only commas, "and"
or "or" join are one answer of
several parts (`schemas/boxed.py`); with other words between them, the last one counts, in golds
as well. Only what follows the thinking is looked at (`<think>` and the marks of other families,
listed in `schemas/reply.py`; the opening one may be part of the prompt); of a thought that was never closed, only an
`<answer>` that ends the response. A `\\boxed{}` inside the span is unwrapped.

## What is written around an answer

One grammar for all kinds takes off what is written around the answer (`filters/verify/lead_in.py`, `markup.py`):

- Markup: `**5**`, `*5*`, `` `5` ``, `$5$`, `\\text{5}`, `\\boldsymbol{5}`, `{\\bf 5}`, `\\color{red}{5}`, `\\large 5`,
  `5\\quad`, `<b>5</b>`, quotes, marks of a dialogue's end (`<|im_end|>`), and Chinese and Japanese punctuation
  (`。、「」`) for their ASCII signs.
- Lead-ins in English, Chinese, Japanese, Korean, French, German, Spanish, Portuguese, Italian, Russian, Arabic and Hindi:
  "The answer is", "I choose", "it's", `答案是`, `选`, `정답은`, `答えは`, `réponse :`, `Antwort:`, `ответ:`.
- Words of conviction before and after it ("I think", "probably", ", definitely", "is the correct answer").

Maybe, perhaps, might and could leave an answer open, which is no answer. What a later clause takes back ("Wait, …", "no: …",
"that is wrong") does not count.

## Tiers

| tier | settles |
|---|---|
| `string` | the span is the gold, up to blanks, dollar signs, `\\text{}`, bold marks and a final full stop |
| `rule` | the kind's own rule, below; always fast |
| `math` | `math-verify` on the span: formulas that are not closed forms (sets, relations, matrices, unusual functions) |
| `judge` | a step `judge`, where rules leave the row unscored |
| `timeout` | the answer spent its budget: wrong. Unscored where its gold did, or where the machine gave it no time |
| `crash` | the answer took its process with it twice, by memory or stack: wrong. Unscored where its gold alone does too |
| `none` | nothing: gold, verifier and parameters do not fit, or only a judge could tell (unscored) |

`verify` works in the calling process. A formula can be written that takes years to compare, so answers of models go
through `VerifierPool`, which settles cheap items at once and gives the rest to processes that it can kill. The budget is
CPU time (2 s); an answer that the machine starves of it gets up to five times as long and is then unscored, so that no
verdict depends on the load. Golds are read before that clock starts, and at ingest (`VerifierPool.parse_gold`) under a
budget of their own. The verdicts are the same in the main thread, in other threads, under asyncio and in the pool. Text of
models is never evaluated as code.

All work is bounded before it begins. A response of more than 16 million characters, and an answer longer than its kind
allows (each says so below), is wrong; reading the rest takes time in line with its length, whatever is repeated in it.
A response cannot make itself unscored: what cannot be read, is nested deeper than 100 levels, has more parts than a kind
counts or numbers that no float holds is wrong. An error is the row's fault, and unscored, only where the gold's own words
make one too.

A verifier is named by its kind (`number`) or by kind and metric (`number:mra`). A gold of another kind is read anew, from
its published string. Parameters are checked; an unknown name makes the row unscored.

## Numbers and units

One reader serves all kinds that hold numbers (`filters/verify/numeral.py`).

- **A sentence states a number** where nothing or a verb that states is before it ("There are", "The total is about",
  `x =`, "Answer:", "答案是"), and its unit, what was counted, and words that take nothing back follow it. Negations,
  doubts and alternatives, bounds ("at most 5", "5 or more", `x < 5`), conditions, operators in words ("half of 5",
  "5 squared"), ordinals, ranges ("5 to 7") and numbers of other things ("question 5") are no answer.
- **Signs**: "minus 5", "negative 5" and "5 below zero" are −5; two signs (`--5`) are no number. "About" changes nothing.
- **Words**: "five hundred and three", "2.5 million", "two thirds", "one and a half", "half a dozen", "3 lakh"; `5k`, `2.5M`,
  `$3bn`. Digits with one of K, M, B, T right behind them are thousands to trillions, unless the gold's unit is measured in
  kelvin, molar, bytes or tesla; with a blank (`300 K`) they are units.
- **Marks**: `1,234`, `12,34,567`, `1 234`, `1'234`, `1\\,234`, `1{,}234`, `1,\\!234`, `1.234.567` are whole numbers;
  `2,74`, `0,111`, `1.234,5` and `1 234,5` have a decimal comma. `1.234` and `1,234` can be read either way: the point is
  before decimals and the comma between thousands, unless the row's parameter `marks` is `comma`.
- **Chinese, Japanese, Korean**: `十二`, `1万2千`, `三分之一`, `百分之五十`, `오십`, `열두 개`, counters (`5个`),
  units (`5厘米`).
- **Units**: a missing unit is taken as the other's. Two units that measure the same are converted: prefixes (`mV`, `MHz`),
  powers, products and quotients (`m\\,s^{-1}`, `meters per second`, `J/(kg*K)`), °C, °F and K, angles, bits and bytes
  (k is 1,000, Ki is 1,024), US gallons and pints, cents. Two that do not convert are different answers; so are a unit and
  a counted noun. Letter case tells symbols apart (`mW`, `MW`). No gold is refused for its unit: one that is unknown is
  compared as text. Two counted nouns ("5 apples", "5 fruits") are not compared. What is written alike ("pounds", "degrees",
  `C`) is taken as what the other side measures. Units have their names in the other languages too (`15 см`, `2 heures`,
  `16 metros cuadrados`).

The units are those of [pint](https://pint.readthedocs.io) as a table (`filters/verify/unit_table.py`), written by
`python -m filters.verify.write_units filters/verify/unit_table.py`. The reward is copied into releases and runs inside
trainers, so it carries the table and not the library: no import that a trainer may lack, exact rationals, and the same
conversions for as long as a release lives.

## Kinds
"""

_TAIL = """
## As a reward

The verifier that curated the data is the reward that trains on it. A release stores, for each row, `answer` (the gold as
JSON), `verifier`, `verifier_params` (JSON), `options` and `tags`. Importing `filters.verify.reward` loads no heavy library.

A response that hangs costs its budget and is wrong. All answers of a call share `BATCH_S` (30 s of wall clock): where that
is too little for the budgets of all that need a process, each first gets a short look, so that what is quickly decided
is decided whatever comes before it, and then an even share of what is left. What had no time of its own is unscored. A row
that cannot be used (no readable gold, parameters that do not fit, a completion that is neither text nor turns) is unscored,
a completion that says nothing (`None`, a turn that only calls a tool) is 0, and their neighbours keep their verdicts.

A call for one answer, as verl makes them, has the whole budget, until the calls of a process have wasted `ALONE_S` (20 s)
on answers without a verdict: then each may waste an eighth of what is left, which fills again by a tenth of the time that
passes, and what needs more is unscored.

**TRL** passes the columns by name: `GRPOTrainer(reward_funcs=reward, train_dataset=release)`.

```python
from filters.verify.reward import reward

completions = [[{"role": "assistant", "content": "<think>…</think><answer>0.5</answer>"}]]
answer = ['{"kind":"number","raw":"1/2","value":"1/2","percent":false}']
assert reward(completions, answer=answer, verifier=["number"], verifier_params=["{}"], options=[[]]) == [1.0]
```

**verl** passes one string; the exporter writes it with `ground_truth(...)`. Point `custom_reward_function.path` at a file
that holds the import.

```python
from filters.verify.reward import compute_score, ground_truth

truth = ground_truth('{"kind":"choice","raw":"B","letters":["B"],"texts":["dog"]}', "choice", "{}", ["cat", "dog"])
assert compute_score("pets", "<think>…</think><answer>dog</answer>", truth, {})["score"] == 1.0
assert compute_score("maths", "<answer>\\\\boxed{0.5}</answer>", "$\\\\frac{1}{2}$")["score"] == 1.0
```

**EasyR1** wants a file with `compute_score`, `REWARD_NAME` and `REWARD_TYPE`.

```python
from filters.verify.reward import easyr1_batch as compute_score

REWARD_NAME, REWARD_TYPE = "curate", "batch"
row = {"response": "<think>…</think><answer>7</answer>", "response_length": 9, "ground_truth": "$7$"}
assert compute_score([row])[0] == {"overall": 1.0, "accuracy": 1.0, "format": 1.0}
```

**ms-swift** takes an ORM from a plug-in, which `curate export` writes: like those of all other trainers it asks `graded`.

```python
from filters.verify.reward import graded, ground_truth

truth = ground_truth('{"kind":"boxes","raw":"[0,0,10,10]","boxes":[{"xyxy":[0,0,10,10]}]}', "boxes:iou")
assert graded(["<answer>[0, 0, 10, 5]</answer>"], [truth])[0]["score"] == 0.5
```

verl, EasyR1 and ms-swift cannot skip a response, so an unscored one counts 0 there (verl's extra field `unscored` says so).

## Trainers' own graders

Where a trainer brings a grader, golds and traces are put to it apart (`filters.verify.round_trip`). A sample is exported
only if the grader gives 1 on its gold and 0 on wrong answers under some encoding of the gold, tried in this order: `$g$`,
`\\boxed{g}`, `g`; else it is dropped as `release:round_trip_gold`. A verified trace that the grader does not give 1 is
dropped as `release:round_trip_trace`, and its sample stays. A grader that reads nothing of a tag schema at all is a mistake
of the recipe: `curate validate` refuses a `release.trainer` that the recipe names, and says of the default one that it is
asked about golds only.
"""


_JUDGES = """## Judges

What rules leave unscored may be decided by a step `judge`, in the words and by the form of reply that the recipe gives it:
[Judges](recipes.md#judges) shows those of published systems, down to the one for which zero means correct. A reply that does
not have that form decides nothing. `curate calibrate-judge` puts answers whose verdicts are known to it
(`filters.verify.judge`).
"""


def page() -> str:
    """The whole page as Markdown."""
    kinds = "\n".join(_kind(kind) for kind in KINDS.values())
    graders = _table(("trainer", "rule"), [(name, grader.rule) for name, grader in GRADERS.items()])
    tags = _table(
        ("schema", "layout", "answer in", "seen in"),
        [(f"`{t.name}`", f"`{_layout(t)}`", _answer_place(t), t.seen_in) for t in TAG_SCHEMAS.values()],
    )
    return (
        f"{_HEAD}\n{kinds}{_TAIL}\n{graders}\n\n{_JUDGES}\n"
        "## Tag schemas\n\nOne strict parser (`schemas.tags.parse_tags`) reads them all: every section once, in order, only "
        f"blanks outside; it names the first violation. Sections in brackets are optional.\n\n{tags}\n"
    )


def _kind(kind: Kind) -> str:
    metrics = _table(
        ("metric", "score", "correct from", "source"),
        [(f"`{name}`", m.rule, f"{m.threshold:g}", m.source) for name, m in kind.metrics.items()],
    )
    notes = [
        "Equal spellings settle it at once (tier `string`)." if kind.string_tier else "",
        "Reads the whole response, section by section." if kind.whole else "",
        "Rules leave it unscored; a judge grades it." if kind.judged else "",
    ]
    parts = _parameters(kind.params)
    if kind.name == "composite":
        parts += f"\n\nEach part:\n\n{_parameters(PartParams)}"
    text = " ".join(note for note in notes if note)
    blocks = (
        f"### `{kind.name}`",
        f"Gold: {kind.gold_forms}.",
        f"Response: {kind.response_forms}." + ("" if kind.whole else f" At most {kind.longest:,} characters."),
        text,
        metrics,
        parts,
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _parameters(section: type[Section]) -> str:
    rows = []
    for name, info in section.model_fields.items():
        default = info.get_default(call_default_factory=True)
        about = info.description or ("one of the metrics above" if name == "metric" else "")
        rows.append((f"`{name}`", f"`{default!r}`", about))
    return _table(("parameter", "default", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _layout(schema: TagSchema) -> str:
    marks = []
    for tag in schema.sections:
        if tag.within is None:
            inner = "".join(f"{t.open}…{t.close}" for t in schema.sections if t.within == tag.name)
            mark = f"{tag.open}…{inner}{tag.close}" if tag.open else "…"
            marks.append(f"[{mark}]" if tag.optional else mark)
    return " ".join(marks)


def _answer_place(schema: TagSchema) -> str:
    return f"{schema.answer}, boxed" if schema.inner == "boxed" else schema.answer


def main() -> None:
    """Writes the page to the path given."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
