"""Recipes that were written before there was a compiler: those that compile, and two that are refused, with what is said.

Of `rap` the attention test is off, because the example reads no signals.
"""

# ruff: noqa: E501  (recipes as they were written)

import re
from pathlib import Path

import pytest

from pipelines.job import Compiled, compile_recipe
from schemas.errors import ConfigError

TOOL = """
import polars as pl
from schemas.step import Asks, Gives, Out, Reads, StepConfig, StepType

class Config(StepConfig):
    run: str

STEP = StepType(
    name="tool", summary="what a tool says of images", version=1, config=Config, of="sample",
    reads=lambda config, known: Reads(),
    gives=lambda config, known: Gives({config.as_ or "tool": pl.String()}),
    body=lambda tables, config, context: Out(tables.rows.select("id", pl.lit(config.run).alias(context.name))),
)
"""
"""`tool` is a step type of one's own here."""

EXAMPLES = {
    "infigui": """\
name: infigui
steps:
  - rollout: {as: alone, model: student, n: 4, prompt: "{{ question }}"}
  - rollout: {as: hinted, model: student, n: 4, prompt: "{{ question }} {{ answer.target }}"}
  - verify: {of: rollout}
  - difficulty: {as: a, of: alone}
  - tally: {as: h, of: hinted, to: sample, gives: {with_hint: "count(*) FILTER (correct)"}}
  - distill: {model: teacher, where: "k = 0 AND with_hint > 0", prompt: "{{ question }}"}
  - verify: {as: checked}
  - release: {sft: {of: trace, where: correct}, rl: {of: sample}}
""",
    "mmfinereason": """\
name: mmfinereason
steps:
  - ask: {as: clean, model: cleaner, sees: nothing, prompt: "{{ question }}", reply: {fields: {error_types: [str], question: str}}, gives: {question: question}}
  - drop: {as: unusable, of: sample, if: {non_answer: "list_has_any(error_types, ['proof'])"}}
  - distill: {model: teacher, tries: 2, prompt: "{{ question }}"}
  - caption: {model: describer, prompt: "{{ question }}"}
  - quality
  - verify
  - judge: {model: judge, where: "NOT correct", prompt: "{{ question }} {{ answer }} {{ final }}", reply: {choice: [EQUIVALENT, DIFFERENT]}}
  - drop: {of: trace, if: {inconsistent: "NOT correct AND judge = 'DIFFERENT'"}}
  - rollout: {model: small, n: 4, prompt: "{{ question }}"}
  - verify: {as: scored, of: rollout}
  - difficulty
  - tally: {as: gate, of: trace, to: sample, gives: {confirmed: "count(*) FILTER (correct OR judge = 'EQUIVALENT')"}}
  - select: {rule: hard_only}
  - release: {sft: {of: trace, columns: [caption, k, n]}}
""",
    "mpo": """\
name: mpo
steps:
  - distill: {as: tries, model: vlm, n: 32, where: "kind <> 'open'", prompt: "{{ question }}\\nEnd with: Final answer: …", reply: {tags: final_answer}}
  - verify: {of: tries}
  - tally: {of: tries, to: sample, gives: {solved: "count(*) FILTER (correct)"}}
  - pair: {as: by_answer, of: tries, chosen: "correct", rejected: "NOT correct", cap: 15, guard: final_in_text}
  - distill: {as: open_answer, model: vlm, where: "kind = 'open'", prompt: "{{ question }}"}
  - trim: {as: half, of: open_answer, words: 0.5, gives: {opening: text}}
  - distill: {as: blind, of: open_answer, model: vlm, sees: nothing, prompt: "{{ question }}", prefix: "{{ opening }}"}
  - pair: {as: dropout, of: [open_answer, blind], chosen: "made_by = 'open_answer'", rejected: "made_by = 'blind'"}
  - distill: {as: prm, model: vlm, n: 4, where: "kind <> 'open'", prompt: "{{ question }}", reply: {tags: final_answer}}
  - segment: {of: prm, split_at: blank_line, most: 12}
  - step_score: {model: vlm, n: 16, stop_at: 0}
  - release: {preference: {of: pair}, scores: {of: prm, with: [segment]}, rl: {of: sample, where: "solved = 0"}}
""",
    "r1_onevision": """\
name: r1-onevision
steps:
  - ask: {as: image_kind, model: vlm, prompt: "Which is it?", reply: {choice: [chart, scene, text, mixed, math]}}
  - tool: {as: boxes, run: grounding-dino, where: "image_kind IN ('scene', 'mixed')"}
  - tool: {as: ocr, run: easyocr, where: "image_kind IN ('text', 'mixed')"}
  - ask: {as: formal, model: vlm, where: "image_kind <> 'math'", prompt: "As CSV, SPICE, or words, by {{ image_kind }}"}
  - ask: {as: strategy, model: vlm, where: "image_kind = 'math'", prompt: "Strategy. {{ question }}", gives: {formal: text}}
  - distill: {model: reasoner, sees: nothing, prompt: "{{ formal }}{{ boxes or '' }}{{ ocr or '' }}{{ question }}"}
  - verify
  - drop: {of: trace, if: {wrong: "NOT correct"}}
  - ask: {as: role_play, of: trace, model: vlm, sees: nothing, prompt: "As if you looked: {{ reasoning }}", gives: {reasoning: text}}
  - judge: {as: gate, model: vlm, prompt: "{{ question }} {{ reasoning }}", reply: {choice: [keep, reject]}}
  - drop: {as: bad, of: trace, if: {gate: "gate = 'reject'"}}
  - release: {sft: {of: trace}}
""",
    "racro": """\
name: racro
steps:
  - ask: {as: described, model: extractor, n: 8, makes: description, prompt: "For: {{ question }} Do not answer."}
  - rollout: {as: solved, of: described, model: reasoner, sees: nothing, n: 4, prompt: "{{ described }} {{ question }}"}
  - verify: {of: solved}
  - difficulty: {as: sufficiency, of: solved, to: description}
  - pair: {of: described, chosen: "k >= 3", rejected: "k <= 1", cap: 1}
  - pick: {of: described, by: k, take: most}
  - release: {sft: {of: described}, preference: {of: pair}}
""",
    "rap": """\
name: rap
steps:
  - rollout: {as: seen, model: student, n: 5, prompt: "{{ question }}"}
  - rollout: {as: blind, model: student, n: 5, sees: nothing, prompt: "{{ question }}"}
  - verify: {of: rollout}
  - difficulty: {of: seen}
  - difficulty: {as: text_only, of: blind}
  - split: {rl: 1}
  - select: {rule: {type: rap, lambda_a: null}, k: difficulty, blind: text_only, control: random}
  - release: {rl: {of: sample, where: "difficulty.k > 0"}}
""",
    "vlaa": """\
name: vlaa
steps:
  - caption: {model: captioner, prompt: "Objects, setting, all text."}
  - distill: {model: reasoner, sees: nothing, prompt: "{{ caption }}\\n{{ question }}"}
  - rewrite: {model: editor, max_changed: 15}
  - judge: {model: editor, prompt: "{{ answer }} {{ final }}", reply: {choice: ["yes", "no"]}}
  - drop: {of: trace, if: {wrong: "judge = 'no'"}}
  - quality
  - tally: {as: aha, of: trace, to: sample, gives: {cued: "count(*) FILTER (cues > 0)"}}
  - split: {sides: {rl: "cued > 0", sft: "else"}}
  - release: {sft: {of: trace}, rl: {of: sample}}
""",
    "wethink": """\
name: wethink
steps:
  - caption: {as: seen, model: vlm, prompt: "Coarse to fine."}
  - ask: {as: missing, model: reasoner, sees: nothing, prompt: "What is missing? {{ seen }}"}
  - ask: {as: more, model: vlm, prompt: "{{ missing }}"}
  - ask: {as: written, model: reasoner, sees: nothing, n: 4, makes: draft, prompt: "{{ seen }} {{ more }}", reply: {fields: {draft_question: str, draft_answer: str, abilities: [str]}}}
  - drop: {as: bad, of: written, if: {short: "length(draft_question) < 10"}}
  - promote: {as: qa, of: written, question: draft_question, answer: draft_answer, parents: retire}
  - distill: {as: a1, of: qa, model: reasoner, sees: nothing, prompt: "{{ seen }} {{ question }}"}
  - distill: {as: a2, of: qa, model: vlm, prompt: "{{ question }}"}
  - agree: {of: qa, between: [a1, a2]}
  - ask: {as: third, of: qa, model: third, where: "NOT agreed", prompt: "{{ question }}"}
  - rewrite: {of: a1, model: vlm, prompt: "{{ answer }} {{ reasoning }}"}
  - release: {sft: {of: a1}, rl: {of: qa, columns: [abilities]}}
""",
    "ok_order_addressed": """\
name: bad_order
steps:
  - rollout: {model: student, n: 4, prompt: "{{ question }}"}
  - verify: {of: rollout}
  - difficulty
  - ask: {as: restate, model: vlm, prompt: "{{ question }}", gives: {question: text}}
  - release: {rl: {of: sample, where: "difficulty.k > 0"}}
""",
}

REFUSED = {
    "bad_order": """\
name: bad_order
steps:
  - rollout: {model: student, n: 4, prompt: "{{ question }}"}
  - verify: {of: rollout}
  - difficulty
  - ask: {as: restate, model: vlm, prompt: "{{ question }}", gives: {question: text}}
  - release: {rl: {of: sample, where: "k > 0"}}
""",
    "bad_taint": """\
name: bad_taint
steps:
  - caption: {model: vlm, prompt: "{{ question }} {{ answer }}"}
  - rollout: {model: student, n: 4, prompt: "{{ caption }} {{ question }}"}
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample, where: "k > 0"}}
""",
}


def compiled(name: str, text: str, folder: Path) -> Compiled:
    """An example with a source, and with a model of each name that it asks."""
    models = sorted(set(re.findall(r"model: (\w+)", text)))
    head = "".join(f"  {model}: {{model: reference-vlm}}\n" for model in models)
    uses = "uses: [tool.py]\n" if "- tool:" in text else ""
    (folder / "tool.py").write_text(TOOL)
    path = folder / f"{name}.yaml"
    path.write_text(f"{uses}models:\n{head}sources:\n  - {{type: scenes, name: scenes, n: 4}}\n{text}")
    return compile_recipe(str(path), trust=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_compiles(name: str, tmp_path: Path) -> None:
    found = compiled(name, EXAMPLES[name], tmp_path)
    written = [step.name for step in found.pipeline.steps][2:]
    entries = [line for line in EXAMPLES[name].splitlines() if line.startswith("  - ")]
    assert len(written) == len(entries)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bad_order", "release: `k` is outdated: 'difficulty' gave it before 'restate' changed what it depends on."),
        (
            "bad_taint",
            "difficulty: it counts rows of 'rollout', whose prompt shows the gold; that measures no difficulty.",
        ),
    ],
)
def test_an_example_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        compiled(name, REFUSED[name], tmp_path)
    assert re.match(r".*\.yaml:\d+: ", str(error.value))
