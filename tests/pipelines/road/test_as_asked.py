"""A row is released under the prompt and the tag schema under which it was measured."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from old_quickstart import OLD_QUICKSTART

from filters.verify.reward import reward
from generators import rollouts
from generators.prompts import Prompt, asked, same_prompt, turns
from pipelines.build import release_path, run_build
from pipelines.recipe.load import load_recipe
from pipelines.recipe.recipe import Recipe
from pipelines.release.rows import ReleaseConfig
from pipelines.road.notes import notes
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.road.steps.release import prompts, tags
from schemas.completion import ImagePart, Message, Request, completion_key, prompt_key

ROOT = Path(__file__).parents[3]
MEASURED = ("rl", "holdout", "control", "unfiltered")
ASKED = (
    "rollouts.system=Look closely.",
    "rollouts.prompt='{question} Answer in {{one}} word.'",
    "rollouts.tags=plain",
    "rollouts.sampling.temperature=1.3",
    "preference.splits=[sft, rl]",
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Build:
    folder = tmp_path_factory.mktemp("asked")
    tiny.write_source(folder, 16)
    made: Build = tiny.make(folder, *ASKED)
    run_build(made)
    return made


@pytest.fixture(scope="module")
def release(build: Build) -> Path:
    found: Path = release_path(build, road(build))
    return found


def rows(release: Path, config: str) -> list[dict[str, Any]]:
    return pl.read_parquet(release / config / "*.parquet").to_dicts()


def messages(row: dict[str, Any]) -> tuple[Message, ...]:
    """What a trainer makes of a row: its pictures in front of the user's text."""
    images = tuple(ImagePart(Path(image["path"]).stem) for image in row["images"])
    return tuple(Message(t["role"], (*(images if t["role"] == "user" else ()), t["content"])) for t in row["prompt"])


@pytest.mark.parametrize("config", [*MEASURED, "preference", "sft"])
def test_the_log_holds_replies_to_the_released_prompt(build: Build, release: Path, config: str) -> None:
    keys = set(build.log.scan().select("key").collect()["key"])
    sampling = build.recipe.rollouts.sampling if build.recipe.rollouts else None
    found = rows(release, config)
    assert found
    for row in found:
        assert row["prompt"][0] == {"role": "system", "content": "Look closely."}
        request = Request(row["id"], messages(row), sampling)  # type: ignore[arg-type]
        prompt = prompt_key(build.identities["vlm"], request)
        assert all(completion_key(prompt, index) in keys for index in range(4))


def test_rows_carry_the_tag_schema_under_which_they_were_scored(release: Path) -> None:
    for config in (*MEASURED, "preference"):
        assert {row["tags"] for row in rows(release, config)} == {"plain"}
    assert {row["tags"] for row in rows(release, "sft")} == {"think_answer_boxed"}


def test_the_card_says_that_difficulty_was_measured_before_the_sft_format(release: Path) -> None:
    card = (release / "README.md").read_text()
    assert "a system turn (Look closely.) and the user turn `{question} Answer in {{one}} word.`" in card
    assert "Every prompt of this release is put in the same words." in card
    assert "`sft` are written in `think_answer_boxed`, as their rows say: difficulty was measured before that." in card


def scores(found: list[dict[str, Any]], column: str) -> list[float | None]:
    columns = {name: [row[name] for row in found] for name in ("answer", "verifier", "verifier_params", "options")}
    return reward([row[column] for row in found], **columns, tags=[row["tags"] for row in found])


def test_a_pair_scores_one_and_zero_by_its_own_columns(build: Build, release: Path, tiny: SimpleNamespace) -> None:
    drawn = rows(release, "preference")
    folder = build.workspace.root.parent
    again = tiny.make(folder, *ASKED, "preference.responses=traces", out=folder / "out")
    run_build(again)
    written = rows(release_path(again, road(again)), "preference")
    assert drawn and written
    assert {row["tags"] for row in written} == {"think_answer_boxed"}
    for found in (drawn, written):
        assert set(scores(found, "chosen")) == {1.0}
        assert set(scores(found, "rejected")) == {0.0}


def test_a_release_may_put_its_prompts_in_other_words_and_says_so(
    build: Build, release: Path, tiny: SimpleNamespace
) -> None:
    folder = build.workspace.root.parent
    others = ("release.system=''", "release.suffix=' Think {first}.'", "preference.responses=rollouts")
    again = tiny.make(folder, *ASKED, *others, out=folder / "out")
    run_build(again)
    other = release_path(again, road(again))
    assert other != release
    for config in (*MEASURED, "sft"):
        for row in rows(other, config):
            assert [turn["role"] for turn in row["prompt"]] == ["user"]
            assert row["prompt"][0]["content"].endswith(" Think {first}.")
    assert [row["prompt"] for row in rows(other, "preference")] == [r["prompt"] for r in rows(release, "preference")]
    assert "**The prompts of this release are put in other words**" in (other / "README.md").read_text()


# Which prompt, and whether validate has something to say of it.

ROW = {"id": "a", "question": "Which?", "options": ["red", "blue"], "media": [{"kind": "image", "sha256": "0" * 64}]}
TOLD = {"role": "user", "content": "Which?\nA) red B) blue"}
SYSTEM = {"role": "system", "content": "Think."}


@pytest.mark.parametrize(
    ("given", "measured", "wanted"),
    [
        ({}, Prompt(), [TOLD]),
        ({}, Prompt("Think.", "Q: {question}"), [SYSTEM, {**TOLD, "content": "Q: Which?\nA) red B) blue"}]),
        ({"system": ""}, Prompt("Think."), [TOLD]),
        ({"system": "Think."}, Prompt(), [SYSTEM, TOLD]),
        (
            {"suffix": " {x}"},
            Prompt("Think.", "Q: {question}"),
            [SYSTEM, {**TOLD, "content": TOLD["content"] + " {x}"}],
        ),
        ({"suffix": ""}, Prompt(None, "Q: {question}"), [TOLD]),
    ],
)
def test_what_a_release_says_of_prompts(given: dict[str, Any], measured: Prompt, wanted: list[Any]) -> None:
    assert turns(asked(ROW, ReleaseConfig(**given).prompt(measured))) == wanted


def test_prompts_are_the_same_when_they_read_the_same() -> None:
    assert same_prompt(Prompt("a", "{question} {{b}}"), Prompt("a", suffix=" {b}"))
    assert same_prompt(Prompt(""), Prompt(None))
    assert not same_prompt(Prompt(), Prompt(suffix=" "))


BASE = ("rollouts.system=Think.", "rollouts.prompt='{question} Answer.'")


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        (BASE, []),
        ((*BASE, "release.system=Think."), []),
        ((*BASE, "release.suffix=' Answer.'"), []),
        ((*BASE, "release.system=''"), ["release.system"]),
        ((*BASE, "release.suffix=''"), ["release.suffix"]),
        ((*BASE, "release.system=Guess.", "release.suffix=' Now.'"), ["release.system", "release.suffix"]),
        (("rollouts=null", "select=null", "release.system=Guess."), []),
    ],
)
def test_notes_of_prompts_that_were_not_asked(overrides: tuple[str, ...], keys: list[str]) -> None:
    told = list(notes(load_recipe(OLD_QUICKSTART, overrides)))
    assert [re.search(r": (release\.\w+): ", note)[1] for note in told] == keys  # type: ignore[index]
    assert all("under which difficulty was measured" in note for note in told)


def test_a_verdict_that_the_reward_has_no_time_for_is_noted() -> None:
    told = list(notes(load_recipe(OLD_QUICKSTART, ["verify.budget_s=5"])))
    assert len(told) == 1 and "verify.budget_s: the reward of a release has 2 s for an answer" in told[0]
    assert not list(notes(load_recipe(OLD_QUICKSTART, ["verify.budget_s=1.5"])))


def test_nothing_but_one_function_puts_a_question_into_words() -> None:
    """Whoever writes a release takes the messages that were sent; a second renderer would part from the first one day."""
    renders = re.compile(r"\b(question_text|conversation)\(|\.format\(\s*question=")
    sources = [p for folder in ("pipelines", "filters", "flows") for p in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    assert not [path.name for path in sources if renders.search(path.read_text())]


def test_validate_tells_the_note_and_is_content(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "Six times seven?", "answer": "42"}))
    (tmp_path / "r.yaml").write_text(
        "name: noted\nmodels: {vlm: {model: reference-vlm}}\n"
        f"sources: [{{type: jsonl, name: rows, path: {tmp_path / 'rows.jsonl'}}}]\n"
        "rollouts: {model: vlm}\nrelease:\n  system: Guess.\n"
    )
    told = CliRunner().invoke(app, ["validate", str(tmp_path / "r.yaml"), "-w", str(tmp_path / "out")])
    assert told.exit_code == 0, told.output
    assert "r.yaml:6: release.system: the released prompts differ from rollouts.system" in told.output
    assert "is valid." in told.output


CHARTS = """\
name: charts
models:
  vlm: {model: Qwen/Qwen2.5-VL-7B-Instruct}
sources: [{type: parquet, name: charts, path: charts/*.parquet, schema: chartqa}]
rollouts:
  {model: vlm, n: 8, tags: think_answer, system: "Think in <think></think>, then answer in <answer></answer>."}
"""


def test_a_recipe_with_a_system_turn_releases_what_its_student_is_asked(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(CHARTS)
    recipe: Recipe = load_recipe(str(tmp_path / "r.yaml"))
    assert recipe.rollouts is not None
    (request,) = rollouts.requests(pl.DataFrame([ROW]), recipe.rollouts)
    released = turns(asked(ROW, prompts(recipe)["rl"]))
    assert released == turns(request.messages)
    assert released[0] == {"role": "system", "content": recipe.rollouts.system}
    assert tags(recipe)["rl"] == recipe.rollouts.tags
    assert not list(notes(recipe))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["rollouts.tags=plain"], False),
        (["rollouts.tags=think_answer"], True),
        (["rollouts.tags=think_answer", "rollouts.system=Answer in <answer></answer>."], False),
        (["rollouts.tags=plain_boxed"], True),
        (["rollouts.tags=plain_boxed", "rollouts.prompt='{question} Put it in \\boxed{{}}.'"], False),
    ],
)
def test_a_schema_that_nothing_asks_for_is_noted(overrides: list[str], told: bool) -> None:
    found = [note for note in notes(load_recipe(OLD_QUICKSTART, overrides)) if "rollouts.tags" in note]
    assert len(found) == told


def test_released_is_said_of_the_rows_of_every_config_that_is_trained_on(release: Path) -> None:
    given = {row["id"] for config in ("sft", "rl", "preference") for row in rows(release, config)}
    alone = {row["id"] for row in rows(release, "preference")}
    alone -= {row["id"] for config in ("sft", "rl") for row in rows(release, config)}
    if not alone:
        pytest.skip("the models drew no pair of a sample that lacks a verified trace")
    assert {row["id"] for row in rows(release, "unfiltered") if row["released"]} == given
