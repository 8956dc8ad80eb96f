"""The road: every stage, in order. To add one, write its function in `generators` or `filters`, its step in
`pipelines.road.steps`, and its line here.

`version` is raised when a change of code changes a stage's tables; only that stage is computed again, then those for which
a table that they read came out other, and no model is asked again unless its prompts changed.
"""

from filters.verify import judge
from generators import caption, distill, rewrite, rollouts
from generators.checks import catalogue
from pipelines.road.ask import ask
from pipelines.road.decontaminate import facts
from pipelines.road.dedup import encoder_identities
from pipelines.road.selection import encoder_identities as selection_encoders
from pipelines.road.stage import Asks, Build, Computes, Road, Stage, in_order
from pipelines.road.steps import (
    candidates,
    checks,
    decontaminate,
    dedup,
    ingest,
    preference,
    release,
    round_trip,
    select,
    signals,
    split,
    traces,
)
from pipelines.road.steps import rollouts as outcomes
from pipelines.sources.read import fingerprint

ROAD: tuple[Stage, ...] = in_order(
    Stage("ingest", "samples", 5, (), lambda r: r.ingest, ingest.ingest,
          extra=lambda b: [b.recipe.limit, *map(fingerprint, b.recipe.sources)]),
    Stage("selftest", "samples", 2, ("ingest",), lambda r: r.verify, ingest.selftest_samples),
    Stage("caption", "captions", 3, ("selftest",), lambda r: r.caption, ask,
          Asks(traces.caption_rows, caption.requests, caption.collect, passed="no_media")),
    Stage("distill", "traces", 4, ("selftest", "caption"), lambda r: r.teacher, ask,
          Asks(traces.distill_rows, distill.requests, distill.collect, passed="no_caption")),
    Stage("conclude", "answers", 3, ("distill",), lambda r: r.teacher if r.teacher and r.teacher.force_answer else None, ask,
          Asks(traces.conclude_rows, distill.conclude_requests, distill.conclude_collect, limit="distill.force_tokens")),
    Stage("verify", "traces", 3, ("distill", "conclude"), lambda r: r.verify if r.distill else None, traces.verify_traces),
    Stage("judge", "verdicts", 2, ("verify",), lambda r: r.judge if r.distill else None, ask,
          Asks(traces.trace_judge_rows, judge.requests, traces.collect_judged, most=lambda section: None, passed="no_answer",
               limit="judge.sampling.max_tokens")),
    Stage("rewrite", "traces", 2, ("verify", "judge"), lambda r: r.rewrite if r.distill else None, traces.rewrite_traces,
          Asks(traces.leaking_rows, rewrite.requests, rewrite.collect, models=lambda s: (s.model,) if s.model else ())),
    Stage("quality", "traces", 6, ("caption", "distill", "verify", "judge", "rewrite"),
          lambda r: r.quality if r.distill else None, traces.measure_quality),
    Stage("pick", "traces", 2, ("distill", "verify", "judge", "rewrite", "quality"), traces.picks, traces.pick),
    Stage("rollouts", "rollouts", 2, ("selftest",), lambda r: r.rollouts, outcomes.roll_out,
          Asks(outcomes.rollout_rows, rollouts.requests, rollouts.collect, models=lambda section: section.models,
               exact=lambda section: section.adaptive is None)),
    Stage("score", "rollouts", 3, ("rollouts",), lambda r: r.verify if r.rollouts else None, outcomes.score_rollouts),
    Stage("judge_rollouts", "verdicts", 2, ("score",), lambda r: r.judge if r.rollouts else None, ask,
          Asks(outcomes.rollout_judge_rows, judge.requests, judge.collect, most=lambda section: None, passed="no_answer",
               limit="judge.sampling.max_tokens")),
    Stage("difficulty", "samples", 4, ("rollouts", "score", "judge_rollouts"),
          lambda r: r.difficulty if r.rollouts else None, outcomes.measure_difficulty),
    Stage("variants", "variants", 4, ("difficulty", "caption", "score", "verify", "judge", "rewrite", "quality", "pick"),
          checks.section, checks.make_variants, extra=checks.facts),
    Stage("check_rollouts", "replies", 1, ("variants",), checks.section, ask,
          Asks(checks.variant_rows, catalogue.requests, catalogue.collect, lambda c: c.most(), lambda c: c.models(),
               limit="rollouts.sampling.max_tokens")),
    Stage("check_scores", "replies", 2, ("check_rollouts",), lambda r: r.verify if r.checks else None,
          checks.score_checks),
    Stage("checks", "checked samples", 4, ("check_scores", "variants", "difficulty", "score", "judge_rollouts"),
          checks.section, checks.measure),
    Stage("dedup", "samples", 3, ("difficulty", "verify", "judge", "rewrite", "quality", "pick", "selftest"),
          lambda r: r.dedup, dedup.dedup_samples, extra=encoder_identities),
    Stage("decontaminate", "samples", 2, ("dedup", "difficulty", "selftest"), lambda r: r.decontaminate,
          decontaminate.decontaminate_samples, extra=facts),
    Stage("signals", "signals", 2, ("decontaminate", "dedup", "difficulty", "selftest", "rollouts"),
          lambda r: r.signals if r.rollouts else None, signals.measure_signals,
          extra=signals.signals_identities,
          computes=Computes(signals.missing_signals, signals.most_signals)),
    Stage("split", "samples", 4, ("decontaminate", "dedup", "difficulty", "selftest"), lambda r: r.sides,
          split.split_samples, extra=encoder_identities),
    Stage("round_trip", "samples", 2, ("ingest", "split"), lambda r: r.release if r.release.trainer else None,
          round_trip.check_golds),
    Stage("round_trip_traces", "traces", 1, ("round_trip", "ingest", "verify", "judge", "rewrite", "quality", "pick"),
          lambda r: r.release if r.release.trainer and r.distill else None, round_trip.check_traces),
    Stage("diversity", "scores", 1, ("rollouts",), candidates.diversity_measure, select.measure_diversity),
    Stage("select", "samples", 4, ("diversity", "round_trip", "split", "difficulty", "signals", "checks", "ingest"),
          lambda r: r.select, select.select_samples, extra=selection_encoders),
    Stage("prefer", "prompts", 3,
          ("select", "round_trip", "round_trip_traces", "split", "rollouts", "score", "judge_rollouts", "distill", "verify",
           "judge", "rewrite", "quality", "pick"), lambda r: r.preference, preference.pair_responses),
    Stage("release", "samples", 5,
          ("prefer", "round_trip", "round_trip_traces", "select", "split", "verify", "judge", "rewrite", "quality", "pick",
           "caption", "rollouts", "score", "judge_rollouts", "difficulty"),
          lambda r: r.release, release.release),
)  # fmt: skip
"""Ingest, test the gold answers, describe, reason, check, mend, roll out, measure, ask once more with something changed,
part twins, keep evaluation sets out, read the model's insides, split, try the grader, select, pair, release."""


def road(build: Build) -> Road:
    """The stages that this build's recipe uses."""
    return Road(build, ROAD)
