"""All that can be wrong with a row before its images are looked at, and what its answer is read as."""

import json
import re
from collections.abc import Callable
from functools import partial

import polars as pl

from filters.verify.gold import GoldUnparseableError
from pipelines.ingest.draft import SHOWN, Draft, Drop
from pipelines.sources.section import KINDS, SourceSection
from pipelines.sources.values import NestedGoldError, is_place_only, is_two_options, place_of_option, read_answer
from schemas.answer import Answer, dump_answer
from schemas.ids import canonical_json
from schemas.json_row import is_unicode
from schemas.marks import MARK, take_marks
from schemas.remembered import remembered

GoldParser = Callable[..., Answer]
Golds = Callable[[str, str, tuple[str, ...], str], str]
"""Parses a gold (kind, raw, options, params) to JSON."""

_PUBLISHED = ("question", "answer", "options", "options_text", "images", "kind", "verifier_params", "meta", "unread")


def parser(parse: GoldParser) -> Golds:
    """`parse` for golds as rows state them, remembering what it parsed."""
    return remembered(1 << 24, _length)(partial(_gold, parse))


def _length(kind: str, raw: str, options: tuple[str, ...], params: str) -> int:
    return sum(map(len, (raw, params, *options)))


class RowChecks:
    """The checks of one source's rows, and what was seen in the batches so far."""

    def __init__(self, source: SourceSection, golds: Golds) -> None:
        self._source = source
        self._golds = golds
        self._places = False  # an answer was seen that can only be the number of an option

    def see(self, rows: pl.DataFrame) -> None:
        """Look at a batch before its rows are checked one by one."""
        self._places = self._places or _has_places(rows, self._source.kind)

    def check(self, draft: Draft) -> None:
        """Everything that can be decided without the images; raises Drop."""
        row = draft.row
        if row["too_large"] is not None:
            raise Drop("row_too_large", bytes=row["too_large"], error="more than twice ingest.max_bytes")
        if all(row[name] is None for name in _PUBLISHED):
            raise Drop("row_empty", error="no field has a value; or the line is no JSON object in UTF-8")
        if row["unread"] is not None:
            raise Drop("conversation_unparseable", conversation=row["unread"][:SHOWN])
        if not (row["question"] or "").strip():
            raise Drop("question_empty")
        if not (row["answer"] or "").strip():
            raise Drop("answer_missing")
        if not row["options_ok"] or None in (row["options"] or ()):
            given = row["options_text"] if row["options_text"] is not None else canonical_json(row["options"])
            raise Drop("options_unparseable", options=given[:SHOWN])
        if row["odd"] is not None:
            raise Drop("column_unparseable", column=row["odd"], type=self._source.columns[row["odd"]])
        if self._source.marks == "images":
            self._read_marks(draft)
        draft.params = _json_text("params_unparseable", row["verifier_params"], dict) or "{}"
        draft.meta = _json_text("meta_unparseable", row["meta"], object)
        if draft.kind not in KINDS:
            raise Drop("kind_unknown", kind=draft.kind)
        options = tuple(row["options"] or ())
        row["answer"] = self._answer(draft, options)
        try:
            draft.parsed = self._golds(draft.kind, row["answer"], options, draft.params)
        except GoldUnparseableError as error:
            outside = draft.kind == "choice" and bool(options)
            cause = "gold_outside_options" if outside else "gold_unparseable"
            place = outside and is_place_only(row["answer"], options)
            hint = "; where answers are numbers of options, give the source `index_base: 0` or 1" if place else ""
            raise Drop(cause, kind=draft.kind, answer=row["answer"][:SHOWN], error=f"{error}{hint}") from error

    def _read_marks(self, draft: Draft) -> None:
        """Take marks that stand for the row's images off its question; raises Drop where they cannot.

        A row without images has nothing that a mark could stand for, so there it is text, and so is one in an option, unless
        question and options together hold a mark for each image.
        """
        row = draft.row
        images = len(row["images"] or ())
        marks, in_options = row["question"].count(MARK), sum(option.count(MARK) for option in row["options"] or ())
        if not images or not marks + in_options:
            return
        if in_options and marks + in_options == images:
            raise Drop("mark_in_option", marks=marks, in_options=in_options, images=images, error=_IN_OPTION)
        if marks not in (0, images):
            raise Drop("mark_count", marks=marks, images=images, error=_MARKS)
        row["question"], draft.positions = take_marks(row["question"])
        if not row["question"].strip():
            raise Drop("question_empty")

    def _answer(self, draft: Draft, options: tuple[str, ...]) -> str:
        """The answer that the published one states; raises Drop where it states none, or two."""
        row = draft.row
        shown = row["answer"][:SHOWN]
        try:
            answer = read_answer(row["answer"], row["answer_json"], draft.kind)
        except NestedGoldError as error:
            raise Drop("gold_nested", kind=draft.kind, answer=shown, error=str(error)) from error
        if not answer.strip():
            raise Drop("answer_missing", answer=shown)
        if draft.kind != "choice" or "index_base" in draft.params:
            return answer
        if self._source.index_base is not None:
            letter = place_of_option(answer, self._source.index_base)
            if letter is None or (options and ord(letter) - ord("A") >= len(options)):
                raise Drop("gold_outside_options", answer=shown, index_base=self._source.index_base)
            return letter
        if is_two_options(answer, options) and (self._places or (row["answer_json"] or "").isdecimal()):
            raise Drop("gold_ambiguous", answer=shown, options=list(options), error=_TWO)
        return answer


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


def _gold(parse: GoldParser, kind: str, raw: str, options: tuple[str, ...], params: str) -> str:
    if kind in _FORMULAS and _is_too_deep(raw):
        raise GoldUnparseableError(f"its formula is nested more than {_DEEPEST} levels deep")
    parsed = dump_answer(parse(kind, raw, options=options, params=json.loads(params)))
    if not is_unicode(parsed):
        raise GoldUnparseableError("it holds half of a surrogate pair, which is not text")
    return parsed


_FORMULAS = frozenset({"expression", "functions", "number"})
_DEEPEST = 100
"""Levels of a formula: no published gold comes near, and reading one of 400 takes seconds."""
_TOWER = re.compile(rf"(?:(?:\^|\*\*)[\s{{(]*[\w.]*){{{_DEEPEST},}}")


def _is_too_deep(raw: str) -> bool:
    """Whether brackets or powers of a formula are nested without end."""
    depth = deepest = 0
    for character in raw if len(raw) > _DEEPEST else "":
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest > _DEEPEST or _TOWER.search(raw) is not None


def _json_text(cause: str, text: str | None, wanted: type) -> str | None:
    """Canonical JSON of a JSON text; None where there is none. Raises Drop(cause) for anything else."""
    if text is None or not text.strip():
        return None
    try:
        value = json.loads(text)
        spelled = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise Drop(cause, error=str(error)) from error
    if value is None:
        return None
    if not is_unicode(spelled):
        raise Drop(cause, error="it holds half of a surrogate pair, which is not text")
    if not isinstance(value, wanted):
        raise Drop(cause, error=f"{type(value).__name__} instead of an object")
    return spelled
