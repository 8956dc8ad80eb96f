"""The formats in which a student that was not trained is asked, so that none loses for want of a format it never learned."""

from collections.abc import Mapping

from generators.training.student import Question
from pipelines.proof.rows import Rows

PLAIN = "plain"


def formats(rows: Rows) -> Mapping[str, Rows]:
    """The rows as the release asks them, without their system turn, and with nothing but what differs between them.

    The last two are read as `plain`: whatever the reply says last is its answer. Equal formats are there once.
    """
    alone = [_alone(question) for question in rows.questions]
    shared = _shared([question.turns[-1][1] for question in alone])
    bare = [_without(question, shared) for question in alone]
    found = {"as released": rows, "no system turn": rows.put(alone, PLAIN), "question alone": rows.put(bare, PLAIN)}
    kept: dict[str, Rows] = {}
    for name, one in found.items():
        same = (other for other in kept.values() if other.questions == one.questions and other.columns == one.columns)
        if next(same, None) is None:
            kept[name] = one
    return kept


def _alone(question: Question) -> Question:
    return Question(question.turns[-1:], question.images, question.positions)


def _shared(texts: list[str]) -> frozenset[str]:
    """The lines that all prompts have: an instruction of the recipe, not of a question."""
    if len(texts) < 2:
        return frozenset()
    return frozenset.intersection(*(frozenset(text.split("\n")) for text in texts))


def _without(question: Question, lines: frozenset[str]) -> Question:
    role, text = question.turns[-1]
    kept = "\n".join(line for line in text.split("\n") if line not in lines)
    if question.positions or not kept.strip():  # places of images count characters of the whole text
        return question
    return Question(((role, kept),), question.images)
