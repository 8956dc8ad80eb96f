"""Rows of a release go out under the prompt and the tag schema under which they were measured."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import release_shapes
import tiny

from filters.verify.reward import reward
from pipelines.job import Job
from pipelines.store.media import MediaStore
from schemas.completion import ImagePart, Message, Request, completion_key, prompt_key

MEASURED = ("rl", "holdout", "control", "unfiltered")
SIDES = "side IN ('sft', 'rl')"
ASKED = {
    "system": "Look closely.",
    "prompt": "{{ question }} Answer in {one} word.",
    "sampling": {"max_tokens": 8, "seed": 0, "temperature": 1.3},
}


def as_asked(recipe: dict[str, Any]) -> None:
    """A student that is asked in words of its own, and pairs of its replies and of traces."""
    tiny.without("caption")(recipe)
    tiny.section(recipe, "rollout").update(ASKED)
    written = {"pair": {"as": "written", "of": "trace", "chosen": "correct", "rejected": "NOT correct", "cap": 2}}
    recipe["steps"].insert(recipe["steps"].index("verify") + 1, written)
    section = tiny.section(recipe, "release")
    section["sft"] = {"of": "trace"}
    section["preference"]["where"] = SIDES
    section["written"] = {"of": "written", "where": SIDES}


def in_other_words(recipe: dict[str, Any]) -> None:
    as_asked(recipe)
    for config in ("sft", "rl", "holdout"):
        tiny.section(recipe, "release")[config] |= {"system": "", "prompt": "{{ question }} Think {first}."}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("asked")
    tiny.write_source(home, 16)
    return home


@pytest.fixture(scope="module")
def built(folder: Path) -> Job:
    return tiny.built(folder, edit=as_asked)


def rows(job: Job, config: str) -> list[dict[str, Any]]:
    found = tiny.config(job, config).to_dicts()
    assert found
    return found


def messages(row: dict[str, Any]) -> tuple[Message, ...]:
    """What a trainer makes of a row: its images in front of the user's text."""
    images = tuple(ImagePart(Path(image["path"]).stem) for image in row["images"])
    return tuple(Message(t["role"], (*(images if t["role"] == "user" else ()), t["content"])) for t in row["prompt"])


@pytest.mark.parametrize("config", [*MEASURED, "preference", "sft", "written"])
def test_the_log_holds_replies_to_the_released_prompt(built: Job, config: str) -> None:
    keys = set(built.build.log.scan().select("key").collect()["key"])
    rollout = built.compiled.pipeline.step("rollout")
    for row in rows(built, config):
        assert row["prompt"][0] == {"role": "system", "content": "Look closely."}
        prompt = prompt_key(built.build.identities["vlm"], Request(row["id"], messages(row), rollout.config.sampling))
        assert all(completion_key(prompt, index) in keys for index in range(rollout.config.n))


def test_rows_carry_the_tag_schema_under_which_they_were_scored(built: Job) -> None:
    for config in (*MEASURED, "preference"):
        assert {row["tags"] for row in rows(built, config)} == {"plain"}
    assert {row["tags"] for row in rows(built, "sft")} == {"think_answer_boxed"}


def test_the_card_says_how_the_student_was_asked_and_that_completions_are_laid_out_otherwise(built: Job) -> None:
    card = " ".join((tiny.release(built) / "README.md").read_text().split())
    assert "a system turn (Look closely.) and the user turn `{{ question }} Answer in {one} word.`" in card
    assert "Every prompt that carries k of n is put in the same words." in card
    assert "Completions are written in think_answer_boxed, as their rows say: difficulty was measured before" in card


@pytest.mark.parametrize("config", ["preference", "written"])
def test_a_pair_scores_one_and_zero_by_its_own_columns(built: Job, config: str) -> None:
    found = rows(built, config)
    columns = {name: [row[name] for row in found] for name in ("answer", "verifier", "verifier_params", "options")}
    for side, score in (("chosen", 1.0), ("rejected", 0.0)):
        replies = [row[side] for row in found]
        assert set(reward(replies, **columns, tags=[row["tags"] for row in found])) == {score}


def test_a_release_may_put_its_prompts_in_other_words_and_says_so(built: Job, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "out", tmp_path / "out")
    again = tiny.built(folder, out=tmp_path / "out", edit=in_other_words)
    assert tiny.release(again).name != tiny.release(built).name
    for config in (*MEASURED, "sft"):
        for row in rows(again, config):
            assert [turn["role"] for turn in row["prompt"]] == ["user"]
            assert row["prompt"][0]["content"].endswith(" Think {first}.")
    assert [row["prompt"] for row in rows(again, "preference")] == [r["prompt"] for r in rows(built, "preference")]
    assert "**Some prompts of this release are put in other words**" in (tiny.release(again) / "README.md").read_text()


def test_released_is_what_is_in_a_config_to_train_on(built: Job) -> None:
    trained = {row["id"] for config in ("sft", "rl", "preference", "written") for row in rows(built, config)}
    released = {row["id"]: row["released"] for row in rows(built, "unfiltered")}
    assert {id_ for id_, is_released in released.items() if is_released} == trained
    assert len(trained) < len(released)


def test_rows_beyond_a_limit_are_not_called_released(built: Job, folder: Path, tmp_path: Path) -> None:
    def limited(recipe: dict[str, Any]) -> None:
        as_asked(recipe)
        for config in ("sft", "rl", "preference", "written"):
            tiny.section(recipe, "release")[config]["limit"] = 1

    shutil.copytree(folder / "out", tmp_path / "out")
    again = tiny.built(folder, out=tmp_path / "out", edit=limited)
    trained = {row["id"] for config in ("sft", "rl", "preference", "written") for row in rows(again, config)}
    assert {row["id"] for row in rows(again, "unfiltered") if row["released"]} == trained
    assert len(trained) < len({row["id"] for row in rows(built, "unfiltered") if row["released"]})
    cut = {row["row"] for row in rows(built, "sft")} - {row["row"] for row in rows(again, "sft")}
    dropped = pl.read_parquet(tiny.release(again) / "dropped.parquet").filter(reason="release:limit", unit="trace")
    assert set(dropped["id"]) == cut
    assert set(dropped["evidence"]) == {'{"config": "sft", "limit": 1}'}


@pytest.mark.parametrize("config", ["sft", "rl", "preference", "holdout", "control", "unfiltered"])
def test_lists_are_never_null_and_a_text_that_speaks_of_an_image_mark_holds_none(config: str, tmp_path: Path) -> None:
    """Loaders that infer types from a first null row fail on the second, and take a mark for an image."""
    shape = release_shapes.shapes(MediaStore(tmp_path))[config]
    said = "It says <image> twice: <image>."
    gold = {"answer": {"kind": "text", "raw": "a mark", "parsed": "{}"}, "verifier": {"id": "text", "params": "{}"}}
    texts = {"text": said, "pair_chosen": said, "pair_rejected": said}
    row = shape.record(release_shapes.row("a", "What does <image> mean?", **gold, **texts) | {"options": None})
    assert set(row) == set(shape.schema.names)
    assert (row["images"], row["options"], row["image_positions"]) == ([], [], [])
    assert row["solution"] == "a mark" and "<image>" not in str(row)
    assert row["prompt"] == [{"role": "user", "content": "What does [image] mean?"}]
    for column in {"sft": ["completion"], "preference": ["chosen", "rejected"]}.get(config, []):
        assert row[column] == [{"role": "assistant", "content": "It says [image] twice: [image]."}]
