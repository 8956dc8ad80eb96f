"""What a row says, freed of spelling: the columns that every level of deduplication compares."""

from collections.abc import Collection

import polars as pl

from filters.dedup.meaning_words import marks
from filters.dedup.text_folding import folded
from filters.dedup.words import content_words
from schemas.ids import hash_text

_LABEL = r"^\s*[(\[]?([A-Za-z])[)\].:、]\s*"
_LETTER = r"^\s*[(\[]?([A-Za-z])[)\].:]?\s*$"


_TEXT = (
    pl.when(pl.col("options") == "")
    .then("question")
    .otherwise(pl.col("question") + " " + pl.col("options").str.replace_all("\x1f", "; ", literal=True))
)


def normalized(text: pl.Expr) -> pl.Expr:
    """Folded, lower case, single blanks, plain quotes, no punctuation at the ends but what changes a number; null is ""."""
    return (
        folded(text)
        .str.to_lowercase()
        .str.replace_all("[’‘`´]", "'")
        .str.replace_all("[“”]", '"')
        .str.replace_all(r"\s+", " ")
        .str.replace_all(r"([\d)}\]]|\b[a-z])!", "${1} factorial")
        .str.strip_chars_start(" ?!:;,")
        .str.strip_chars_end(" .?!:;,")
    )


def _options() -> pl.Expr:
    """Options without their labels. Letters that do not count the options through are no labels ("x: 3", "y: 4")."""
    option = pl.element().fill_null("")
    is_label = _place(option.str.extract(_LABEL)) == pl.int_range(pl.len())
    bare = pl.when(is_label).then(option.str.replace(_LABEL, "")).otherwise(option)
    return pl.col("options").fill_null([]).list.eval(normalized(bare))


def _answer() -> pl.Expr:
    """The answer; a choice letter stands for its option, so that shuffled options compare equal."""
    raw = pl.col("answer").struct.field("raw")
    option = pl.col("__options").list.get(_place(raw.str.extract(_LETTER)), null_on_oob=True)
    is_choice = (pl.col("answer").struct.field("kind") == "choice") | (pl.col("__options").list.len() > 0)
    return pl.when(is_choice & option.is_not_null()).then(option).otherwise(normalized(raw))


def _place(letter: pl.Expr) -> pl.Expr:
    """0 for A, 1 for B, and so on."""
    return letter.str.to_integer(base=36, strict=False) - 10


def content(rows: pl.DataFrame, only: Collection[str] | None = None) -> pl.DataFrame:
    """`id, question, options, answer, marks, words, kinds, media, images, others`: one row for each row, in its order.

    Options are normalised, unlabelled, sorted and joined; `kinds` and `media` are the kinds and hashes of
    all media joined by commas, `images` the list of hashes of images, `others` the hashes of all other media joined.
    Of these columns, `only` some are computed, beside `id`.
    """
    media = pl.col("media").fill_null([])
    sha = pl.element().struct.field("sha256").fill_null("")
    kind = pl.element().struct.field("kind").fill_null("image")
    columns = {
        "question": normalized(pl.col("question")),
        "options": pl.col("__sorted").list.join("\x1f"),
        "answer": _answer(),
        "marks": marks(pl.col("question"))
        + "\x1e"
        + pl.col("__sorted").list.eval(marks(pl.element())).list.join("\x1f"),
        "words": content_words(normalized(pl.col("question"))),
        "kinds": media.list.eval(kind).list.join(","),
        "media": media.list.eval(sha).list.join(","),
        "images": media.list.eval(sha.filter(kind == "image")),
        "others": media.list.eval(sha.filter(kind != "image")).list.join(","),
    }
    return (
        rows.select("id", "question", "answer", "media", __options=_options())
        .with_columns(__sorted=pl.col("__options").list.sort())
        .select("id", **{name: column for name, column in columns.items() if only is None or name in only})
    )


def question_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """`id, key, text`: what a text encoder has to embed for each row, and its content hash.

    The text is the question followed by its sorted options; equal texts share one key, so each is embedded once.
    """
    asked = rows.select("id", question=normalized(pl.col("question")), options=_options().list.sort().list.join("\x1f"))
    texts = asked.select("id", text=_TEXT)
    unique = texts.select(pl.col("text").unique())
    keys = unique.with_columns(key=pl.col("text").map_elements(hash_text, return_dtype=pl.String))
    return texts.join(keys, on="text", how="left", maintain_order="left").select("id", "key", "text")


def text_keys(contents: pl.DataFrame) -> pl.Series:
    """The `key` of `question_texts` for rows that have columns `question` and `options` of `content`."""
    return contents.select(text=_TEXT)["text"].map_elements(hash_text, return_dtype=pl.String)
