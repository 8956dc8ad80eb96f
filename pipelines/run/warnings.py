"""What a stage's record warns of: almost all of its rows lost to one cause, or replies that mean nothing.

Read off the records alone, so that the terminal and the flow's artifact say the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

ALMOST_ALL = 0.95
"""The share of a stage's rows that share one cause, or of rollouts that share one verdict, from which on it is told."""
FEWEST = 5
"""Of fewer rows than this no share is told."""

MEANT = (
    *("select:budget", "select:quota", "select:covered", "prefer:budget"),
    *("pick:longer", "pick:not_second_longest", "pick:not_drawn", "pick:alike"),
)
"""Causes by which a recipe drops most rows on purpose."""

CURES = {
    "ingest:gold_unparseable": "look at the source's `answer` column, and at the kind it is read as",
    "ingest:image": "look at the source's image column and at `image_root`",
    "caption:truncated": "raise caption.sampling.max_tokens",
    "distill:truncated": "raise distill.sampling.max_tokens",
    "conclude:": "look at what distill.force_answer completes",
    "verify:no_answer": "the teacher's replies end without an answer that can be read: ask for one in distill.system, or "
    "raise distill.sampling.max_tokens if they were cut off",
    "verify:wrong": "the teacher's answers are not the gold ones: see whether it gets the image or a caption, and how golds "
    "are written",
    "verify:unscored": "no rule can score these answers: add a `judge`",
    "judge:unscored": "the judge's replies fit no verdict: take a stronger judge",
    "pick:chance": "the teacher does no better than guesses: take a stronger one, or set traces.beats_chance to false",
    "difficulty:unmeasured": "no rollout gave an answer that can be scored: ask for one in rollouts.system, see that "
    "rollouts.tags fits the replies, or raise rollouts.sampling.max_tokens where they were cut off",
    "difficulty:too_few": "most rollouts gave no answer that can be scored: ask for one in rollouts.system, see that "
    "rollouts.tags fits the replies, raise rollouts.sampling.max_tokens where they were cut off, or lower difficulty.min_n",
    "dedup:": "see whether the rows really repeat each other, with `curate why ID`",
    "select:too_hard": "the student is too weak for these questions: take a stronger one or easier rows",
    "select:too_easy": "the student knows these questions: take harder rows",
    "select:unmeasured": "the rule reads a number that these rows do not have",
    "round_trip:": "release.trainer's own grader rejects what we accept: see release.trainer and verify.tags",
    "release:no_verified_trace": "see why the traces of these samples were dropped, with `curate why ID`",
}
"""The likely cure of a cause, by its longest beginning here."""

LOOK = "look at one with `curate why ID`"

_VERDICTS = {
    "no_answer": (
        "hold no readable answer",
        "ask for an answer in rollouts.system, and see that rollouts.tags, where answers are looked for, fits the replies",
    ),
    "unscored": ("could not be scored", CURES["verify:unscored"]),
    "wrong": ("are wrong", "the student gets nothing right: see that it gets the image, and how golds are written"),
}
"""What is said of rollouts of which almost all came to that, and the likely cure. Of those that were cut off, the stage that
asked for them has told."""


def warnings_of(record: Mapping[str, Any]) -> list[str]:
    """Sentences about one stage's record (`stage.json`): what the stage itself told, and what its counts tell."""
    own = (f"{record['stage']}: {told}" for told in record["warnings"])
    return [*own, *_of_drops(record), *_of_verdicts(record)]


def all_warnings(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The warnings of all stages, in their order."""
    return [warning for record in records for warning in warnings_of(record)]


def cure_of(cause: str) -> str:
    """The likely cure of a drop's reason."""
    fits = [start for start in CURES if cause.startswith(start)]
    return CURES[max(fits, key=len)] if fits else LOOK


def _of_drops(record: Mapping[str, Any]) -> list[str]:
    rows = record["rows_in"]
    told = []
    for cause, count in record["dropped"].items():
        if rows >= FEWEST and count >= ALMOST_ALL * rows and not cause.startswith(MEANT):
            told.append(
                f"{record['stage']}: {count:,} of {rows:,} {record['unit']} dropped as {cause}; {cure_of(cause)}."
            )
    return told


def _of_verdicts(record: Mapping[str, Any]) -> list[str]:
    """Rollouts are not dropped for what they say, so their verdicts are looked at where they are counted."""
    found: Mapping[str, int] = record.get("notes", {}).get("verdicts", {})
    asked = sum(found.values())
    return [
        f"{record['stage']}: {count:,} of {asked:,} rollouts {'; '.join(_VERDICTS[name])}."
        for name, count in found.items()
        if name in _VERDICTS and asked >= FEWEST and count >= ALMOST_ALL * asked
    ]
