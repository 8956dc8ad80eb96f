"""The road: every stage, in order. To add one, write its function in `generators` or `filters`, its step in
`pipelines.steps`, and its line here.

`version` is raised when a change of code changes a stage's tables; only that stage and those that read it are computed
again, and no model is asked again unless its prompts changed.
"""

from pipelines import steps
from pipelines.dedup import encoder_identities
from pipelines.sources.read import fingerprint
from pipelines.stage import Build, Road, Stage

ROAD: tuple[Stage, ...] = (
    Stage("ingest", 1, "samples", 1, (), lambda r: r.ingest, steps.ingest,
          extra=lambda b: [b.recipe.limit, *map(fingerprint, b.recipe.sources)]),
    Stage("selftest", 2, "samples", 1, ("ingest",), lambda r: r.verify, steps.selftest_samples),
    Stage("caption", 3, "captions", 1, ("selftest",), lambda r: r.caption, steps.caption_images,
          model=lambda r: r.caption.model if r.caption else None),
    Stage("distill", 4, "traces", 1, ("selftest", "caption"), lambda r: r.distill, steps.distill_traces,
          model=lambda r: r.distill.model if r.distill else None),
    Stage("conclude", 5, "answers", 1, ("distill",), lambda r: r.distill if r.distill and r.distill.force_answer else None,
          steps.conclude_traces, model=lambda r: r.distill.model if r.distill else None),
    Stage("verify", 6, "traces", 1, ("distill", "conclude"), lambda r: r.verify if r.distill else None, steps.verify_traces,
          extra=lambda b: b.recipe.judge is not None),
    Stage("judge", 7, "verdicts", 1, ("verify",), lambda r: r.judge if r.distill else None, steps.judge_unscored_traces,
          model=lambda r: r.judge.model if r.judge else None),
    Stage("rollouts", 8, "rollouts", 1, ("selftest",), lambda r: r.rollouts, steps.roll_out,
          model=lambda r: r.rollouts.model if r.rollouts else None),
    Stage("score", 9, "rollouts", 1, ("rollouts",), lambda r: r.verify if r.rollouts else None, steps.score_rollouts),
    Stage("judge_rollouts", 10, "verdicts", 1, ("score",), lambda r: r.judge if r.rollouts else None,
          steps.judge_unscored_rollouts, model=lambda r: r.judge.model if r.judge else None),
    Stage("difficulty", 11, "samples", 1, ("score", "judge_rollouts"), lambda r: r.difficulty if r.rollouts else None,
          steps.measure_difficulty),
    Stage("dedup", 12, "samples", 1, ("difficulty", "verify", "judge", "selftest"), lambda r: r.dedup, steps.dedup_samples,
          extra=encoder_identities),
    Stage("split", 13, "samples", 1, ("dedup", "difficulty", "selftest"), lambda r: r.split, steps.split_samples),
    Stage("select", 14, "samples", 1, ("split", "difficulty"), lambda r: r.select, steps.select_samples),
    Stage("round_trip", 15, "samples", 1, ("select", "split", "verify", "judge"),
          lambda r: r.release if r.release.trainer else None, steps.check_round_trip),
    Stage("release", 16, "samples", 1, ("round_trip", "select", "split", "verify", "judge", "caption"), lambda r: r.release,
          steps.release),
)  # fmt: skip
"""Ingest, test the gold answers, describe, reason, check, roll out, measure, part twins, split, select, release."""


def road(build: Build) -> Road:
    """The stages that this build's recipe uses."""
    return Road(build, ROAD)
