"""What the recipe alone gets wrong is told with its line, before a model is looked for."""

import json
from pathlib import Path

import pytest
from old_quickstart import OLD_QUICKSTART

from pipelines.preflight import check_recipe
from pipelines.recipe.load import load_recipe
from schemas.errors import ConfigError


def told(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_recipe(load_recipe(OLD_QUICKSTART, overrides))
    return str(caught.value)


def test_the_line_of_a_mistake_is_told() -> None:
    assert told("verify.tags=thnk").startswith("--set verify.tags=thnk: verify.tags: there is no tag schema 'thnk'.")
    assert "quickstart_sections.yaml:" in told("dedup.image=null")
    assert told("select.without=[blind]").startswith(
        "--set select.without=[blind]: select.without 'blind' is a flag of"
    )


def test_a_schema_that_no_trace_fills_is_refused_before_a_model_is_asked() -> None:
    assert "'staged' asks for summary, caption, reasoning beside the answer, and a trace has one" in told(
        "verify.tags=staged"
    )
    check_recipe(load_recipe(OLD_QUICKSTART, ["verify.tags=thought_solution"]))
    check_recipe(load_recipe(OLD_QUICKSTART, ["verify.tags=staged", "distill=null", "quality=null"]))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ("caption=null", "distill.sees=nothing"),
            "distill.sees: every row has images, and a teacher that sees nothing",
        ),
        (("caption=null", "distill.sees=media"), "distill.model: every row has images, and 'reasoner' reads text only"),
        (("caption=null",), "distill.model: every row has images, and 'reasoner' reads text only"),
        (("caption.model=reasoner",), "caption.model: every row has images, and 'reasoner' reads text only"),
        (("rollouts.model=[vlm, reasoner]",), "rollouts.model: every row has images, and 'reasoner' reads text only"),
    ],
)
def test_a_model_that_cannot_see_what_it_is_shown(overrides: tuple[str, ...], sentence: str) -> None:
    assert sentence in told(*overrides)


def test_a_teacher_that_sees_needs_no_captions() -> None:
    check_recipe(load_recipe(OLD_QUICKSTART, ["caption=null", "distill.model=vlm"]))
    check_recipe(load_recipe(OLD_QUICKSTART, []))


def test_the_tags_of_a_check_are_looked_at_too() -> None:
    sentence = told("checks=[{type: text_only}, {type: guess, tags: plian}]")
    assert "checks.1.tags: there is no tag schema 'plian'. Did you mean 'plain'?" in sentence


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("dedup.text.model=reference-vlm", "dedup.text.model: 'reference-vlm' is no text encoder; take all-minilm"),
        ("dedup.text.model=smollm2-135m-instruct", "dedup.text.model: 'smollm2-135m-instruct' is no text encoder"),
        ("dedup.image.model=all-minilm-l6-v2", "dedup.image.model: 'all-minilm-l6-v2' is no image encoder; take ref"),
        ("dedup.text.model=all-minilm-l6", "there is no text encoder 'all-minilm-l6': it is not a local folder"),
        ("dedup.text.model=all-minilm-l6", "the embedded one (all-minilm-l6-v2). Did you mean 'all-minilm-l6-v2'?"),
        ("dedup.image.model=reference-vml", "the embedded one (reference-vlm). Did you mean 'reference-vlm'?"),
    ],
)  # fmt: skip
def test_an_encoder_that_is_none(override: str, sentence: str) -> None:
    assert sentence in told(override)


def test_a_folder_is_an_encoder_of_what_its_model_reads(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "vision_config": {}}))
    assert "is no text encoder" in told(f"dedup.text.model={tmp_path}")
    check_recipe(load_recipe(OLD_QUICKSTART, [f"dedup.image.model={tmp_path}"]))
    (tmp_path / "modules.json").write_text("[]")  # sentence-transformers takes CLIP for texts, where it saved it so
    check_recipe(load_recipe(OLD_QUICKSTART, [f"dedup.text.model={tmp_path}"]))
