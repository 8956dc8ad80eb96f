"""Whether a demo is as its sidecar expects: a demo without models, of what the tasks bring along."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_blocks import blocks

from pipelines.explain.expected import unmet
from pipelines.explain.query import run_query
from pipelines.job import Job, compile_recipe, open_job
from pipelines.recipe.demo import Demo
from schemas.errors import ConfigError

RECIPE = """\
name: given
sources:
  - type: jsonl
    name: given
    path: given.jsonl
    select: SELECT image, q AS question, a AS answer, tries AS responses FROM raw
    columns: {responses: [{text: str, model: str}]}
steps:
  - unfold: {as: given_trace, column: responses, makes: trace}
  - verify
  - pair: {of: trace, chosen: correct, rejected: NOT correct, across_models: true}
  - release: {sft: {of: trace}, preference: {of: pair}}
"""

FED = """\
sources:
  given:
    task: text
    n: 7
    raw: >
      SELECT question AS q, answer AS a, image, [
      {'text': replace(rationale, 'So the answer is', chr(10) || 'Answer:'), 'model': 'good'},
      {'text': replace(wrong_rationale, 'So the answer is', chr(10) || 'Answer:'), 'model': 'bad'}] AS tries FROM task
    spoiled: {wrong_gold: 2, no_answer: 1}
"""

KNOWN = "FROM samples s JOIN truth t ON t.sha256 = s.media[1].sha256"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    (folder / "given.yaml").write_text(RECIPE)
    job(folder).run()
    return folder


def job(folder: Path, **expect: Any) -> Job:
    (folder / "given.demo.yaml").write_text(FED + yaml.safe_dump({"expect": expect}))
    return open_job(compile_recipe(str(folder / "given.yaml"), demo=True), folder / "out")


def holds(name: str, sql: str) -> list[dict[str, str]]:
    return [{"name": name, "sql": sql}]


def test_a_demo_that_is_as_expected(folder: Path) -> None:
    claims = [
        *holds("samples are those of the task", f"SELECT count(*) = 6 {KNOWN}"),
        *holds("sound golds are true", f"SELECT bool_and(s.answer.raw = t.answer) {KNOWN} WHERE t.spoiled IS NULL"),
        *holds("what goes out reaches the gold", f"SELECT bool_and(contains(r.completion[-1].content, t.answer)) {KNOWN} "
               "JOIN release.sft r ON r.id = s.id"),
        *holds("of a wrong gold the good trace is rejected", f"SELECT bool_and(p.rejected_model = 'good') {KNOWN} "
               "JOIN release.preference p ON p.id = s.id WHERE t.spoiled = 'wrong_gold'"),
    ]  # fmt: skip
    assert unmet(job(folder, drops=["ingest"], rows={"sft": 6, "preference": 6}, holds=claims)) == []


def test_a_query_of_the_build_has_the_views_of_its_claims(folder: Path) -> None:
    def asked(sql: str) -> str:
        return run_query(folder / "out", sql, "given.demo")

    assert "true" in asked("SELECT count(*) = 7 AS whole FROM truth")
    shown = asked("SHOW ALL TABLES")
    for name in ("sft", "preference", "truth", "given_trace"):
        assert name in shown
    assert "true" in asked(f"SELECT count(*) = 6 AS found {KNOWN} JOIN release.preference p ON p.id = s.id")


def test_a_damaged_table_of_the_release_is_not_read(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "out", tmp_path / "out")
    table = next((tmp_path / "out/releases/given.demo").rglob("preference/*.parquet"))
    table.write_bytes(table.read_bytes()[::-1])
    with pytest.raises(ConfigError, match=r"preference/.*parquet"):
        run_query(tmp_path / "out", "SELECT count(*) FROM release.preference", "given.demo")
    assert "6" in run_query(tmp_path / "out", "SELECT count(*) FROM release.sft", "given.demo")


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ({"drops": ["selftest"]}, "'selftest' dropped none of 6 rows"),
        ({"rows": {"sft": 60}}, "the config 'sft' has 6 rows, not 60 or more"),
        ({"rows": {"control": 1}}, "the config 'control' has 0 rows, not 1 or more"),
        ({"holds": holds("it is so", "SELECT false")}, "it does not hold that it is so: its SQL is false"),
        ({"holds": holds("it is so", "SELECT bool_and(true) FROM samples WHERE false")},
         "it does not hold that it is so: its SQL says nothing (null)"),
        ({"holds": holds("it is so", "SELECT count(*) FROM samples")}, "it does not hold that it is so: its SQL gives 6"),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_is_a_sentence_each(expect: dict[str, Any], sentence: str, folder: Path) -> None:
    assert unmet(job(folder, **expect)) == [sentence]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nothing FROM samples", "nothing"),
        ("SELECT true FROM samples", "gives 6 rows, not one boolean"),
        ("SELECT count(*) > 0 FROM read_text('/etc/passwd')", "passwd|read_text"),
    ],
)
def test_a_claim_that_cannot_be_checked_is_an_error(sql: str, words: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=f"The claim 'it is so' cannot be checked: .*({words})"):
        unmet(job(folder, holds=holds("it is so", sql)))


def test_the_sidecar_of_the_page_is_one() -> None:
    [text] = blocks("docs/recipes.md", "yaml sidecar")
    assert Demo.model_validate(yaml.safe_load(text)).expect.holds


def test_a_config_that_is_no_more_empty_is_told(folder: Path) -> None:
    found = job(folder)
    assert found.compiled.sidecar is not None
    found.compiled.sidecar.demo.__dict__["empty"] = ("sft",)
    [sentence] = unmet(found)
    assert sentence.startswith("the config 'sft' has ") and sentence.endswith(
        "rows, and is in `empty`; take it out there"
    )
