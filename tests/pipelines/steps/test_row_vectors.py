"""One vector a sample, of its question and its images, or of those of them that an encoder is named for."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from filters.dedup.content import question_texts
from filters.select.joint import joint
from pipelines.steps.row_vectors import VectorsConfig, row_vectors
from schemas.errors import StepError

TEXT = {"model": "all-minilm-l6-v2"}
IMAGE = {"model": "reference-vlm"}


def test_questions_and_images_stand_side_by_side(planted: Any) -> None:
    rows = planted.rows.head(6)
    sizes = {}
    for name, section in {
        "text": {"text": TEXT},
        "image": {"image": IMAGE},
        "both": {"text": TEXT, "image": IMAGE},
    }.items():
        vectors = row_vectors(planted.build, rows, VectorsConfig.model_validate(section))
        assert np.allclose(np.linalg.norm(vectors.take(vectors.find(rows["id"])), axis=1), 1, atol=1e-2)
        sizes[name] = vectors.dim
    assert sizes["both"] == sizes["text"] + sizes["image"]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_each_side_weighs_what_it_is_said_to(planted: Any, share: float) -> None:
    config = VectorsConfig.model_validate({"text": TEXT, "image": IMAGE, "text_share": share})
    found = row_vectors(planted.build, planted.rows, config)
    shown = pl.col("media").list.eval(pl.element().struct.field("sha256"))
    keys = planted.rows.select("id", image_keys=shown).with_columns(text_key=question_texts(planted.rows)["key"])
    expected = joint(keys, planted.text_vectors, planted.image_vectors, share)
    ids = planted.rows["id"]
    assert np.allclose(found.take(found.find(ids)), expected.take(expected.find(ids)), atol=1e-3)


def test_there_are_none_of_no_rows_and_none_of_images_alone_where_no_row_has_one(planted: Any) -> None:
    config = VectorsConfig.model_validate({"image": IMAGE})
    assert len(row_vectors(planted.build, planted.rows.clear(), config).find(pl.Series("id", [], pl.String))) == 0
    bare = planted.rows.head(2).with_columns(media=pl.lit([], planted.rows.schema["media"]))
    with pytest.raises(StepError, match="no candidate has one"):
        row_vectors(planted.build, bare, config)
