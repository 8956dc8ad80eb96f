"""What a student can do: its greedy replies put to the shipped reward, and its pass rates on rows that RL learns from."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from generators.training.student import Student
from pipelines.proof.formats import formats
from pipelines.proof.rows import Rows
from schemas.tags import TAG_SCHEMAS, parse_tags

RIGHT, WRONG, UNSCORED = "1", "0", "u"


class Graded(NamedTuple):
    """A verdict a row, in order, and the share of replies that are laid out in some tags."""

    verdicts: str
    formatted: float


def graded(student: Student, rows: Rows, tokens: int, tags: str) -> Graded:
    """Greedy replies to `rows`; `tags` are those of the traces, which a trained student is to have learned."""
    replies = [group[0] for group in student.reply(rows.questions, number=1, temperature=0.0, tokens=tokens, seed=0)]
    scores = rows.rewards(range(len(rows)), replies)
    schema = TAG_SCHEMAS[tags]
    laid_out = [parse_tags(reply, schema).violation is None for reply in replies]
    return Graded("".join(map(_mark, scores)), sum(laid_out) / len(laid_out))


def best(student: Student, holdout: Rows, fresh: Rows | None, tokens: int, tags: str) -> tuple[str, list[Graded]]:
    """The format in which a student has most right, and what it has right in it. Chosen on what is graded, in its favour."""
    found: dict[str, list[Graded]] = {}
    fresher = formats(fresh) if fresh is not None else {}
    for name, rows in formats(holdout).items():
        sets = [rows, *([fresher[name]] if name in fresher else [])]
        found[name] = [graded(student, one, tokens, tags) for one in sets]
    name = max(found, key=lambda name: sum(share(one.verdicts) for one in found[name]) / len(found[name]))
    return name, found[name]


def share(verdicts: str) -> float:
    """The share that is right; what nobody can score is not."""
    return verdicts.count(RIGHT) / len(verdicts)


def band(student: Student, rows: Rows, number: int, temperature: float, tokens: int, seed: int) -> dict[str, Any]:
    """Pass rates measured again: how many of the rows a group of rollouts would teach something on.

    `always` and `never` are the shares of rows that all of `number` replies get right or wrong, `within` the rest.
    """
    drawn = student.reply(rows.questions, number=number, temperature=temperature, tokens=tokens, seed=seed)
    places = [place for place in range(len(rows)) for _ in range(number)]
    scores = rows.rewards(places, [text for group in drawn for text in group])
    counts = [sum(score == 1.0 for score in scores[k : k + number]) for k in range(0, len(scores), number)]
    ends = {"always": _part(counts, number), "never": _part(counts, 0)}
    return {**ends, "within": 1.0 - sum(ends.values()), "mean": sum(counts) / number / len(counts), "rows": len(counts)}


def _part(counts: Sequence[int], value: int) -> float:
    return sum(count == value for count in counts) / len(counts)


def _mark(score: float | None) -> str:
    return UNSCORED if score is None else RIGHT if score == 1.0 else WRONG
