"""One row of a trainer's batch as an item to be judged. A row that cannot be used costs its neighbours nothing."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from filters.verify.offered import ALPHABET, listed_in
from filters.verify.verifier import VerifyItem
from schemas.answer import Answer, OpenAnswer
from schemas.ids import canonical_json
from schemas.tags import TAG_SCHEMAS, parse_tags

Gold = Callable[[str], Answer]
"""Reads a gold from its text. Raises ValueError where nobody can."""


class _RowError(ValueError):
    """What a row holds cannot be used."""


def item_of_row(completion: Any, row: Mapping[str, Any], gold: Gold, default_tags: str) -> VerifyItem:
    """A completion to be judged by `answer, verifier, params, options, tags` of its row.

    A row that holds something else gets an item that nobody can score, for its own sake and not for its neighbours'.
    """
    try:
        text = _text(completion)
        options = row.get("options")
        return VerifyItem(
            text,
            _answer(row.get("answer"), gold),
            _name(row, "verifier"),
            _settings(row.get("params")),
            tuple(_texts(options) if options is not None else ()),
            _name(row, "tags") or default_tags,
        )
    except (
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # never a point and never a zero: no verifier has this name
        return VerifyItem("", OpenAnswer(raw="", reference=""), verifier=f"of an unreadable row: {str(error)[:200]}")


def at(column: Any, place: int) -> Any:
    """The value of a column at a place; None where the column is missing, shorter, or no column."""
    if column is None or isinstance(column, str | bytes | Mapping):
        return None
    try:
        return column[place]
    except (IndexError, KeyError, TypeError):
        return None


def row_at(columns: Mapping[str, Any], place: int) -> dict[str, Any]:
    """The values of all columns at a place."""
    return {name: at(column, place) for name, column in columns.items()}


def layout_of(completion: Any, tags: Any) -> float:
    """1.0 where a completion is laid out as its tag schema says, to the letter; 0.0 where it is not, or nobody can tell."""
    try:
        known = isinstance(tags, str) and tags in TAG_SCHEMAS
        return float(known and parse_tags(_text(completion), TAG_SCHEMAS[tags]).violation is None)
    except (ValueError, TypeError, RecursionError):
        return 0.0


def _text(completion: Any) -> str:
    """What a model answered: a text, or the last of its turns, whose content may be in parts, or nothing but calls."""
    if completion is None or isinstance(completion, str):
        return completion or ""
    if isinstance(completion, Mapping):
        return _text(completion.get("content"))
    if not isinstance(completion, Iterable) or isinstance(completion, bytes):
        raise _RowError(f"a completion is a text or a list of turns, and no {type(completion).__name__}")
    completion = list(completion)
    if completion and isinstance(completion[-1], Mapping) and "content" in completion[-1]:
        return _text(completion[-1]["content"])
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in completion]
    return "".join(part for part in parts if isinstance(part, str))


def _answer(answer: Any, gold: Gold) -> Answer:
    if isinstance(answer, Mapping):
        answer = canonical_json(answer)
    if not isinstance(answer, str):
        raise _RowError(f"an answer is a text, and no {type(answer).__name__}")
    return gold(answer)


def _name(row: Mapping[str, Any], key: str) -> str | None:
    name = row.get(key)
    if name is not None and not isinstance(name, str):
        raise _RowError(f"{key} is a name, and no {type(name).__name__}")
    return name or None


def _settings(params: Any) -> Mapping[str, Any]:
    settings = json.loads(params or "{}") if isinstance(params, str) else params
    if settings is not None and not isinstance(settings, Mapping):
        raise _RowError(f"verifier_params is an object, and no {type(settings).__name__}")
    return settings or {}


def _texts(options: Any) -> Sequence[str]:
    if isinstance(options, Mapping):
        options = _of_letters(options)
    if isinstance(options, str) and (listed := listed_in(options)):  # "A. cat\nB. dog"
        return listed
    if isinstance(options, str) or not all(isinstance(option, str) for option in options):
        raise _RowError("options is a list of texts, or one text that lists them as A, B, …")
    return list(options)


def _of_letters(options: Mapping[Any, Any]) -> list[Any]:
    """The texts of `{"A": "cat", "B": "dog"}`, in the order of the letters; nulls pad rows of fewer."""
    letters = sorted(options, key=str)
    texts = [options[key] for key in (letters if letters == [*ALPHABET[: len(letters)]] else options)]
    while texts and texts[-1] is None:
        texts.pop()
    return texts
