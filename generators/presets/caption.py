"""The step `caption`: a model puts each row's images into words, for one that will never see them.

Rows that share an image share the prompt, so the model is asked once for an image whatever the number of questions.
"""

from collections.abc import Iterator

import polars as pl

from generators.asking.body import body as reply_body
from generators.asking.config import AskConfig
from generators.asking.requests import requests as reply_requests
from generators.presets.preset import as_ask, preset
from generators.template import PromptField
from schemas.completion import Request, Sampling
from schemas.step import Context, Out, Tables


class CaptionConfig(AskConfig):
    """How images are described."""

    prompt: PromptField = "Describe the image."
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=256)


def expand(config: CaptionConfig) -> AskConfig:
    return as_ask(config, "caption")


def requests(rows: pl.DataFrame, config: CaptionConfig) -> Iterator[Request]:
    """One request a row with an image."""
    whole = expand(config)
    return reply_requests(with_images(rows, whole), whole)


def body(tables: Tables, config: CaptionConfig, context: Context) -> Out:
    """The captions. A row without an image has nothing to describe, and its caption is null."""
    whole = expand(config)
    rows = with_images(tables.rows, whole)
    out = reply_body(tables._replace(rows=rows), whole, context)
    if whole.makes is not None or out.rows is None:
        return out
    bare = tables.rows.join(rows, on="id", how="anti").select("id")
    return out._replace(rows=pl.concat([out.rows, bare], how="diagonal").sort("id"))


def with_images(rows: pl.DataFrame, config: AskConfig) -> pl.DataFrame:
    """The rows with an image to show; all of them where the model is to see none."""
    if not config.shown:
        return rows
    shows = [pl.col(name).list.eval(pl.element().struct.field("kind") == "image").list.any() for name in config.shown]
    return rows.filter(pl.any_horizontal(s.fill_null(False) for s in shows))


STEP = preset(
    "caption",
    "puts images into words",
    CaptionConfig,
    expand,
    of="sample",
    body=body,
    requests=requests,
    adds="asks about no row without an image, and gives it null",
)
