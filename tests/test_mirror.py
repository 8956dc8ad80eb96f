"""Files are short, and each has a test where one looks for it."""

import re
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PIPELINES = (
    "pipelines", "pipelines/compiler", "pipelines/explain", "pipelines/export", "pipelines/ingest", "pipelines/recipe",
    "pipelines/projection", "pipelines/proof", "pipelines/release", "pipelines/remote", "pipelines/report", "pipelines/run",
    "pipelines/sources", "pipelines/steps", "pipelines/store",
)  # fmt: skip
MIRRORED = (*PIPELINES, "generators/asking", "generators/presets", "filters/sql")
LONGEST = 300
MEDIAN = 100

ELSEWHERE = {
    "filters/sql/ordered.py": "sql/test_select.py: what an order must be is a property of statements",
    "filters/sql/own.py": "sql/test_functions.py",
    "filters/sql/parse.py": "sql/test_expression.py: it is reached through expressions and statements alone",
    "filters/sql/parsed.py": "sql/test_expression.py",
    "filters/sql/pure.py": "sql/test_functions.py",
    "filters/sql/resolve.py": "sql/test_select.py",
    "filters/sql/rules.py": "sql/test_select.py and test_expression.py: each rule refuses a statement",
    "filters/sql/sources.py": "sql/test_select.py",
    "pipelines/bare_pairs.py": "test_unused.py",
    "pipelines/calibration.py": "flows/test_selftest.py runs both of its commands",
    "pipelines/compiler/columns.py": "compiler/test_names.py",
    "pipelines/compiler/compile.py": "compiler/test_names.py compiles every pipeline that it asks names of",
    "pipelines/compiler/describe.py": "explain/test_views.py: the description is what views are made of",
    "pipelines/compiler/pipeline.py": "compiler/test_names.py",
    "pipelines/compiler/types.py": "compiler/test_names.py",
    "pipelines/explain/asked.py": "explain/test_story.py, and flows/test_preview.py for what is shown",
    "pipelines/explain/mermaid.py": "flows/test_show.py",
    "pipelines/explain/outline.py": "flows/test_show.py",
    "pipelines/explain/query.py": "explain/test_views.py",
    "pipelines/explain/recorded.py": "explain/test_views.py",
    "pipelines/explain/released.py": "explain/test_story.py: a story ends in the release",
    "pipelines/explain/rows.py": "explain/test_story.py: rows are found by a beginning of their ids",
    "pipelines/explain/sample_story.py": "explain/test_preview.py",
    "pipelines/export/becoming.py": "export/test_export.py kills a process that writes an export",
    "pipelines/export/catalogue.py": "export/test_export.py writes what each of its exporters does",
    "pipelines/export/conversation.py": "export/test_export.py: every exporter's turns are made there",
    "pipelines/export/easyr1.py": "export/test_without_package.py, and test_image_positions.py with those below",
    "pipelines/export/environment.py": "export/test_environments.py",
    "pipelines/export/hugging_face.py": "export/test_export.py",
    "pipelines/export/image_folder.py": "export/test_export.py",
    "pipelines/export/image_tokens.py": "export/test_export.py and test_trainers.py",
    "pipelines/export/inspect_task.py": "export/test_environments.py",
    "pipelines/export/llama_factory.py": "export/test_trainers.py reads it with the trainer's own code",
    "pipelines/export/ms_swift.py": "export/test_trainers.py",
    "pipelines/export/nemo_code.py": "export/test_nemo_rl.py runs what an export brings",
    "pipelines/export/openrlhf_m.py": "export/test_without_package.py asks its reward server",
    "pipelines/export/parts.py": "export/test_openrlhf.py and test_axolotl.py: every exporter of parts",
    "pipelines/export/readme.py": "export/test_export.py",
    "pipelines/export/readme_parts.py": "export/test_export.py and test_selection.py",
    "pipelines/export/reward_code.py": "export/test_without_package.py: rewards run where curate is not installed",
    "pipelines/export/rows.py": "export/test_export.py",
    "pipelines/export/sheet.py": "export/test_export.py",
    "pipelines/export/shipped_code.py": "export/test_without_package.py and test_shipped_verdicts.py",
    "pipelines/export/starting.py": "export/test_start.py",
    "pipelines/export/unsloth.py": "export/test_axolotl.py: both read parts that name files",
    "pipelines/export/verifiers_code.py": "export/test_environments.py",
    "pipelines/export/verifiers_package.py": "export/test_environments.py",
    "pipelines/export/verl.py": "export/test_trainers.py and test_without_package.py",
    "pipelines/export/write.py": "export/test_export.py",
    "pipelines/ingest/draft.py": "ingest/test_ingest.py",
    "pipelines/ingest/image_loader.py": "ingest/test_ingest.py: an image of many rows is decoded once",
    "pipelines/ingest/row_checks.py": "ingest/test_ingest.py: every bad row has its reason; test_image_marks.py",
    "pipelines/ingest/sample_rows.py": "ingest/test_ingest.py: a sample is complete",
    "pipelines/proof/estimate.py": "proof/test_prove.py: a dry run prints it",
    "pipelines/proof/files.py": "proof/test_prove.py: every file is there after a proof",
    "pipelines/proof/grading.py": "proof/test_prove.py grades every arm",
    "pipelines/proof/manifest.py": "proof/test_prove.py",
    "pipelines/proof/material.py": "proof/test_prove.py: every arm takes its rows from there",
    "pipelines/proof/plan.py": "proof/test_prove.py: it is there before the first run, and other sizes are another",
    "pipelines/proof/plot.py": "proof/test_prove.py",
    "pipelines/proof/random_traces.py": "proof/test_prove.py: with the build, and without",
    "pipelines/proof/rows.py": "proof/test_traces.py and test_prove.py",
    "pipelines/proof/run.py": "proof/test_prove.py",
    "pipelines/proof/schedule.py": "proof/test_prove.py: by one process and by two, whole and killed",
    "pipelines/proof/table.py": "proof/test_prove.py",
    "pipelines/recipe/draft.py": "recipe/test_document.py: a draft is a document's first half",
    "pipelines/recipe/mixture_trials.py": "flows/test_mixture.py runs the trials",
    "pipelines/release/configs.py": "release/test_versions.py, and run/test_whole_build.py: a release loads as it is",
    "pipelines/release/croissant.py": "release/test_card.py",
    "pipelines/release/examples.py": "release/test_card.py",
    "pipelines/release/parquet_shards.py": "release/test_kill.py and test_regrade.py",
    "pipelines/release/proof.py": "release/test_verify.py",
    "pipelines/release/recount.py": "release/test_verify.py",
    "pipelines/release/rollout_rows.py": "release/test_regrade.py",
    "pipelines/release/statistics.py": "release/test_card.py",
    "pipelines/release/write.py": "release/test_kill.py and test_versions.py",
    "pipelines/remote/answers.py": "remote/test_objects.py: what a store refuses is told as what it is",
    "pipelines/remote/outbox.py": "remote/test_whole_build.py: a store that goes away, and a bucket that was emptied",
    "pipelines/remote/ranged.py": "remote/test_objects.py: a piece of an object is read alone",
    "pipelines/remote/transfer.py": "remote/test_whole_build.py",
    "pipelines/remote/trouble.py": "remote/test_objects.py: what is not there or not allowed is a sentence",
    "pipelines/remote/working_copy.py": "remote/test_whole_build.py",
    "pipelines/report/charts.py": "report/test_numbers.py holds all numbers of a report to the tables",
    "pipelines/report/choice.py": "report/test_numbers.py",
    "pipelines/report/details.py": "report/test_numbers.py",
    "pipelines/report/duplicates.py": "report/test_numbers.py",
    "pipelines/report/fates.py": "report/test_numbers.py",
    "pipelines/report/figures.py": "report/test_numbers.py",
    "pipelines/report/origin.py": "report/test_numbers.py",
    "pipelines/report/steps.py": "report/test_numbers.py",
    "pipelines/report/thumbnails.py": "report/test_page.py",
    "pipelines/report/write.py": "report/test_page.py",
    "pipelines/run/bucket.py": "run/test_runner.py: every step goes through it; test_shards.py in other processes",
    "pipelines/run/bucket_tables.py": "run/test_runner.py",
    "pipelines/run/build.py": "run/test_runner.py: every test there runs one",
    "pipelines/run/context.py": "run/test_body.py",
    "pipelines/run/contracts.py": "run/test_runner.py: broken contracts are refused there",
    "pipelines/run/outcome.py": "run/test_runner.py and test_losses.py read the records",
    "pipelines/run/breaker.py": "run/test_driver.py: too many failures stop a run of the driver",
    "pipelines/run/driver_config.py": "run/test_driver.py, and store/test_memory.py for sizes",
    "pipelines/run/receipt.py": "run/test_driver.py, and flows/test_progress.py for what is shown of one",
    "pipelines/run/retries.py": "run/test_driver.py: waits and restarts show in what the driver asks",
    "pipelines/run/one_step.py": "docs/test_python.py",
    "pipelines/run/reading.py": "run/test_runner.py",
    "pipelines/run/shard_process.py": "run/test_shards.py",
    "pipelines/run/shard_program.py": "run/test_shards.py",
    "pipelines/run/signals.py": "generators/signals and steps/test_signals.py",
    "pipelines/sources/arrow.py": "sources/test_sources.py: sources that stream their rows",
    "pipelines/sources/batches.py": "sources/test_unpacking.py: rows that are too large, and batches cut by bytes",
    "pipelines/sources/columns.py": "sources/test_sources.py",
    "pipelines/sources/easy_vqa.py": "sources/test_sources.py",
    "pipelines/sources/files.py": "sources/test_sources.py",
    "pipelines/sources/huggingface.py": "sources/test_sources.py",
    "pipelines/sources/image_folder.py": "sources/test_sources.py",
    "pipelines/sources/read.py": "sources/test_sources.py",
    "pipelines/sources/scenes.py": "sources/test_sources.py",
    "pipelines/sources/section.py": "sources/test_sources.py",
    "pipelines/sources/source.py": "sources/test_sources.py",
    "pipelines/sources/texts.py": "sources/test_sources.py",
    "pipelines/sources/values.py": "pipelines/test_conventions.py: what people publish, and what is read in it",
    "pipelines/steps/ingest.py": "run/test_runner.py: every build begins with it",
    "pipelines/steps/release_buckets.py": "steps/test_release.py, and run/test_shards.py with several processes",
    "pipelines/steps/release_control.py": "run/test_whole_build.py: the control goes out",
    "pipelines/steps/release_config.py": "recipes/ and steps/test_restate.py",
    "pipelines/steps/release_plan.py": "steps/test_release.py",
    "pipelines/steps/selection_places.py": "pipelines/test_unused.py: it refuses what a recipe names in vain",
    "pipelines/store/build_record.py": "run/test_runner.py and explain/test_views.py read what it writes",
    "pipelines/store/derived_images.py": "steps/test_checks.py: masked images are derived there",
    "pipelines/store/named_table.py": "store/test_claims.py and steps/test_evaluation_sets.py",
    "pipelines/store/sealed_json.py": "run/test_flips.py and export/test_export.py",
    "pipelines/store/journal_lines.py": "store/test_journal.py and test_part_file.py",
    "pipelines/store/journalled_log.py": "store/test_journal.py",
    "pipelines/store/log_writer.py": "store/test_completions.py",
    "pipelines/store/part_folder.py": "store/test_part_file.py and test_damage.py",
    "pipelines/store/release_damage.py": "release/test_verify.py",
    "pipelines/store/release_files.py": "release/test_verify.py",
    "pipelines/store/release_seal.py": "release/test_verify.py and test_versions.py",
    "pipelines/store/witness.py": "run/test_record.py and test_flips.py",
    "pipelines/store/step_tables.py": "store/test_current.py and run/test_runner.py",
}
"""Files without a test of their own name: where they are tested."""


def sources(room: str) -> list[str]:
    return [f"{room}/{path.name}" for path in sorted((ROOT / room).glob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("room", PIPELINES)
def test_no_file_is_longer_than_one_reads_in_a_sitting(room: str) -> None:
    lines = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in sources(room)}
    assert {file: count for file, count in lines.items() if count > LONGEST} == {}


def test_half_of_all_files_are_short() -> None:
    lines = [len((ROOT / f).read_text(encoding="utf-8").splitlines()) for room in PIPELINES for f in sources(room)]
    assert median(lines) <= MEDIAN


@pytest.mark.parametrize("room", MIRRORED)
def test_each_file_has_its_test_or_a_line_that_says_where_it_is_tested(room: str) -> None:
    missing = [f for f in sources(room) if not (ROOT / "tests" / Path(f).parent / f"test_{Path(f).name}").is_file()]
    assert sorted(set(missing) - set(ELSEWHERE)) == []


def test_every_room_of_pipelines_is_held_to_that() -> None:
    rooms = {f"pipelines/{path.parent.name}" for path in (ROOT / "pipelines").glob("*/__init__.py")}
    assert rooms | {"pipelines"} == set(PIPELINES)


def test_the_lists_name_what_there_is_and_only_what_has_no_test_of_its_own() -> None:
    assert [file for file in ELSEWHERE if not (ROOT / file).is_file()] == []
    assert [f for f in ELSEWHERE if (ROOT / "tests" / Path(f).parent / f"test_{Path(f).name}").is_file()] == []
    named = {name for where in ELSEWHERE.values() for name in re.findall(r"test_\w+\.py", where)}
    assert named - {path.name for path in (ROOT / "tests").rglob("test_*.py")} == set()
