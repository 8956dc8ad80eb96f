"""Ingest: rows of any source become samples with content ids, and every image is decoded, checked and stored once.

A row that cannot be used is dropped with its reason and the build goes on. The reasons, in the order in which they are
looked for: `row_empty`, `conversation_unparseable`, `question_empty`, `answer_missing`, `options_unparseable`,
`column_unparseable` (one of the source's `columns` has not its type), `mark_count` (marks `<image>` in another number than
images), `mark_in_option` (where an image cannot stand), `params_unparseable`, `meta_unparseable`, `kind_unknown`,
`gold_nested` (several values, or an object, where one is said),
`gold_ambiguous` (a number that is one option's text and another's place), `gold_outside_options`, `gold_unparseable`,
`remote_image` (images are not downloaded), `image_outside` (not in the source's folders), `image_missing`, `image_empty`,
`image_too_large`, `image_too_small`, `image_too_long`, `image_truncated`, `image_broken`, `copy` (this source gave the same
content before), each after `ingest:`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import polars as pl
from pydantic import Field

from filters.verify.gold import GoldUnparseableError, parse_gold
from pipelines.ingest.id_set import IdSet
from pipelines.ingest.image_file import ImageFaultError, ImageLimits
from pipelines.ingest.image_loader import ImageLoader, Taken
from pipelines.sources.given import PREFIX, dtypes
from pipelines.sources.read import read_rows
from pipelines.sources.section import KINDS, SourceSection
from pipelines.sources.values import NestedGoldError, is_place_only, is_two_options, place_of_option, read_answer
from pipelines.store.media import MediaStore
from schemas.answer import Answer, dump_answer
from schemas.errors import ConfigError
from schemas.ids import canonical_json, content_id
from schemas.json_row import is_unicode
from schemas.marks import MARK, take_marks
from schemas.sample import MEDIA, SAMPLE
from schemas.section import Section
from schemas.split import DROPPED, Split

GoldParser = Callable[..., Answer]
MEDIA_FIELDS = {f.name: f.dtype for f in MEDIA.fields}
_SHOWN = 200
_PUBLISHED = ("question", "answer", "options", "options_text", "images", "kind", "verifier_params", "meta", "unread")


class IngestConfig(Section):
    """What ingest accepts, and how much it holds at once."""

    max_pixels: int = Field(default=64_000_000, ge=1, description="largest image, width times height")
    min_side: int = Field(default=1, ge=1, description="shortest side of an image, in pixels")
    max_aspect: float = Field(
        default=200.0, ge=1, description="longest side over the shortest; Qwen's image processors refuse more than 200"
    )
    max_bytes: int = Field(default=64 * 2**20, ge=1, description="largest image file, in bytes")
    batch_rows: int = Field(default=1024, ge=1, description="rows read, decoded and written at a time")
    threads: int | None = Field(default=None, ge=1, description="threads that decode; as many as cores where not given")

    @property
    def images(self) -> ImageLimits:
        """What an image may measure."""
        return ImageLimits(self.max_pixels, self.min_side, self.max_aspect)


class _Drop(Exception):  # noqa: N818  (not an error: the row's way out)
    def __init__(self, cause: str, **evidence: Any) -> None:
        self.cause = cause
        self.evidence = evidence


@dataclass(slots=True)
class _Draft:
    """A row on its way to becoming a sample, or already on its way out (`drop`)."""

    row: dict[str, Any]
    kind: str = ""
    params: str = "{}"
    meta: str | None = None
    parsed: str = ""
    media: list[Taken] = field(default_factory=list)
    positions: tuple[int, ...] = ()
    id: str = ""
    drop: _Drop | None = None


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
    even share of what those before it have left; how a source picks its rows stands in `pipelines.sources.read`.
    Raises ConfigError for a source that cannot be read or gives no rows, and StoreError when media cannot be written.
    """
    config = config or IngestConfig()
    _check_names(sources)
    kept = dtypes(source.columns for source in sources)
    golds = lru_cache(maxsize=65_536)(partial(_gold, parse))
    left = limit
    for place, source in enumerate(sources):
        share = None if left is None else -(-left // (len(sources) - place))
        if share == 0:
            continue
        count = 0
        with ImageLoader(source.image_folders, media, config.images, config.max_bytes, config.threads) as loader:
            steps = _Steps(source, loader, golds, kept)
            for rows in read_rows(source, limit=share, seed=seed, batch=config.batch_rows):
                count += rows.height
                yield steps.split(rows)
        if not count:
            raise ConfigError(f"Source '{source.name}' gives no rows.")
        left = None if left is None else left - count


class _Steps:
    """The steps over one source's batches, with what they remember between batches."""

    def __init__(
        self, source: SourceSection, loader: ImageLoader, golds: Callable[..., str], columns: Mapping[str, pl.DataType]
    ) -> None:
        self._source = source
        self._columns = columns
        self._loader = loader
        self._golds = golds
        self._seen = IdSet()
        self._dropped: Counter[str] = Counter()
        self._places = False  # an answer was seen that can only be the number of an option

    def split(self, rows: pl.DataFrame) -> Split:
        self._places = self._places or _has_places(rows, self._source.kind)
        drafts = [self._draft(row) for row in rows.iter_rows(named=True)]
        usable = [d for d in drafts if d.drop is None]
        taken = self._loader.take([d.row["images"] or [] for d in usable])
        for draft, media in zip(usable, taken, strict=True):
            if isinstance(media, ImageFaultError):
                draft.drop = _Drop(media.cause, **media.evidence)
            else:
                draft.media = media
                draft.id = self._id(draft)
        usable = [d for d in usable if d.drop is None]
        for draft, is_new in zip(usable, self._seen.add([d.id for d in usable]), strict=True):
            if not is_new:
                draft.drop = _Drop("copy", of=draft.id)
        kept = _samples([d for d in drafts if d.drop is None], self._source, self._columns)
        gone = [self._gone(d, d.drop) for d in drafts if d.drop is not None]
        return Split(kept, pl.DataFrame(gone, schema=DROPPED, orient="row"))

    def _draft(self, row: dict[str, Any]) -> _Draft:
        draft = _Draft(row, kind=(row["kind"] or "").strip().lower() or self._source.kind)
        try:
            self._check(draft)
        except _Drop as drop:
            draft.drop = drop
        return draft

    def _check(self, draft: _Draft) -> None:
        """Everything that can be said without the images; raises _Drop."""
        row = draft.row
        if all(row[name] is None for name in _PUBLISHED):
            raise _Drop("row_empty", error="no field has a value; or the line is no JSON object in UTF-8")
        if row["unread"] is not None:
            raise _Drop("conversation_unparseable", conversation=row["unread"][:_SHOWN])
        if not (row["question"] or "").strip():
            raise _Drop("question_empty")
        if not (row["answer"] or "").strip():
            raise _Drop("answer_missing")
        if not row["options_ok"] or None in (row["options"] or ()):
            given = row["options_text"] if row["options_text"] is not None else canonical_json(row["options"])
            raise _Drop("options_unparseable", options=given[:_SHOWN])
        if row["odd"] is not None:
            raise _Drop("column_unparseable", column=row["odd"], type=self._source.columns[row["odd"]])
        if self._source.marks == "images":
            self._read_marks(draft)
        draft.params = _json_text("params_unparseable", row["verifier_params"], dict) or "{}"
        draft.meta = _json_text("meta_unparseable", row["meta"], object)
        if draft.kind not in KINDS:
            raise _Drop("kind_unknown", kind=draft.kind)
        options = tuple(row["options"] or ())
        row["answer"] = self._answer(draft, options)
        try:
            draft.parsed = self._golds(draft.kind, row["answer"], options, draft.params)
        except GoldUnparseableError as error:
            outside = draft.kind == "choice" and bool(options)
            cause = "gold_outside_options" if outside else "gold_unparseable"
            place = outside and is_place_only(row["answer"], options)
            hint = "; where answers are numbers of options, give the source `index_base: 0` or 1" if place else ""
            raise _Drop(cause, kind=draft.kind, answer=row["answer"][:_SHOWN], error=f"{error}{hint}") from error

    def _read_marks(self, draft: _Draft) -> None:
        """Take marks that stand for the row's images off its question; raises _Drop where they cannot.

        A row without images has nothing that a mark could stand for, so there it is text, and so is one in an option, unless
        question and options together hold a mark for each image.
        """
        row = draft.row
        images = len(row["images"] or ())
        marks, in_options = row["question"].count(MARK), sum(option.count(MARK) for option in row["options"] or ())
        if not images or not marks + in_options:
            return
        if in_options and marks + in_options == images:
            raise _Drop("mark_in_option", marks=marks, in_options=in_options, images=images, error=_IN_OPTION)
        if marks not in (0, images):
            raise _Drop("mark_count", marks=marks, images=images, error=_MARKS)
        row["question"], draft.positions = take_marks(row["question"])
        if not row["question"].strip():
            raise _Drop("question_empty")

    def _answer(self, draft: _Draft, options: tuple[str, ...]) -> str:
        """The answer that the published one states; raises _Drop where it states none, or two."""
        row = draft.row
        shown = row["answer"][:_SHOWN]
        try:
            answer = read_answer(row["answer"], row["answer_json"], draft.kind)
        except NestedGoldError as error:
            raise _Drop("gold_nested", kind=draft.kind, answer=shown, error=str(error)) from error
        if not answer.strip():
            raise _Drop("answer_missing", answer=shown)
        if draft.kind != "choice" or "index_base" in draft.params:
            return answer
        if self._source.index_base is not None:
            letter = place_of_option(answer, self._source.index_base)
            if letter is None or (options and ord(letter) - ord("A") >= len(options)):
                raise _Drop("gold_outside_options", answer=shown, index_base=self._source.index_base)
            return letter
        if is_two_options(answer, options) and (self._places or (row["answer_json"] or "").isdecimal()):
            raise _Drop("gold_ambiguous", answer=shown, options=list(options), error=_TWO)
        return answer

    def _id(self, draft: _Draft) -> str:
        """The sample's id: what it asks and what it is asked about. Where it stood in the source does not count."""
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

    def _gone(self, draft: _Draft, drop: _Drop) -> tuple[str, str, str]:
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
        shown = {"source": self._source.name, "row": row["row"], "question": (row["question"] or "")[:_SHOWN]}
        evidence = canonical_json({**shown, **drop.evidence})
        return content_id({"content": content, "number": number}), f"ingest:{drop.cause}", evidence


_MARKS = "a mark <image> stands for one image; give each image one, or none, or the source `marks: literal`"
_IN_OPTION = "an option cannot show an image; put its image into the question, or give the source `marks: literal`"
_TWO = (
    "the number is one option's text and, counted from 0, another's place; give the source `index_base: 0` or 1, or cast "
    "the answer to a text in 'select' where it is the option's text"
)


def _has_places(rows: pl.DataFrame, kind: str) -> bool:
    """Whether a batch has a choice whose answer is no option's text, but a place counted from 0."""
    choices = rows.filter(pl.col("kind").fill_null(kind).str.strip_chars().str.to_lowercase() == "choice")
    found = choices.filter(pl.col("answer").str.contains(r"^\s*\d+\s*$") & pl.col("options").is_not_null())
    return any(is_place_only(*row) for row in found.select("answer", "options").iter_rows())


def _check_names(sources: Sequence[SourceSection]) -> None:
    twice = [name for name, count in Counter(source.name for source in sources).items() if count > 1]
    if twice:
        raise ConfigError(f"Two sources are named '{twice[0]}'; a name is part of every row's id and must be unique.")


def _gold(parse: GoldParser, kind: str, raw: str, options: tuple[str, ...], params: str) -> str:
    parsed = dump_answer(parse(kind, raw, options=options, params=json.loads(params)))
    if not is_unicode(parsed):
        raise GoldUnparseableError("it holds half of a surrogate pair, which is no text")
    return parsed


def _json_text(cause: str, text: str | None, wanted: type) -> str | None:
    """Canonical JSON of a JSON text; None where there is none. Raises _Drop(cause) for anything else."""
    if text is None or not text.strip():
        return None
    try:
        value = json.loads(text)
        spelled = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise _Drop(cause, error=str(error)) from error
    if value is None:
        return None
    if not is_unicode(spelled):
        raise _Drop(cause, error="it holds half of a surrogate pair, which is no text")
    if not isinstance(value, wanted):
        raise _Drop(cause, error=f"{type(value).__name__} instead of an object")
    return spelled


def _samples(drafts: Sequence[_Draft], source: SourceSection, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The kept rows. Structs are put together from flat columns: polars is slow at reading rows of dicts."""
    rows = [d.row for d in drafts]
    texts = {
        "id": [d.id for d in drafts],
        "group_id": [_group(d) for d in drafts],
        "question": [row["question"] for row in rows],
        "raw": [row["answer"] for row in rows],
        "kind": [d.kind for d in drafts],
        "parsed": [d.parsed for d in drafts],
        "params": [d.params for d in drafts],
        "row": [row["row"] for row in rows],
        "lang": [row["lang"] or None for row in rows],
        "domain": [row["domain"] or None for row in rows],
        "meta": [d.meta for d in drafts],
    }
    options = pl.Series("options", [row["options"] or [] for row in rows], pl.List(pl.String))
    flat = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String)).with_columns(options, _media(drafts))
    own = [pl.Series(name, [row.get(PREFIX + name) for row in rows], dtype) for name, dtype in columns.items()]
    said = {"dataset": source.name, "split": source.split, "license": source.license, "url": source.url}
    whole = flat.with_columns(
        source=pl.struct(*(pl.lit(v, pl.String).alias(k) for k, v in said.items()), "row"),
        parent_id=pl.lit(None, pl.String),
        variant=pl.lit("orig"),
        answer=pl.struct("kind", "raw", "parsed"),
        verifier=pl.struct(pl.col("kind").alias("id"), "params"),
    )
    return whole.select([pl.col(name).cast(kind) for name, kind in SAMPLE.items()]).with_columns(own)


def _media(drafts: Sequence[_Draft]) -> pl.Series:
    items = [
        m.media | {"position": d.positions[place] if d.positions else None}
        for d in drafts
        for place, m in enumerate(d.media)
    ]
    flat = pl.DataFrame({name: [item.get(name) for item in items] for name in MEDIA_FIELDS}, schema=MEDIA_FIELDS)
    owner = pl.Series([place for place, d in enumerate(drafts) for _ in d.media], dtype=pl.UInt32)
    lists = flat.select(owner.alias("place"), pl.struct(pl.all()).alias("media")).group_by("place").agg("media")
    every = pl.DataFrame({"place": pl.Series(range(len(drafts)), dtype=pl.UInt32)})
    joined = every.join(lists, on="place", how="left", maintain_order="left")["media"]
    return joined.fill_null(pl.Series([[]], dtype=joined.dtype))


def _group(draft: _Draft) -> str:
    """The unit of splitting: the group that the source names, else the first image, else the question."""
    if draft.row["group"]:
        return str(draft.row["group"])
    if draft.media:
        return str(draft.media[0].media["sha256"])
    return content_id(draft.row["question"])
