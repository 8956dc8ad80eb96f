"""Rows with faults that filters are there to find: so many of each, by a task's own rows, so that what is wrong is known."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from generators.tasks.rows import Row


def _wrong_gold(row: Row) -> Row:
    return row | {
        "answer": row["wrong_answer"],
        "letter": row["wrong_letter"],
        "wrong_answer": row["answer"],
        "wrong_letter": row["letter"],
    }


def _no_image(row: Row) -> Row:
    return row | {"image": None, "images": None}


def _broken_image(row: Row) -> Row:
    broken = b"\x89PNG\r\n\x1a\nbroken"
    return row | {"image": broken, "images": [broken]}


_FAULTS: Mapping[str, Callable[[Row], Row]] = {
    "wrong_gold": _wrong_gold,
    "duplicates": dict,
    "restated": lambda row: row | {"question": row["question"].lower()},
    "no_image": _no_image,
    "broken_image": _broken_image,
    "no_answer": lambda row: row | {"answer": "", "letter": ""},
    "no_question": lambda row: row | {"question": ""},
    "proof": lambda row: row | {"question": f"Prove your answer in full. {row['question']}"},
    "link": lambda row: row | {"question": f"{row['question']} See https://example.org/exercise/7"},
    "foreign": lambda row: row | {"question": f"请看图回答: {row['question']}"},
}
"""What is done to a row, by the name of the fault."""

COPIES = ("duplicates", "restated")
"""Faults of copies of rows, under ids of their own; the rows are there too."""

FAULTS = tuple(_FAULTS)


def spoiled(rows: Sequence[Row], faults: Mapping[Any, int]) -> Iterator[Row]:
    """The rows, with so many of each fault: copies are of the first rows and come after all, other faults are put into rows
    from the last backwards, one a row. Raises ValueError where there are not enough rows."""
    sound = list(rows)
    if sum(faults.values()) > 2 * len(sound):  # before so many are dealt with
        raise ValueError(f"{len(sound)} rows are too few for these faults: {dict(faults)}")
    places = iter(range(len(sound) - 1, -1, -1))
    copied = [fault for fault in COPIES for _ in range(faults.get(fault, 0))]
    for fault, count in faults.items():
        for _ in range(count if fault not in COPIES else 0):
            place = next(places, -1)
            if place < len(copied):
                raise ValueError(f"{len(sound)} rows are too few for these faults: {dict(faults)}")
            sound[place] = _FAULTS[fault](sound[place]) | {"spoiled": fault}
    yield from sound
    if len(copied) > len(sound):
        raise ValueError(f"{len(sound)} rows are too few for {len(copied)} copies")
    for row, fault in zip(sound, copied, strict=False):
        yield _FAULTS[fault](row) | {"id": f"{row['id']}-copy", "spoiled": fault}
