"""The step `checks`: rows are asked once more with something changed, and flagged by what that does to the answers.

Without the images, with masked ones, with shuffled options, from a caption alone, without reasoning, and so on
(`generators.checks`): each variant is put to a model as the rows' rollouts were, judged against its own gold, and compared
with chance and with the rollouts (`filters.checks`). Nothing is dropped: the flags are a column for `drop` and `select`.
"""

from collections.abc import Iterator
from typing import Any, cast

import polars as pl
from pydantic import JsonValue

from filters.checks.measure import Evidence, measure_checks
from filters.checks.score import score_replies
from filters.difficulty import is_unread, measure
from filters.reads import gold_reads
from filters.verify.step import judged
from generators.asking import contract
from generators.asking.config import AskConfig
from generators.checks.catalogue import requests as put
from generators.checks.check import Setting
from generators.checks.material import EarlierReply
from pipelines.run.context import StepContext
from pipelines.steps.as_asked import asked_by, makers, read_by, steps_before
from pipelines.steps.check_variants import OTHERS, make_variants
from pipelines.steps.checks_section import ChecksStepConfig, gives
from pipelines.store.derived_images import DerivedImages
from schemas.completion import Request
from schemas.ids import content_id
from schemas.sample import ANSWER, MEDIA
from schemas.split import Split
from schemas.step import Asks, Beside, Context, Gives, Known, Out, Reads, StepType, Tables, hidden, read

ASKED = ("options", "media", "answer", "detail")
"""What the table `variants` shows of what was asked, beside the numbers of the answers."""

_ROLLOUT = {
    "model": read("model", pl.String()),
    "index": read("index", pl.Int32()),
    "text": read("text", pl.String()),
    "finish_reason": read("finish_reason", pl.String()),
    "tokens": read("tokens", pl.Int32(), optional=True),
}
_TRACE = {
    "index": read("index", pl.Int32()),
    "reasoning": read("reasoning", pl.String()),
    "final": read("final", pl.String()),
    "gold_visible": read("gold_visible", pl.Boolean()),
}


def _own(config: ChecksStepConfig, known: Known) -> AskConfig:
    own = asked_by(makers(config.rollouts, known), steps_before(known))[1]
    if config.model not in own.models:
        raise ValueError(
            f"`model: {config.model}` is no student of '{config.rollouts}'; those are {', '.join(own.models)}"
        )
    if own.shown not in ((), ("media",)):
        raise ValueError(
            f"the students of '{config.rollouts}' see {', '.join(own.shown)}; variants are made of `media` alone"
        )
    return own


def _before(config: ChecksStepConfig, known: Known) -> JsonValue:
    """How the rollouts were asked and are read, which decides what variants are."""
    own, steps = _own(config, known), steps_before(known)
    return own.model_dump(mode="json") | {"read_by": read_by(makers(config.rollouts, known), steps, own)}


def _reads(config: ChecksStepConfig, known: Known) -> Reads:
    of = config.of or "sample"
    found = dict(contract.reads(_own(config, known), known).rows) | hidden(gold_reads(of, known))
    found |= {"question": read("question", pl.String()), "media": read("media", pl.List(MEDIA), optional=True)}
    found["options"] = read("options", pl.List(pl.String()), optional=True)
    found |= {"check:source": read("source"), "check:meta": read("meta", pl.String(), optional=True)}
    if config.needs("caption"):
        found["check:caption"] = read(config.caption, pl.String())
    beside = {"rollouts": Beside(config.rollouts, _ROLLOUT, dropped=True)}
    if config.needs("traces"):
        _check_traces(config, known)
        beside["traces"] = Beside(config.traces, _TRACE)
    if config.claims:
        beside["golds"] = Beside("sample", {"answer": read("answer", ANSWER), "source": read("source")}, dropped=True)
    return Reads(found, beside)


def _check_traces(config: ChecksStepConfig, known: Known) -> None:
    """Raise ValueError where `reverify` is for traces that were written with the gold in view, and there are none."""
    made_by = makers(config.traces, known)
    writers = [step for step in steps_before(known) if step.name in made_by]
    if all(step.asks and not step.gold_visible for step in writers):
        for check in config.checks:
            if check.type == "reverify" and check.traces == "gold_visible":
                raise ValueError(
                    f"'{check.label}' concludes from traces whose prompt showed the gold, and no prompt of "
                    f"{', '.join(sorted(made_by))} does; write `traces: all`"
                )


class _Checking:
    """The checks of a running step."""

    def __init__(self, config: ChecksStepConfig, context: Context) -> None:
        self.config, self.context = config, cast(StepContext, context)
        step = self.context.step
        made_by, before = step.beside["rollouts"].node.makers, self.context.pipeline.before(step)
        own = asked_by(made_by, before)[1]
        self.tags = read_by(made_by, before, own)
        changed = own.model_copy(update={"model": config.model, "n": config.n})
        self.setting = Setting(changed, DerivedImages(self.context.build.media), self.context.seed, self.tags)

    def variants(self, rows: pl.DataFrame, bucket: int, others: pl.DataFrame) -> Split:
        """What is asked about the rows of a bucket, in order of their ids."""
        rows = rows.sort("id").with_columns(dataset=_dataset("check:source"), kind=_kind("gold:answer"))
        rows = rows.join(others, on=["dataset", "kind"], how="left", maintain_order="left")
        earlier = _earlier(self._replies(rows, bucket), self._traces(bucket))
        made = make_variants(rows, earlier, self.config.checks, self.setting)
        self.context.build.media.flush()
        return made

    def others(self) -> pl.DataFrame:
        """`dataset, kind, check:others`: the most common golds of each source and kind, of all samples; counted once."""
        shared = self.context.shared
        if "others" not in shared:
            shared["others"] = self._others()
        return cast(pl.DataFrame, shared["others"])

    def _others(self) -> pl.DataFrame:
        schema = {"dataset": pl.String, "kind": pl.String, "gold": pl.String}
        found = [pl.DataFrame(schema=schema)]
        for bucket in self.context.buckets if self.config.claims else ():
            golds = self.context.beside("golds", bucket).filter(pl.col("answer").is_not_null())
            gold = pl.col("answer").struct.field("raw")
            found.append(golds.select(dataset=_dataset("source"), kind=_kind("answer"), gold=gold))
        counted = pl.concat(found).group_by("dataset", "kind", "gold").len()
        counted = counted.sort("len", "gold", descending=[True, False])
        return counted.group_by("dataset", "kind").agg(pl.col("gold").head(OTHERS).sort().alias("check:others"))

    def rollouts(self, rows: pl.DataFrame, bucket: int) -> pl.DataFrame:
        """The rows' rollouts with what rules say of them: columns of `VERDICT`, `sample_id` for the row's id."""
        golds = rows.select("id", **{name: f"gold:{name}" for name in ("answer", "verifier", "options")})
        made = self.context.beside("rollouts", bucket).filter(pl.col("finish_reason").is_in(["stop", "length"]))
        mine = made.drop("sample_id").join(golds.rename({"id": "parent_id"}), on="parent_id", how="inner")
        asked = mine.rename({"parent_id": "sample_id"}).with_columns(response="text").sort("id")
        return judged(asked, self.context.verifiers(), self.tags)

    def _replies(self, rows: pl.DataFrame, bucket: int) -> pl.DataFrame | None:
        if not self.config.needs("rollouts"):
            return None
        return self.rollouts(rows, bucket).filter(finish_reason="stop", model=self.config.model)

    def _traces(self, bucket: int) -> pl.DataFrame | None:
        return self.context.beside("traces", bucket) if self.config.needs("traces") else None


def _dataset(column: str) -> pl.Expr:
    return pl.col(column).struct.field("dataset")


def _kind(column: str) -> pl.Expr:
    return pl.col(column).struct.field("kind")


def _earlier(replies: pl.DataFrame | None, traces: pl.DataFrame | None) -> dict[str, dict[str, list[EarlierReply]]]:
    """What models replied about each row before, in the order of the indexes."""
    found: dict[str, dict[str, list[EarlierReply]]] = {}
    if replies is not None:
        for of, index, text, answer in replies.sort("sample_id", "index").select(
            "sample_id", "index", "text", "parsed_response"
        ).iter_rows():  # fmt: skip
            found.setdefault(of, {}).setdefault("replies", []).append(EarlierReply(str(index), text, answer))
    if traces is not None:
        columns = ("parent_id", "id", "reasoning", "final", "gold_visible")
        for of, id_, thought, final, shown in traces.sort("parent_id", "index", "id").select(columns).iter_rows():
            trace = EarlierReply(id_, thought or "", final, bool(shown))
            found.setdefault(of, {}).setdefault("traces", []).append(trace)
    return found


def more(rows: pl.DataFrame, answers: pl.DataFrame, config: ChecksStepConfig, context: Context) -> Iterator[Request]:
    """Every variant of the rows, once. `of` is the place of a variant among those of its row."""
    if answers.height:
        return
    checking = _Checking(config, context)
    assert checking.context.bucket is not None
    made = checking.variants(rows, checking.context.bucket, checking.others()).kept
    places = _placed(made).select("id", "sample_id", "place", "model")
    known = {id_: (of, place, model) for id_, of, place, model in places.iter_rows()}
    for request in put(made):
        of, place, model = known[request.id]
        yield Request(of, request.messages, request.sampling, n=request.n, prefix=request.prefix, of=place, model=model)


def _placed(variants: pl.DataFrame) -> pl.DataFrame:
    """Variants with their `place` among those of their row."""
    return variants.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int32).over("sample_id"))


def body(tables: Tables, config: ChecksStepConfig, context: Context) -> Out:
    """`id` and what `gives` names of every row.

    Tables beside: `results` (a row for each row and check), `variants`, and `refused` (what could not be asked, and why).
    Answers are judged a bucket at a time; what is kept of one is its verdict.
    """
    checking = _Checking(config, context)
    assert checking.context.answers is not None
    others, kept, refused, replies, rollouts = checking.others(), [], [], [], []
    for bucket in checking.context.buckets:
        here = checking.context.tables.made(checking.context.step.node, bucket).select("id")
        rows = tables.rows.join(here, on="id", how="semi")
        made = checking.variants(rows, bucket, others)
        asked = _placed(made.kept)
        replies.append(_judged(asked, checking.context.answers(bucket), checking))
        rollouts.append(checking.rollouts(rows, bucket).drop("response", "text", "answer", "verifier", "options"))
        kept.append(asked.drop("messages", "prefix", "place"))
        refused.append(made.dropped)
    found = _evidence(tables.rows, pl.concat(kept), pl.concat(replies), pl.concat(rollouts), config)
    measured = measure_checks(found, config.rules, config.counting)
    guesses = measured.results.filter(type="guess").sort("check", "id").unique("id", keep="first", maintain_order=True)
    guesses = guesses.select("id", k_guess="k", n_guess="n")
    every = measured.samples.join(guesses, on="id", how="left", maintain_order="left")
    every = tables.rows.select("id").join(every, on="id", how="left", maintain_order="left")
    every = every.with_columns(flags=pl.col("flags").fill_null([]))
    gone = pl.concat(refused)
    notes = {"variants": found.variants.height, "refused": gone.height}
    asked = measured.variants.join(found.variants.select("id", *ASKED), on="id", how="left", maintain_order="left")
    beside = {"results": measured.results, "variants": asked, "refused": gone}
    return Out(every.select("id", *(pl.col(n).cast(t) for n, t in gives(config).items())), tables=beside, notes=notes)


def _judged(variants: pl.DataFrame, answers: pl.DataFrame, checking: _Checking) -> pl.DataFrame:
    """The answers to variants with their verdicts, without their texts."""
    asked = variants.select("sample_id", "place", "check", "model", "prefix", "answer", "verifier", "options", "tags",
                            variant_id="id")  # fmt: skip
    had = answers.filter(pl.col("finish_reason").is_in(["stop", "length"])).rename({"id": "sample_id", "of": "place"})
    mine = had.join(asked, on=["sample_id", "place", "model"], how="inner").sort("variant_id", "index")
    ids = [content_id(["reply", *row]) for row in mine.select("variant_id", "index").iter_rows()]
    rows = mine.with_columns(pl.Series("id", ids, dtype=pl.String)).drop("place", "turn", "reasoning", "error")
    return score_replies(rows, checking.context.verifiers()).kept.drop("text")


def _evidence(
    rows: pl.DataFrame, variants: pl.DataFrame, replies: pl.DataFrame, rollouts: pl.DataFrame, config: ChecksStepConfig
) -> Evidence:
    """What there is to measure. Rows without a gold are no evidence."""
    gold = pl.col("gold:answer").struct
    facts = {"dataset": _dataset("check:source"), "kind": gold.field("kind"), "gold": gold.field("raw")}
    golden = rows.filter(pl.col("gold:answer").is_not_null())
    samples = golden.select("id", "question", "options", **facts, parsed=gold.field("parsed")).sort("id")
    base = measure(rollouts.with_columns(no_answer=is_unread()), config.counting).select("id", "k", "n", "model")
    votes = any(check.type == "vote" for check in config.checks)
    voting = rollouts.filter(finish_reason="stop", model=config.model)
    types = [(c.label, c.type, getattr(c, "rule", None) or getattr(c, "expect", None)) for c in config.checks]
    schema = {"check": pl.String, "type": pl.String, "rule": pl.String}
    return Evidence(
        samples=samples,
        base=base,
        rollouts=voting if votes else None,
        student=config.model,
        variants=variants,
        replies=replies,
        checks=pl.DataFrame(types, schema=schema, orient="row"),
    )


def _facts(config: ChecksStepConfig, build: Any) -> Any:
    """What decides derived images beside the section."""
    from PIL import __version__

    return __version__


STEP = StepType(
    name="checks",
    summary="asks once more with something changed, and flags rows by what that does to the answers",
    version=4,
    config=ChecksStepConfig,
    reads=_reads,
    gives=lambda config, known: Gives(gives(config)),
    body=body,
    of="sample",
    scope=lambda config: "all",
    asks=Asks(
        models=lambda config: config.models,
        requests=lambda rows, config: iter(()),
        more=more,
        most=lambda config: max((config.most(model) for model in config.models), default=0),
        most_of=lambda config, model: config.most(model),
        longest=lambda config, own: config.longest(own["sampling"]["max_tokens"]),
        changes_images=True,
    ),
    facts=_facts,
    before=_before,
    verdict=True,
    streams=True,
)
