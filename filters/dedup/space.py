"""Which rows can be duplicates of each other at all, and how near two of them are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from filters.dedup.content import text_keys
from filters.dedup.earlier_release import FIXED
from filters.dedup.greedy import Pairs
from filters.dedup.quality import QualityConfig
from filters.dedup.rule import Rule, contestants
from filters.dedup.vectors import Floats, Ints, Vectors, cosine
from schemas.errors import StepError

MARGIN = 2e-3
"""Candidates are searched this far below the threshold, more than float16 can err, and then checked exactly."""


class NearRule(Rule):
    """What counts as the same question about the same image."""

    text_threshold: float = Field(default=0.9, gt=0, le=1, description="cosine of two questions about images, at least")
    same_words_threshold: float = Field(
        default=0.6, gt=0, le=1, description="the same where both are about the same words"
    )
    text_only_threshold: float = Field(default=0.92, gt=0, le=1, description="the same where rows have no images")
    image_threshold: float = Field(default=0.985, gt=0, le=1, description="cosine of each pair of images, at least")


@dataclass(frozen=True)
class Space:
    """Rows that may be duplicates of each other, from best to worst.

    By row: places of its vectors in `text` and `image` (`images` is `(rows, images a row)`), and in `words` a number for
    what the question is about, 0 where it names nothing.
    """

    rows: Ints
    fixed: npt.NDArray[np.bool_]
    texts: Ints
    words: Ints
    images: Ints
    text: Vectors | None
    image: Vectors | None
    rule: NearRule

    def numbered(self, pairs: Pairs) -> Pairs:
        """Pairs of this space in the numbering of the whole table."""
        return pairs._replace(left=self.rows[pairs.left], right=self.rows[pairs.right])

    @property
    def dim(self) -> int:
        """Length of a search vector."""
        return sum(vectors.dim for vectors in (self.text, self.image) if vectors is not None)

    @property
    def radius(self) -> float:
        """The inner product of search vectors above which a pair is worth an exact look."""
        if self.image is None:
            return self.rule.text_only_threshold - MARGIN
        if self.text is None:
            return self.rule.image_threshold - MARGIN
        share = self._text_share
        return share * self._least_text + (1 - share) * self.rule.image_threshold - MARGIN

    @property
    def _least_text(self) -> float:
        return min(self.rule.text_threshold, self.rule.same_words_threshold)

    @property
    def _text_share(self) -> float:
        """Weight of the question in a search vector: either half can use up what the other leaves, and no more."""
        text, image = 1 - self._least_text, 1 - self.rule.image_threshold
        return image / (text + image) if text + image > 0 else 0.5

    def take(self, places: Ints) -> Floats:
        """Search vectors: question and first image side by side. Duplicates have an inner product above `radius`."""
        if self.image is None:
            assert self.text is not None, "a space has vectors"
            return self.text.take(self.texts[places])
        image = self.image.take(self.images[places, 0])
        if self.text is None:
            return image
        text, share = self.text.take(self.texts[places]), self._text_share
        return np.concatenate([text * np.float32(np.sqrt(share)), image * np.float32(np.sqrt(1 - share))], axis=1)

    def confirm(self, left: Ints, right: Ints) -> Pairs:
        text = np.ones(len(left))
        if self.text is not None:
            text = cosine(self.text, self.texts[left], self.text, self.texts[right])
            near = text >= self._least(left, right)
            left, right, text = left[near], right[near], text[near]
        image = np.ones(len(left))
        if self.image is not None:
            for column in self.images.T:
                image = np.minimum(image, cosine(self.image, column[left], self.image, column[right]))
        near = image >= self.rule.image_threshold
        return Pairs(left[near], right[near], text[near], image[near])

    def _least(self, left: Ints, right: Ints) -> npt.NDArray[np.float64] | float:
        if self.image is None:
            return self.rule.text_only_threshold
        same = (self.words[left] == self.words[right]) & (self.words[left] > 0)
        return np.where(same, self._least_text, self.rule.text_threshold)


def spaces(
    rows: pl.DataFrame,
    text: Vectors | None,
    image: Vectors | None,
    rule: NearRule,
    quality: QualityConfig,
    former: pl.DataFrame | None = None,
) -> tuple[pl.Series, Iterator[Space]]:
    """The ids in the numbering that spaces use, and the spaces of two rows and more; without `text` of rows with images.

    Raises StepError for a missing vector.
    """
    table = contestants(rows, former, rule.same, quality)
    places = pl.repeat(0, len(table), dtype=pl.Int64, eager=True).alias("text_place")
    if text is not None:
        keys = text_keys(table)
        places = pl.Series("text_place", text.find(keys))
        _demand(places, keys, "text")
    if image is None and table["images"].list.len().sum():
        raise StepError(
            "Some rows have images, so duplicates by meaning need an encoder of images beside that of questions: set "
            "dedup.image, such as {model: openai/clip-vit-base-patch32}, or leave dedup.text out."
        )
    needed = table.select("class", FIXED, "words", "images").with_columns(places)
    return table["id"], _classes(needed, text, image, rule)


def _demand(places: pl.Series, keys: pl.Series, what: str) -> None:
    missing = keys.filter(places < 0)
    if len(missing):
        raise StepError(f"dedup:near has no {what} vector for {len(missing):,} of {len(keys):,}, first {missing[0]}")


def _classes(table: pl.DataFrame, text: Vectors | None, image: Vectors | None, rule: NearRule) -> Iterator[Space]:
    """The classes of two rows and more, one after the other."""
    lengths = table["class"].rle().struct.field("len").to_numpy()
    ends = np.cumsum(lengths)
    texts, fixed = table["text_place"].to_numpy(), table[FIXED].to_numpy()
    words = table.select(pl.when(pl.col("words") != "").then(pl.col("words").rank("dense")).otherwise(0)).to_series()
    about = words.to_numpy().astype(np.int64)
    sizes = table["images"].list.len().to_numpy()
    flat = table["images"].explode(empty_as_null=False, keep_nulls=False)
    places = image.find(flat) if image is not None else np.empty(0, dtype=np.int64)
    if image is not None:
        _demand(pl.Series(places), flat, "image")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    for end, length in zip(ends[lengths > 1].tolist(), lengths[lengths > 1].tolist(), strict=True):
        rows = np.arange(end - length, end, dtype=np.int64)
        each = int(sizes[rows[0]])
        if text is None and not each:
            continue
        images = places[offsets[rows[0]] : offsets[end]].reshape(length, each)
        yield Space(rows, fixed[rows], texts[rows], about[rows], images, text, image if each else None, rule)
