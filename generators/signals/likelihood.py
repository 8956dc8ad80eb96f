"""How likely a model finds a text with its images, and how much of that the images give.

The likelihood form of the patch-masking check: the mean over a text's tokens of log p(token | image), minus the same
with patches of the image blackened. PAPO (arXiv 2507.06448; MikeWangWZHL/PAPO, verl/trainer/papo_utils.py) uses it as a
term of the loss, with 14-pixel patches masked at 0.6. Near zero, the model does not look.

Without any image (`blind`) it is what selects samples by one pass of a frozen model each way:

- VisNec (arXiv 2603.01195): `visnec = l_txt - l_img`, the mean losses of the answer without and with the image. Below 0 the
  image misleads, near 0 it is redundant; the most of each cluster are kept.
- VIG (arXiv 2602.17186): `vig = exp(l_txt) - exp(l_img)`, by how much the image lowers the perplexity. The fall of its
  logarithm is `visnec`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator, Field

from generators.signals.patches import PatchConfig
from generators.template import reading_only
from schemas.section import Section


class LikelihoodConfig(Section):
    """Which text, and what is hidden."""

    of: Literal["gold", "rollouts"] = Field(
        default="gold", description="the gold answer, or the model's own replies (their mean)"
    )
    template: Annotated[str, AfterValidator(lambda text: reading_only(text, ("answer",)))] = Field(
        default="{{ answer }}", description="gold: the text around the answer, a template that reads `answer`"
    )
    end: bool = Field(default=True, description="count the end of the reply as a token, so that 1 is not 10")
    mask: PatchConfig | None = Field(default=PatchConfig(), description="patches hidden; null: none are masked")
    blind: bool = Field(default=False, description="also without the images, which gives `visnec` and `vig`")


LOGPROBS = pl.Schema({"logprobs": pl.List(pl.Float32), "error": pl.String()})
"""What the log holds of a text: the log-probability of each token (and of the end)."""


def logprobs(found: Sequence[list[float] | str]) -> pl.DataFrame:
    """The rows of `LOGPROBS` for what `ForcedModel.likelihood` gave."""
    rows = [{"error": row} if isinstance(row, str) else {"logprobs": row} for row in found]
    return pl.DataFrame(rows, schema=LOGPROBS)


def mean_logprob(values: pl.DataFrame) -> pl.DataFrame:
    """`key, logprob` (mean a token, natural log) of each text of `values` (`key` and `LOGPROBS`)."""
    return values.filter(pl.col("logprobs").list.len() > 0).select(
        "key", logprob=pl.col("logprobs").cast(pl.List(pl.Float64)).list.mean()
    )


def by_reply(texts: pl.LazyFrame, variants: Sequence[str]) -> pl.LazyFrame:
    """`id, index, error` and a column for each of `variants`, of texts `id, index, variant, error, logprob`.

    One row a reply, so that what a model says with an image is compared with what it says of the same reply without.
    """
    found = {name: pl.col("logprob").filter(pl.col("variant") == name).first() for name in variants}
    error = pl.col("error").drop_nulls().first()
    return texts.group_by("id", "index", maintain_order=True).agg(error, **found)


def gain(seen: str, unseen: str) -> pl.Expr:
    """By how much `seen` is likelier than `unseen`, in the mean over the replies that were read both ways."""
    one, other = pl.col(seen), pl.col(unseen)
    return one.filter(other.is_not_null()).mean() - other.filter(one.is_not_null()).mean()


def blind_gains(whole: str, blind: str) -> dict[str, pl.Expr]:
    """`logprob_blind, visnec, vig` of a row, over its replies (`by_reply`); null where none was read both ways."""
    return {
        "logprob_blind": pl.col(blind).mean(),
        "visnec": gain(whole, blind),
        "vig": (pl.col(blind).neg().exp() - pl.col(whole).neg().exp()).mean(),
    }
