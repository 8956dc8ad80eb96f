"""Critiques are rows of their own, made of the reply that they are about."""

from asked import IMAGE, converse, run, table

from generators.presets.critique import STEP, CritiqueConfig
from schemas.completion import ImagePart

ROW = {"question": "How many?", "options": None, "media": [IMAGE], "text": "Two and two. So five.", "kind": None}


def test_a_model_sees_question_images_and_reply() -> None:
    config = CritiqueConfig(model="m")
    [[request]] = converse(STEP, table(ROW), config, lambda r, i: "It is four.")[1]
    image, words = request.messages[-1].content
    assert image == ImagePart("ab" * 32)
    assert "How many?" in str(words) and "Two and two. So five." in str(words)
    out = run(STEP, table(ROW), config, lambda r, i: "It is four.")
    assert out.rows is not None
    assert out.rows.select("parent_id", "text").rows() == [("r0", "It is four.")]
