"""Ingest: rows of any source become samples with content ids, and every image is decoded, checked and stored once.

A row that cannot be used is dropped with its reason and the build goes on. The reasons, in the order in which they are
looked for: `row_too_large` (more than twice `max_bytes`), `row_empty`, `conversation_unparseable`, `question_empty`,
`answer_missing`, `options_unparseable`,
`column_unparseable` (one of the source's `columns` has not its type), `mark_count` (marks `<image>` in another number than
images), `mark_in_option` (where no image can be), `params_unparseable`, `meta_unparseable`, `kind_unknown`,
`gold_nested` (several values, or an object, where one is expected),
`gold_ambiguous` (a number that is one option's text and another's place), `gold_outside_options`, `gold_unparseable`,
`remote_image` (images are not downloaded), `image_outside` (not in the source's folders), `image_missing`, `image_empty`,
`image_too_large`, `image_too_small`, `image_too_long`, `image_truncated`, `image_broken`, `copy` (this source gave the same
content before), each after `ingest:`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from pydantic import Field

from filters.verify.gold import parse_gold
from pipelines.ingest.draft import SHOWN, Draft, Drop
from pipelines.ingest.id_set import IdSet
from pipelines.ingest.image_file import ImageFaultError, ImageLimits
from pipelines.ingest.image_loader import ImageLoader
from pipelines.ingest.row_checks import GoldParser, Golds, RowChecks, parser
from pipelines.ingest.sample_rows import samples
from pipelines.sources.batches import Bounds
from pipelines.sources.given import PREFIX, dtypes
from pipelines.sources.read import read_rows
from pipelines.sources.section import SourceSection
from pipelines.store.media import MediaStore
from pipelines.store.memory import Memory, Size
from schemas.errors import ConfigError
from schemas.ids import canonical_json, content_id
from schemas.section import Section
from schemas.split import DROPPED, Split


class IngestConfig(Section):
    """What ingest accepts, and how much it holds at once."""

    max_pixels: int = Field(default=64_000_000, ge=1, description="largest image, width times height")
    min_side: int = Field(default=1, ge=1, description="shortest side of an image, in pixels")
    max_aspect: float = Field(
        default=200.0, ge=1, description="longest side over the shortest; Qwen's image processors refuse more than 200"
    )
    max_bytes: int = Field(
        default=64 * 2**20, ge=1, description="largest image file, in bytes; a row holds at most twice as much"
    )
    batch_rows: int = Field(default=1024, ge=1, description="rows read, decoded and written at a time")
    threads: int | None = Field(default=None, ge=1, description="threads that decode; as many as cores where not given")
    memory: Size | None = Field(
        default=None,
        gt=0,
        description="memory, such as 4GB: half of it to read sources, half for their images; where not given, a quarter "
        "of what is free for the first and an eighth for the second",
    )

    @property
    def images(self) -> ImageLimits:
        """What an image may measure."""
        return ImageLimits(self.max_pixels, self.min_side, self.max_aspect)

    @property
    def bounds(self) -> tuple[ImageLimits, int, int | None, int | None]:
        """What a loader of images keeps to."""
        return self.images, self.max_bytes, self.threads, self.memory and self.memory // 2

    @property
    def reading(self) -> Bounds:
        """What reading a source keeps to. A row may hold as much as two of the largest images."""
        return Bounds(Memory().bytes if self.memory is None else self.memory // 2, 2 * self.max_bytes)


def ingest(
    sources: Sequence[SourceSection],
    media: MediaStore,
    config: IngestConfig | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    parse: GoldParser = parse_gold,
) -> Iterator[Split]:
    """Yield samples (schema `SAMPLE`, then the `columns` of the sources) and dropped rows (`DROPPED`), source by source,
    a batch at a time, in order.

    When a batch is yielded its images are durable in `media`. `limit` bounds all sources together: each may take an
    even share of what those before it have left; how a source picks its rows is described in `pipelines.sources.read`.
    Raises ConfigError for a source that cannot be read or gives no rows, and StoreError when media cannot be written.
    """
    config = config or IngestConfig()
    _check_names(sources)
    kept = dtypes(source.columns for source in sources)
    golds = parser(parse)
    left = limit
    for place, source in enumerate(sources):
        share = None if left is None else -(-left // (len(sources) - place))
        if share == 0:
            continue
        count = 0
        with ImageLoader(source.image_folders, media, *config.bounds) as loader:
            steps = _Steps(source, loader, golds, kept)
            for rows in read_rows(source, limit=share, seed=seed, batch=config.batch_rows, bounds=config.reading):
                count += rows.height
                yield steps.split(rows)
        if not count:
            raise ConfigError(f"Source '{source.name}' gives no rows.")
        left = None if left is None else left - count


class _Steps:
    """The steps over one source's batches, with what they remember between batches."""

    def __init__(
        self, source: SourceSection, loader: ImageLoader, golds: Golds, columns: Mapping[str, pl.DataType]
    ) -> None:
        self._source = source
        self._columns = columns
        self._loader = loader
        self._checks = RowChecks(source, golds)
        self._seen = IdSet()
        self._dropped: Counter[str] = Counter()

    def split(self, rows: pl.DataFrame) -> Split:
        self._checks.see(rows)
        own = [name for name in rows.columns if name.startswith(PREFIX)]  # which samples keep as they are
        drafts = [self._draft(row) for row in rows.drop(own).iter_rows(named=True)]
        usable = [d for d in drafts if d.drop is None]
        taken = self._loader.take([d.row["images"] or [] for d in usable])
        for draft, media in zip(usable, taken, strict=True):
            if isinstance(media, ImageFaultError):
                draft.drop = Drop(media.cause, **media.evidence)
            else:
                draft.media = media
                draft.id = self._id(draft)
        usable = [d for d in usable if d.drop is None]
        for draft, is_new in zip(usable, self._seen.add([d.id for d in usable]), strict=True):
            if not is_new:
                draft.drop = Drop("copy", of=draft.id)
        given = rows.filter(pl.Series([d.drop is None for d in drafts], dtype=pl.Boolean)).select(own)
        kept = samples([d for d in drafts if d.drop is None], self._source, self._columns, given)
        gone = [self._gone(d, d.drop) for d in drafts if d.drop is not None]
        return Split(kept, pl.DataFrame(gone, schema=DROPPED, orient="row"))

    def _draft(self, row: dict[str, Any]) -> Draft:
        draft = Draft(row, kind=(row["kind"] or "").strip().lower() or self._source.kind)
        try:
            self._checks.check(draft)
        except Drop as drop:
            draft.drop = drop
        return draft

    def _id(self, draft: Draft) -> str:
        """The sample's id: what it asks and what it is asked about. Its place in the source does not count."""
        row = draft.row
        return content_id(
            {
                "dataset": self._source.name,
                "question": row["question"],
                "options": row["options"] or [],
                "answer": row["answer"],
                "kind": draft.kind,
                "media": [m.origin for m in draft.media],
                **({"positions": list(draft.positions)} if draft.positions else {}),
            }
        )

    def _gone(self, draft: Draft, drop: Drop) -> tuple[str, str, str]:
        """A dropped row. Its id is its content and, as equal rows may be dropped, how many came before it."""
        row = draft.row
        content = content_id(
            {
                "dropped": self._source.name,
                **{name: row[name] for name in ("question", "answer", "kind", "options", "verifier_params", "meta")},
                "images": [self._loader.name(image) for image in row["images"] or []],
            }
        )
        number = self._dropped[content]
        self._dropped[content] += 1
        shown = {"source": self._source.name, "row": row["row"], "question": (row["question"] or "")[:SHOWN]}
        evidence = canonical_json({**shown, **drop.evidence})
        return content_id({"content": content, "number": number}), f"ingest:{drop.cause}", evidence


def _check_names(sources: Sequence[SourceSection]) -> None:
    twice = [name for name, count in Counter(source.name for source in sources).items() if count > 1]
    if twice:
        raise ConfigError(f"Two sources are named '{twice[0]}'; a name is part of every row's id and must be unique.")
