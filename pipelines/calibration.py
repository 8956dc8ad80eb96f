"""How far the checks of a recipe can be trusted: verifiers and a judge, put to answers whose verdicts are known."""

import tempfile
from pathlib import Path

import polars as pl

from filters.sql.expression import Condition
from filters.verify import judge
from filters.verify.selftest import COUNTS
from pipelines.compiler.columns import Node
from pipelines.compiler.pipeline import Step
from pipelines.job import Job
from pipelines.run.asking import Asking
from pipelines.run.context import StepContext
from pipelines.store.table_files import read_table
from schemas.errors import ConfigError, nearest
from schemas.reply_row import REPLY
from schemas.step import Tables


def selftest_verifiers(job: Job) -> pl.DataFrame:
    """Put every gold answer of the recipe to its verifier; no model is asked. One row a source, kind and check: COUNTS and
    `share`, of what passed. Raises as a build does for sources that cannot be read."""
    build, runner = job.build, job.runner
    build.workspace.prepare(build.recipe.name)
    with build.workspace.lock(build.recipe.name):
        try:
            for step in job.compiled.pipeline.steps[:2]:
                runner.run(step)
        finally:
            build.close()
    runner.record.check(job.compiled.pipeline.steps[:2])
    counts = read_table(build.folder / "selftest" / "verifiers.parquet")
    return counts.select(list(COUNTS)).with_columns(share=pl.col("passed") / pl.col("tried"))


def calibrate_judge(job: Job, right: str | None = None) -> pl.DataFrame:
    """Put right and wrong answers to the recipe's judge and say how often it agrees (`filters.verify.judge.calibrate`).

    Right answers are the golds, wrong ones the golds of other rows of the same source and kind. The judge is the first step
    `judge` that compares `final` with the gold. `right` is a condition over what it gives, such as `judge >= 7`; unset, the
    first choice means right, or a score of the upper half. Where opinions are rows, half of those of an answer decide.
    Replies go through the log. Raises ConfigError where there is no such judge, its prompt reads what only a reply has, or
    nothing says which of its opinions mean right.
    """
    step = _judge(job)
    condition = _condition(step, right)
    selftest_verifiers(job)
    build, runner, samples = job.build, job.runner, _samples(job)
    asked = judge.calibration_rows(samples, build.seed).sort("id")
    rows = _put(step, asked, samples)
    context = StepContext(build, step, runner.tables, runner.record)
    with tempfile.TemporaryDirectory(prefix="curate-calibration-") as folder:
        asking = Asking(build, step, context, lambda bucket: rows, [0], Path(folder))
        asking.ask()
        out = step.type.body(Tables(rows, {}, asking.answers(0)), step.config, context)
    assert out.rows is not None
    opinions = out.rows.select(
        pl.col("parent_id" if "parent_id" in out.rows.columns else "id").alias("id"),
        correct=condition.evaluate(out.rows),
    )
    judged = opinions.group_by("id").agg(correct=pl.col("correct").mean() >= 0.5)
    return judge.calibrate(asked.select("id", "known").join(judged, on="id", how="left"))


def _judge(job: Job) -> Step:
    for step in job.compiled.pipeline.steps:
        if step.type.name == "judge" and {"final", "answer"} <= set(step.sources):
            return step
    raise ConfigError(
        f"'{job.build.recipe.name}' has no `judge` step whose prompt compares {{{{ final }}}} with {{{{ answer }}}}, so "
        "there is no judge to calibrate."
    )


def _condition(step: Step, right: str | None) -> Condition:
    """Which opinions of a judge mean right. Raises ConfigError where neither `right` nor the form of its replies says so."""
    try:
        condition = Condition(right if right is not None else _by_its_form(step))
        for reference in condition.references:
            name = ".".join(reference)
            if name not in step.gives:
                raise ValueError(f"'{step.name}' gives no `{name}`.{nearest(name, step.gives)}")
        condition.type({".".join(ref): step.gives[".".join(ref)] for ref in condition.references})
    except ValueError as error:
        raise ConfigError(f"--right: {error}") from None
    return condition


def _by_its_form(step: Step) -> str:
    reply = step.config.reply
    name = next((name for name in step.gives if step.config.makes is None or name not in REPLY), "")
    if reply != "text" and reply.choice is not None:
        return f"{name} = '{reply.choice[0].replace(chr(39), 2 * chr(39))}'"
    if reply != "text" and reply.score is not None:
        return f"{name} >= {sum(reply.score) / 2}"
    raise ValueError(f"say which opinions of '{step.name}' mean right, as a condition over what it gives.")


def _samples(job: Job) -> pl.DataFrame:
    """The samples whose golds passed their self-test."""
    first, after = job.compiled.pipeline.steps[0], job.compiled.pipeline.steps[2]
    node = job.compiled.pipeline.names.node("sample")
    columns = {
        name: job.compiled.pipeline.names.find(Node("sample", frozenset({first.name})), (name,)) for name in _SHOWN
    }
    tables, buckets = job.runner.tables, range(job.runner.record.buckets)
    return pl.concat([tables.current(node, columns, bucket, after.number) for bucket in buckets])


_SHOWN = ("question", "options", "answer", "verifier", "source", "media")


def _put(step: Step, asked: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """The rows as the judge gets them. Raises ConfigError where it reads a column that is not known of a made-up answer."""
    known = asked.select(
        "id", "sample_id", "question", final="answer", answer="gold", parent_id="sample_id", made_by=pl.lit("")
    )
    known = known.join(samples.select(sample_id="id", options="options", media="media"), on="sample_id", how="left")
    strange = [name for name in step.sources if name not in known.columns]
    if strange:
        raise ConfigError(
            f"{step.place}: {step.name}: its prompt reads `{strange[0]}`, which made-up answers have not; only a judge of "
            "question, answer and final can be calibrated."
        )
    return known.sort("id")
