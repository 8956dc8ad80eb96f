"""The step `rewrite`: the reasoning of replies is mended, in as few words as possible.

The rule is VLAA-Thinking's (arXiv 2504.11468, step 4): wording about a caption or a description becomes wording about the
image, with the smallest edits; a trace in which more than 15 words change is dropped. Without a model a table of phrases
does the same for the commonest forms. Which rows need mending is the recipe's `where`.
"""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from pydantic import Field, field_validator

from generators.asking import contract
from generators.asking.body import body as reply_body
from generators.asking.config import AskConfig
from generators.asking.requests import more as more_replies
from generators.asking.requests import requests as reply_requests
from generators.template import PromptField
from schemas.completion import Request, Sampling
from schemas.expressions import Span, expression, matches
from schemas.reply_row import REPLY
from schemas.split import split
from schemas.step import Asks, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

PHRASES = {
    r"\baccording to the (?:image )?(?:caption|description|text)\b": "in the image",
    r"\bas (?:mentioned|stated|described) in the (?:image )?(?:caption|description|text)\b": "as seen in the image",
    r"\b(?:mentioned|stated|described) in the (?:image )?(?:caption|description|text)\b": "shown in the image",
    r"\bdescribed (?:above|says?|states?|mentions?)\b": "seen",
    r"\b(?:image )?(?:caption|description)s? (?:says?|states?|mentions?|tells? us|tells?)\b": "image shows",
    r"\b(?:image )?description (?:above|in the text)\b": "image",
    r"\b(?:the|this)(?: given| provided| image| above)* (?:caption|description)s?\b": "the image",
}
"""What becomes of a mention where no model mends it (regular expressions, case does not matter), in this order."""

COLUMNS = {"reasoning": pl.String(), "text": pl.String(), "changed": pl.Int32()}
"""The mended reasoning, the whole reply with it, and how many words differ from the old one."""


class RewriteConfig(StepConfig):
    """How reasoning is mended."""

    model: str | None = Field(default=None, description="a name from `models`; without one, `phrases` are replaced")
    system: PromptField | None = None
    prompt: PromptField = (
        "This reasoning was written from a description of an image. Rewrite it so that it reads as if the writer looked at "
        "the image itself. Change as few words as you can, and nothing else.\n\n{{ reasoning }}"
    )
    sees: str | tuple[str, ...] = Field(default="nothing", description="media, nothing, or names of media columns")
    tries: int = Field(default=1, ge=1, description="how often at most a rewriting is asked for until one can be read")
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=2048)
    phrases: dict[str, str] = Field(
        default=PHRASES, description="regular expressions, in Rust's syntax, and their replacements"
    )
    max_changed: int = Field(default=15, ge=0, description="words that may change; beyond that the row is dropped")

    @field_validator("phrases")
    @classmethod
    def _expressions(cls, phrases: dict[str, str]) -> dict[str, str]:
        for pattern in phrases:
            expression(pattern)
        return phrases


def expand(config: RewriteConfig) -> AskConfig | None:
    """What is asked of the model; None where phrases are replaced."""
    if config.model is None:
        return None
    given = ("of", "where", "model", "system", "prompt", "sees", "tries", "sampling")
    same = {name: getattr(config, name) for name in given}
    return AskConfig(**{**same, "as_": config.as_ or "rewrite", "gives": {"reasoning": "text"}})


def reads(config: RewriteConfig, known: Known) -> Reads:
    """What the prompt reads, and the reply that is mended."""
    whole = expand(config)
    own = {name: read(name, REPLY[name]) for name in ("reasoning", "text")}
    return Reads({**(contract.reads(whole, known).rows if whole else {}), **own})


def requests(rows: pl.DataFrame, config: RewriteConfig) -> Iterator[Request]:
    """One request a row with reasoning; none where phrases are replaced."""
    whole = expand(config)
    return reply_requests(rows, whole) if whole else iter(())


def more(
    rows: pl.DataFrame, answers: pl.DataFrame, config: RewriteConfig, context: Context | None = None
) -> Iterator[Request]:
    """The next try of each rewriting that cannot be read."""
    whole = expand(config)
    return more_replies(rows, answers, whole) if whole else iter(())


def body(tables: Tables, config: RewriteConfig, context: Context) -> Out:
    """The mended replies. A rewriting that was cut off is none: half a trace is dropped.

    Reasons beside those of `ask`: `empty`, `changed_too_much`.
    """
    whole = expand(config)
    if whole is None:
        mended = tables.rows.select("id", mended=_replaced(tables.rows["reasoning"], config.phrases))
        drops = pl.DataFrame(schema=Out().drops.schema)
    else:
        answered = reply_body(tables, whole, context)
        assert answered.rows is not None
        mended, drops = answered.rows.rename({"reasoning": "mended"}), answered.drops
    rows = tables.rows.select("id", "reasoning", "text").join(mended, on="id", maintain_order="left")
    held = split(_measured(rows), _reason(config, context), {"changed": pl.col("changed")})
    return Out(held.kept.select("id", *COLUMNS), pl.concat([drops, held.dropped]))


def _measured(rows: pl.DataFrame) -> pl.DataFrame:
    """`id, old, reasoning, text, changed` of rows (`id, reasoning, text, mended`); a Levenshtein distance in words."""
    from rapidfuzz.distance import Levenshtein

    changed, texts = [], []
    for old, new, text in rows.select("reasoning", "mended", "text").iter_rows():
        changed.append(Levenshtein.distance((old or "").split(), (new or "").split()))
        texts.append(text.replace(old.strip(), new, 1) if text and old and old.strip() else text)
    found = rows.with_columns(pl.Series("changed", changed, pl.Int32), pl.Series("text", texts, pl.String))
    return found.rename({"reasoning": "old", "mended": "reasoning"})


def _reason(config: RewriteConfig, context: Context) -> pl.Expr:
    return (
        pl.when((pl.col("reasoning") == "") & (pl.col("old") != ""))
        .then(pl.lit(f"{context.name}:empty"))
        .when(pl.col("changed") > config.max_changed)
        .then(pl.lit(f"{context.name}:changed_too_much"))
    )


def _replaced(texts: pl.Series, phrases: Mapping[str, str]) -> pl.Series:
    mended = texts.to_list()
    for pattern, words in phrases.items():
        found = matches(f"(?i){pattern}", mended)
        mended = [text and _with(words, text, spans) for text, spans in zip(mended, found, strict=True)]
    return pl.Series("mended", mended, dtype=pl.String)


def _with(words: str, text: str, spans: Sequence[Span]) -> str:
    """The text with words in place of its matches, the first letter as large as that of what they replace."""
    parts, place = [], 0
    for begin, end, _ in spans:
        parts += [text[place:begin], words[:1].upper() + words[1:] if text[begin : begin + 1].isupper() else words]
        place = end
    return "".join([*parts, text[place:]])


STEP = StepType(
    name="rewrite",
    summary="mends the reasoning of replies in a few words",
    version=1,
    config=RewriteConfig,
    reads=reads,
    gives=lambda config, known: Gives(COLUMNS, replaces=frozenset({"reasoning", "text"})),
    body=body,
    of="trace",
    asks=Asks(
        models=lambda config: (config.model,) if config.model else (),
        requests=requests,
        more=more,
        most=lambda config: config.tries if config.model else 0,
    ),
    expand=lambda config: expand(config) or config,
    adds=lambda config: (
        "puts the mended reasoning into the reply, and drops one in which more than `max_changed` words differ"
    ),
)
