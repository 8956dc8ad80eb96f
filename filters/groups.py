"""Groups: rows that must stay on one side of a split, because knowing one of them helps to answer another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.dedup.content import question_texts
from schemas.ids import hash_text

NearPairs = pl.DataFrame | Sequence[pl.DataFrame]
"""Tables with `id` and `other`: pairs of rows found to be near (see `filters.dedup.embedding.near_pairs`)."""


def group_ids(rows: pl.DataFrame, near_pairs: NearPairs = (), near_media: pl.DataFrame | None = None) -> pl.DataFrame:
    """`id, group` for each row, in its order: connected components over everything that rows can share.

    Rows are connected by a shared medium (its sha256, or that of the medium it was derived from), an equal `group_id`,
    an equal `parent_id`, being the parent of another, the same question and options where there is no medium (up to
    spelling, see `filters.dedup.content`), each pair of `near_pairs`, and each pair `sha256, other` of
    `near_media` (images found to be the same, see `filters.dedup.image_hash`). The group is named by hash after
    its smallest shared thing (medium, given group; a row only where there is no other), so it depends on content
    alone, and a new row about a known image leaves the name as it was.
    """
    table = links(rows, near_pairs, near_media)
    nodes = table.select("link").unique().sort("link").with_row_index("right")
    edges = table.join(nodes, on="link", maintain_order="left")
    left = edges["row"].to_numpy().astype(np.int64)
    right = edges["right"].to_numpy().astype(np.int64) + len(rows)
    labels = _components(len(rows) + len(nodes), left, right)
    named = nodes.with_columns(label=pl.Series(labels[len(rows) :])).group_by("label").agg(pl.col("link").min())
    names = named.with_columns(group=pl.col("link").map_elements(hash_text, return_dtype=pl.String))
    labelled = rows.select("id").with_columns(label=pl.Series(labels[: len(rows)]))
    return labelled.join(names, on="label", how="left", maintain_order="left").select("id", "group")


def links(rows: pl.DataFrame, near_pairs: NearPairs = (), near_media: pl.DataFrame | None = None) -> pl.DataFrame:
    """`row` (number), `link` (name of a thing the row is tied to); two rows with a common link are connected.

    Names begin with a digit that puts media and given groups before rows, which is the order groups are named by.
    """
    numbered = rows.with_row_index("row")
    medium = pl.element().struct.field("sha256")
    origin = pl.element().struct.field("derived_from").str.json_path_match("$.media")
    media = pl.col("media").fill_null([])
    shown = numbered.select("row", name=media.list.eval(medium)).explode("name", empty_as_null=False)
    found = [
        _link(shown, "0:media:"),
        _link(numbered.select("row", name=pl.col("id")), "2:row:"),
    ]
    if "derived_from" in _fields(rows):
        origins = numbered.select("row", name=media.list.eval(origin)).explode("name", empty_as_null=False)
        found.append(_link(origins, "0:media:"))
    for column, prefix in (("group_id", "1:group:"), ("parent_id", "2:row:")):
        if column in rows.columns:
            found.append(_link(numbered.select("row", name=pl.col(column)), prefix))
    if "question" in rows.columns:
        asked = question_texts(numbered.filter(media.list.len() == 0)).filter(pl.col("text") != "")
        found.append(_link(numbered.select("row", "id").join(asked, on="id").select("row", name="key"), "3:text:"))
    if near_media is not None:
        pairs = near_media.select("sha256", "other")
        both = pl.concat([pairs, pairs.select(sha256="other", other="sha256")])
        near = shown.rename({"name": "sha256"}).join(both, on="sha256")
        found.append(_link(near.select("row", name="other"), "0:media:"))
    tables = [near_pairs] if isinstance(near_pairs, pl.DataFrame) else list(near_pairs)
    for pairs in tables:
        ends = pl.concat([pairs.select("id", name="other"), pairs.select(id="other", name="id")])
        found.append(_link(numbered.select("row", "id").join(ends, on="id").select("row", "name"), "2:row:"))
    return pl.concat(found).unique().sort("row", "link")


def _link(table: pl.DataFrame, prefix: str) -> pl.DataFrame:
    named = table.filter(pl.col("name").is_not_null())
    return named.select("row", link=pl.lit(prefix) + pl.col("name").cast(pl.String))


def _fields(rows: pl.DataFrame) -> list[str]:
    inner: Any = rows.schema["media"]
    return [field.name for field in inner.inner.fields] if isinstance(inner.inner, pl.Struct) else []


def _components(size: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, dtype=np.int64)
