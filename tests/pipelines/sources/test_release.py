"""A release as a source: what of it becomes a sample, its replies, and which version is meant."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from sealing import sealed

from pipelines.sources.read import fingerprint, read_rows
from pipelines.sources.release import ReleaseSource
from schemas.errors import ConfigError

ANSWER = '{"kind":"choice","raw":"B","letters":["B"]}'


def row(number: int, **more: Any) -> dict[str, Any]:
    question = more.pop("question", f"Which is {number}?")
    return {
        "id": f"s{number}",
        "prompt": [{"role": "system", "content": "Think."}, {"role": "user", "content": f"{question}\nA) one B) two"}],
        "images": [{"bytes": b"png", "path": "a.png"}],
        "image_positions": [],
        "solution": "$B$",
        "answer": ANSWER,
        "verifier_params": "{}",
        "options": ["one", "two"],
        "group": f"g{number}",
        **more,
    }


def release(root: Path, config: str, *rows: dict[str, Any], version: str = "v1") -> Path:
    folder = root / "maths" / version / config
    folder.mkdir(parents=True)
    pl.DataFrame(rows).write_parquet(folder / "part-00000.parquet")
    return sealed(folder.parent, {})


def located(root: Path, **section: Any) -> ReleaseSource:
    source = ReleaseSource.model_validate({"name": "before", "path": "maths@v1", **section})
    source.locate(root)
    return source


def test_a_release_passes_the_licences_of_its_sources_on(tmp_path: Path) -> None:
    release(tmp_path, "rl", row(1))
    manifest, every = tmp_path / "maths" / "v1" / "manifest.json", ["MIT", "CC-BY-NC-4.0", None, "MIT"]
    manifest.write_text(json.dumps({"sources": [{"name": str(n), "license": name} for n, name in enumerate(every)]}))
    assert located(tmp_path).terms == "CC-BY-NC-4.0 AND MIT AND not stated"
    assert located(tmp_path, license="MIT").terms == "MIT"
    manifest.write_text(json.dumps({"sources": [{"name": "a", "license": None}]}))
    assert located(tmp_path).terms is None


def read(source: ReleaseSource) -> pl.DataFrame:
    return pl.concat(read_rows(source))


def test_rows_of_a_release_are_questions_with_their_golds_options_images_and_group(tmp_path: Path) -> None:
    release(tmp_path, "rl", row(1))
    [found] = read(located(tmp_path, columns={"solution": "str"})).to_dicts()
    assert (found["question"], found["answer"], found["kind"]) == ("Which is 1?", "B", "choice")
    assert (found["options"], found["group"], found["row"]) == (["one", "two"], "g1", "s1")
    assert found["images"] == [{"bytes": b"png", "path": "a.png"}]
    assert found["given.solution"] == "$B$"


@pytest.mark.parametrize(("name", "what"), [("maths.demo", "demo"), ("maths.trial", "trial")])
def test_rows_of_a_trial_go_into_trials_only(tmp_path: Path, name: str, what: str) -> None:
    folder = release(tmp_path, "rl", row(1))
    copied = sealed(folder.rename(tmp_path / "copied"), {"name": name, "version": "v1"})  # wherever it lies
    source = ReleaseSource(name="before", path=str(copied))
    with pytest.raises(
        ConfigError, match=rf"is a {what}, and its rows go into trials and demos only. Build maths without --"
    ):
        source.locate(tmp_path)
    source.locate(tmp_path, trial=True)
    assert read(source).height == 1


def test_images_stand_where_they_stood(tmp_path: Path) -> None:
    release(tmp_path, "rl", row(1, question="Is  above ?", image_positions=[3, 10]))
    assert read(located(tmp_path))["question"].to_list() == ["Is <image> above <image>?"]


def test_completions_of_a_sample_come_together(tmp_path: Path) -> None:
    said = [{"completion": [{"role": "assistant", "content": text}], "teacher": "big"} for text in ("yes", "no")]
    release(tmp_path, "sft", row(1, row="t1", **said[0]), row(1, row="t0", **said[1]), row(2, row="t2", **said[0]))
    source = located(tmp_path, config="sft", columns={"responses": [{"text": "str", "model": "str"}]})
    found = read(source).sort("row")
    unknown = {"model": "big", "gold_visible": None}
    assert found["given.responses"].to_list() == [
        [{"text": "no", **unknown}, {"text": "yes", **unknown}],
        [{"text": "yes", **unknown}],
    ]


def test_completions_keep_that_their_model_was_shown_the_gold(tmp_path: Path) -> None:
    said = {"completion": [{"role": "assistant", "content": "yes"}], "teacher": "big"}
    rows = [row(1, row=f"t{seen}", **said, gold_visible=seen) for seen in (False, True)]
    release(tmp_path, "sft", *rows)
    for select in (None, "SELECT * FROM raw"):
        source = located(tmp_path, config="sft", columns={"responses": [{"text": "str"}]}, select=select)
        assert [said["gold_visible"] for said in read(source)["given.responses"][0]] == [False, True]


def test_pairs_say_which_is_preferred(tmp_path: Path) -> None:
    turns = {side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    release(tmp_path, "preference", row(1, row="p", **turns, chosen_model="a", rejected_model="b"))
    source = located(tmp_path, config="preference", columns={"responses": [{"text": "str", "preferred": "bool"}]})
    assert read(source)["given.responses"].to_list() == [
        [{"text": "chosen", "preferred": True}, {"text": "rejected", "preferred": False}]
    ]


def test_a_folder_is_a_release_too_and_its_content_decides_freshness(tmp_path: Path) -> None:
    one, two = release(tmp_path, "rl", row(1)), release(tmp_path, "rl", row(2), version="v2")
    prints = [fingerprint(located(tmp_path, path=str(path))) for path in (one, two)]
    assert prints[0] != prints[1]
    assert read(located(tmp_path, path=str(two)))["row"].to_list() == ["s2"]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (
            {"path": "maths@v7"},
            "Source 'before': there is no release 'maths@v7'. Did you mean 'maths@v1'? There are maths@v1.",
        ),
        (
            {"config": "sf"},
            "Source 'before': maths@v1 has no config 'sf'. Did you mean 'sft'? It has sft.",
        ),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path: Path, section: dict[str, Any], sentence: str) -> None:
    release(tmp_path, "sft", row(1))
    with pytest.raises(ConfigError) as error:
        read(located(tmp_path, **section))
    assert str(error.value) == sentence


def test_a_recipe_without_its_version_is_refused_so_that_no_recipe_reads_what_it_makes() -> None:
    with pytest.raises(ValidationError) as error:
        ReleaseSource(name="before", path="maths")
    assert "'maths' names no version; write one, such as maths@v1" in error.value.errors()[0]["msg"]
