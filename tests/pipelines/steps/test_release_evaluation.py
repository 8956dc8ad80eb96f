"""The manifest and the card name the evaluation sets that were kept out, and the rows that hit them."""

import json
from pathlib import Path
from typing import Any

import pytest
import recipe_build
import tiny

from pipelines.job import Job, compile_recipe, open_job
from pipelines.preflight import check
from pipelines.steps import release_evaluation
from schemas.errors import ConfigError

LONG = "A train leaves the town at noon and a second one follows an hour later on the very same track"


def written(folder: Path, *, step: dict[str, Any] | None = None) -> Path:
    """A recipe of six sums and a question that an exam asks, each with its exam beside it."""
    exam = {"question": f"{LONG}. When do they meet?", "answer": "", "row": "q2"}
    other = {"question": "What is 1 + 1?", "answer": "", "row": "q1"}
    (folder / "exam.jsonl").write_text("\n".join(map(json.dumps, (exam, other))))
    (folder / "clean.jsonl").write_text(json.dumps({"question": "Where does the river end?", "answer": ""}))
    sources = [{"type": "jsonl", "name": name, "path": str(folder / f"{name}.jsonl")} for name in ("exam", "clean")]
    rows = [*recipe_build.sums(6), {"question": f"Read: {LONG}. How many trains are there?", "answer": "2"}]
    steps = [{"decontaminate": step or {"sources": sources}}, {"release": {"rl": {"of": "sample"}}}]
    return recipe_build.write_recipe(folder, steps, rows, driver={"workers": 1})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("kept_out")
    return recipe_build.built(written(folder), folder / "out")


def test_sets_counts_and_hits_are_named(finished: Job) -> None:
    found = tiny.manifest(finished)["evaluation_sets"]
    assert found["sets"] == {"clean": {"questions": 1, "rows": 0}, "exam": {"questions": 2, "rows": 2}}
    assert found["count"] == 2
    assert [(hit["benchmark"], hit["row"], hit["by"]) for hit in found["hits"]] == [
        ("exam", "q1", "text"),
        ("exam", "q2", "ngram13"),
    ]
    assert {hit["id"] for hit in found["hits"]} == set(tiny.dropped(finished, "decontaminate")["id"])
    assert len(tiny.config(finished, "rl")) == 5


def test_the_card_lists_them(finished: Job) -> None:
    card = (tiny.release(finished) / "README.md").read_text()
    hits = tiny.manifest(finished)["evaluation_sets"]["hits"]
    assert "| exam | 2 | 2 |" in card and "| clean | 1 | 0 |" in card
    assert all(f"| {hit['id']} | exam | {hit['row']} | {hit['by']} |" in card for hit in hits)
    assert "were not compared with any evaluation set" not in card


def test_what_is_not_listed_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_evaluation, "SHOWN", 1)
    job = recipe_build.built(written(tmp_path), tmp_path / "out")
    found = tiny.manifest(job)["evaluation_sets"]
    assert (found["count"], len(found["hits"])) == (2, 1)
    assert "1 more are in `dropped.parquet`." in (tiny.release(job) / "README.md").read_text()


def test_several_steps_count_together(tmp_path: Path) -> None:
    recipe = written(tmp_path)
    text = recipe.read_text()
    first, second = (
        f"- decontaminate: {{as: {name}_first, sources: [{{type: jsonl, name: {name}, path: {tmp_path / name}.jsonl}}]}}\n"
        for name in ("exam", "clean")
    )
    head, _, tail = text.partition("- decontaminate:")
    recipe.write_text(head + first + second + tail[tail.index("- release:") :])
    found = tiny.manifest(recipe_build.built(recipe, tmp_path / "out"))["evaluation_sets"]
    assert found["sets"] == {"clean": {"questions": 1, "rows": 0}, "exam": {"questions": 2, "rows": 2}}
    assert found["count"] == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"path": "gone.jsonl"}, "recipe.yaml:.*decontaminate: .*'exam'"),
        ({"select": "SELECT question FROM raw"}, "no column 'answer'"),
    ],
)
def test_a_set_that_is_not_there_is_named_before_anything_starts(
    tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    section = {"type": "jsonl", "name": "exam", "path": str(tmp_path / "exam.jsonl")}

    def job(**more: str) -> Job:
        recipe = written(tmp_path, step={"sources": [section | more]})
        return open_job(compile_recipe(str(recipe)), tmp_path / "out")

    check(job())
    with pytest.raises(ConfigError, match=sentence):
        check(job(**change))
