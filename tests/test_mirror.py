"""Files of the rooms of steps are short, and each has a test where one looks for it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHORT = ("pipelines/compiler", "pipelines/ingest", "pipelines/run", "pipelines/steps", "pipelines/store")
MIRRORED = (*SHORT, "pipelines/recipe", "generators/asking", "generators/presets", "filters/sql")
LONGEST = 300

ELSEWHERE = {
    "filters/sql/ordered.py": "sql/test_select.py: what an order must be is a property of statements",
    "filters/sql/own.py": "sql/test_functions.py",
    "filters/sql/parse.py": "sql/test_expression.py: it is reached through expressions and statements alone",
    "filters/sql/parsed.py": "sql/test_expression.py",
    "filters/sql/pure.py": "sql/test_functions.py",
    "filters/sql/resolve.py": "sql/test_select.py",
    "filters/sql/rules.py": "sql/test_select.py and test_expression.py: each rule refuses a statement",
    "filters/sql/sources.py": "sql/test_select.py",
    "pipelines/compiler/columns.py": "compiler/test_names.py",
    "pipelines/compiler/compile.py": "compiler/test_names.py compiles every pipeline that it asks names of",
    "pipelines/compiler/describe.py": "explain/test_views.py: the description is what views are made of",
    "pipelines/compiler/pipeline.py": "compiler/test_names.py",
    "pipelines/compiler/types.py": "compiler/test_names.py",
    "pipelines/ingest/draft.py": "ingest/test_ingest.py",
    "pipelines/ingest/image_loader.py": "ingest/test_ingest.py: an image of many rows is decoded once",
    "pipelines/ingest/row_checks.py": "ingest/test_ingest.py: every bad row has its reason; test_image_marks.py",
    "pipelines/ingest/sample_rows.py": "ingest/test_ingest.py: a sample is complete",
    "pipelines/recipe/draft.py": "recipe/test_document.py: a draft is a document's first half",
    "pipelines/recipe/mixture_trials.py": "flows/test_mixture.py runs the trials",
    "pipelines/run/build.py": "run/test_runner.py: every test there runs one",
    "pipelines/run/context.py": "run/test_body.py",
    "pipelines/run/contracts.py": "run/test_runner.py: broken contracts are refused there",
    "pipelines/run/outcome.py": "run/test_runner.py, test_losses.py and test_failures.py read the records",
    "pipelines/run/breaker.py": "run/test_driver.py: too many failures stop a run of the driver",
    "pipelines/run/driver_config.py": "run/test_driver.py, and store/test_memory.py for sizes",
    "pipelines/run/receipt.py": "run/test_driver.py, and flows/test_progress.py for what is shown of one",
    "pipelines/run/retries.py": "run/test_driver.py: waits and restarts show in what the driver asks",
    "pipelines/run/one_step.py": "docs/test_python.py",
    "pipelines/run/reading.py": "run/test_runner.py",
    "pipelines/run/signals.py": "generators/signals and steps/test_signals.py",
    "pipelines/steps/ingest.py": "run/test_runner.py: every build begins with it",
    "pipelines/steps/release_config.py": "recipes/ and steps/test_restate.py",
    "pipelines/steps/release_tags.py": "steps/test_release.py",
    "pipelines/steps/release_measured.py": "steps/test_restate.py",
    "pipelines/steps/release_manifest.py": "recipes/ and steps/test_restate.py",
    "pipelines/steps/release_plan.py": "steps/test_release.py",
    "pipelines/steps/selection_places.py": "pipelines/test_unused.py: it refuses what a recipe names in vain",
    "pipelines/store/build_record.py": "run/test_runner.py and explain/test_views.py read what it writes",
    "pipelines/store/derived_images.py": "steps/test_checks.py: masked images are derived there",
    "pipelines/store/journalled.py": "store/test_journal.py and test_completions.py",
    "pipelines/store/journalled_log.py": "store/test_journal.py",
    "pipelines/store/keyed_log.py": "store/test_embeddings.py and test_image_hashes.py are its two logs",
    "pipelines/store/log_writer.py": "store/test_completions.py",
    "pipelines/store/parts.py": "store/test_completions.py",
    "pipelines/store/step_tables.py": "store/test_current.py and run/test_runner.py",
    "pipelines/store/workspace.py": "run/test_runner.py and flows/test_cli.py",
}
"""Files without a test of their own name: where they are tested."""


def sources(room: str) -> list[str]:
    return [f"{room}/{path.name}" for path in sorted((ROOT / room).glob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("room", SHORT)
def test_no_file_is_longer_than_one_reads_in_a_sitting(room: str) -> None:
    lines = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in sources(room)}
    assert {file: count for file, count in lines.items() if count > LONGEST} == {}


@pytest.mark.parametrize("room", MIRRORED)
def test_each_file_has_its_test_or_a_line_that_says_where_it_is_tested(room: str) -> None:
    missing = [f for f in sources(room) if not (ROOT / "tests" / Path(f).parent / f"test_{Path(f).name}").is_file()]
    assert sorted(set(missing) - set(ELSEWHERE)) == []


def test_the_lists_name_what_there_is() -> None:
    assert [file for file in ELSEWHERE if not (ROOT / file).is_file()] == []
