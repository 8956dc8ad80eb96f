"""The rows of a release as a student learns from them and as the shipped reward grades them.

They are read as a trainer reads them, by `datasets.load_dataset` and the front matter of the release's README.
"""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generators.training.student import Question
from schemas.ids import chance

REWARD_COLUMNS = ("answer", "verifier", "verifier_params", "options", "tags")
"""What the reward reads of a row."""


@dataclass(frozen=True)
class Rows:
    """Rows in one order: what is asked, what the reward reads, and for traces the `replies` to learn."""

    ids: tuple[str, ...]
    questions: tuple[Question, ...]
    columns: Mapping[str, tuple[Any, ...]]
    replies: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def taken(self, places: Sequence[int]) -> "Rows":
        """The rows at `places`, in that order."""
        return Rows(
            tuple(self.ids[i] for i in places),
            tuple(self.questions[i] for i in places),
            {name: tuple(column[i] for i in places) for name, column in self.columns.items()},
            tuple(self.replies[i] for i in places) if self.replies else (),
        )

    def saying(self, replies: Sequence[str]) -> "Rows":
        """The same rows with other replies."""
        return replace(self, replies=tuple(replies))

    def put(self, questions: Sequence[Question], tags: str) -> "Rows":
        """The same rows, asked in another format and read in it."""
        columns = {**self.columns, "tags": (tags,) * len(self)}
        return replace(self, questions=tuple(questions), columns=columns)

    def rewards(self, places: Sequence[int], replies: Sequence[str]) -> list[float | None]:
        """What the shipped reward says of replies to the rows at `places`, by the release's own columns."""
        from filters.verify.reward import reward

        given: dict[str, Any] = {name: [column[i] for i in places] for name, column in self.columns.items()}
        return reward(list(replies), **given)


def read_rows(release: Path, config: str, most: int | None = None, only: Collection[str] | None = None) -> Rows:
    """The rows of a config, in its order, or those of `only` some samples; of more than `most`, those that come first by a
    hash of their ids."""
    with _loaded(release, config) as data:
        ids = data["id"][:]
        places = [place for place, id_ in enumerate(ids) if only is None or id_ in only]
        chosen = [places[i] for i in drawn([ids[place] for place in places], most)]
        return rows_of([data[place] for place in chosen])


def ids_of(release: Path, config: str, sides: Collection[str] | None = None) -> list[str]:
    """The samples of a config, or those on some of its sides."""
    with _loaded(release, config) as data:
        ids = data["id"][:]
        if sides is None or "side" not in data.column_names:
            return list(ids)
        return [id_ for id_, side in zip(ids, data["side"][:], strict=True) if side in sides]


@contextmanager
def _loaded(release: Path, config: str) -> Iterator[Any]:
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        with tempfile.TemporaryDirectory() as cache:
            yield load_dataset(str(release.resolve()), config, split="train", cache_dir=cache)
    finally:
        if shown:
            enable_progress_bar()


def rows_of(records: Sequence[Mapping[str, Any]]) -> Rows:
    """Rows from records of a release, their images decoded."""
    return Rows(
        tuple(record["id"] for record in records),
        tuple(_question(record) for record in records),
        {name: tuple(record[name] for record in records) for name in REWARD_COLUMNS},
        tuple(record["completion"][0]["content"] for record in records if record.get("completion")),
    )


def drawn(ids: Sequence[str], most: int | None, salt: str = "proof") -> list[int]:
    """Places of at most so many ids, in their order: chance by hash, the same whatever else is there."""
    import polars as pl

    if most is None or len(ids) <= most:
        return list(range(len(ids)))
    order = (
        pl.DataFrame({"id": list(ids)}).with_row_index("place").with_columns(chance(salt, pl.Series(ids)).alias("by"))
    )
    return sorted(order.sort("by", "place").head(most)["place"].to_list())


def _question(record: Mapping[str, Any]) -> Question:
    turns = tuple((turn["role"], turn["content"]) for turn in record["prompt"])
    images = tuple(record["images"] or ())
    return Question(turns, images, tuple(record.get("image_positions") or ()))
