"""What goes out: which rows stand in which config, under which prompt, with which counts, and what is refused."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tried_sums import job, write_sums

from pipelines.job import Job
from schemas.errors import ConfigError, StepError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sums(tmp_path_factory.mktemp("out"))


def config(built: Job, name: str) -> list[dict[str, Any]]:
    assert built.release is not None
    return pl.read_parquet(built.release / name / "*.parquet").to_dicts()


def built(folder: Path, *steps: str) -> Job:
    made = job(folder, *steps)
    made.run()
    return made


SIDES = (
    'split: {sides: {rl: "k BETWEEN 1 AND 3", holdout: "k = 0", sft: else}, near_questions: null, same_images: null}'
)


def test_a_config_named_like_a_side_takes_that_side_and_no_other_trains_on_the_holdout(folder: Path) -> None:
    made = built(
        folder,
        SIDES,
        "release: {rl: {of: sample}, holdout: {of: sample}, sft: {of: rollout}, all_of_them: {of: sample}}",
    )
    counts = {name: {row["k"] for row in config(made, name)} for name in ("rl", "holdout", "sft", "all_of_them")}
    assert counts == {"rl": {1, 2, 3}, "holdout": {0}, "sft": {4}, "all_of_them": {1, 2, 3, 4}}


def test_k_of_n_is_what_the_rollouts_that_go_out_come_to(folder: Path) -> None:
    made = built(folder, "release: {rl: {of: sample}}")
    rollouts = pl.DataFrame(config(made, "rollouts"))
    counted = dict(rollouts.group_by("sample_id").agg(pl.col("correct").sum()).iter_rows())
    assert {row["id"]: row["k"] for row in config(made, "rl")} == counted
    assert {row["n"] for row in config(made, "rl")} == {4} and len(rollouts) == 48


def test_sft_takes_the_right_replies_and_a_condition_of_its_own_instead(folder: Path) -> None:
    made = built(folder, "release: {sft: {of: rollout}, wrong: {of: rollout, where: NOT correct}}")
    replies = {name: {row["completion"][0]["content"] for row in config(made, name)} for name in ("sft", "wrong")}
    assert all("7777" not in text for text in replies["sft"]) and all("7777" in text for text in replies["wrong"])


def test_rows_that_nobody_asked_carry_the_question(folder: Path) -> None:
    made = built(folder, "release: {rl: {of: sample}}")
    assert all(row["prompt"][-1]["content"].startswith("What is ") for row in config(made, "rl"))


def test_a_prompt_of_its_own_sees_the_gold_as_it_was_published(folder: Path) -> None:
    prompt = 'prompt: "{{ question }} ({{ hint }}, {{ answer }})", system: Be brief.'
    made = built(folder, f"release: {{rl: {{of: sample, {prompt}}}}}")
    row = config(made, "rl")[0]
    assert row["prompt"][0] == {"role": "system", "content": "Be brief."}
    assert row["prompt"][1]["content"].endswith(f", {row['solution'].strip('$')})")


def test_rows_stand_in_the_order_that_the_section_names_and_no_more_than_it_says(folder: Path) -> None:
    made = built(folder, "release: {rl: {of: sample, order: k, limit: 5, columns: [hint]}}")
    counts = [row["k"] for row in config(made, "rl")]
    assert counts == sorted(counts) and len(counts) == 5
    assert all(row["hint"].startswith("twice") for row in config(made, "rl"))


def test_a_row_carries_what_was_made_of_it(folder: Path) -> None:
    made = built(
        folder, "segment: {of: rollout, split_at: newline}", "release: {all_of_them: {of: rollout, with: [segment]}}"
    )
    assert all(
        row["segment"][0]["place"] == 0 or row["segment"][0]["place"] == 1 for row in config(made, "all_of_them")
    )


def test_a_thought_that_was_rewritten_with_the_gold_in_view_says_so_and_no_other(folder: Path) -> None:
    told = "sql: {as: told, of: rollout, where: \"id < '8'\", gives: {reasoning: \"'it is ' || answer\"}}"
    made = built(folder, told, "release: {all_of_them: {of: rollout}}")
    rows = config(made, "all_of_them")
    seen = {row["row"] for row in rows if row["gold_visible"]}
    assert seen == {row["row"] for row in rows if row["row"] < "8"} and 0 < len(seen) < len(rows)


def test_the_same_rows_are_the_same_version(folder: Path) -> None:
    one, other = (
        built(folder, "release: {rl: {of: sample}}"),
        job(folder, "release: {rl: {of: sample}}", workspace="ws2"),
    )
    other.run()
    assert one.release is not None and other.release is not None
    contents = [json.loads((path / "manifest.json").read_text())["content"] for path in (one.release, other.release)]
    assert contents[0] == contents[1]


def test_an_empty_config_is_an_error_unless_the_recipe_allows_it(folder: Path) -> None:
    empty = 'rl: {of: sample}, none: {of: sample, where: "k > 4"}'
    with pytest.raises(StepError, match=r"The config 'none' is empty.*allow_empty: \[none\]"):
        built(folder, f"release: {{{empty}}}")
    assert config(built(folder, f"release: {{{empty}, allow_empty: [none]}}"), "none") == []


def _refused() -> Iterator[tuple[Sequence[str], str]]:
    yield ("release: {rl: {of: samples}}",), "nothing before it makes 'samples'. Did you mean 'sample'"
    yield ('release: {rl: {of: sample, where: "kk > 1"}}',), "Did you mean 'k'"
    yield ("release: {rl: {of: sample, columns: [answer]}}",), "every row has `answer` of its own"
    yield ("release: {rl: {of: sample, columns: [hnt]}}",), "Did you mean 'hint'"
    yield ("release: {rollouts: {of: sample}}",), "'rollouts' cannot name a config"
    yield ("release: {rl: {of: sample}, measured_by: hardness}",), "no difficulty is named 'hardness'"
    yield ("release: {rl: {of: sample}, trainer: trll}",), "no grader 'trll'"
    yield ("release: {rl: {of: sample}}", "dedup"), "it comes after 'release'"


@pytest.mark.parametrize(("steps", "sentence"), _refused())
def test_what_cannot_go_out_is_refused_before_a_build(folder: Path, steps: Sequence[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        job(folder, *steps)
    assert sentence in str(error.value) and "out.yaml:" in str(error.value)


def test_a_row_without_a_text_is_dropped_with_its_reason(folder: Path) -> None:
    """A question, or a reply, that a step made null cannot be written, and is no reason to release nothing."""
    emptied = "CASE WHEN hint <> 'twice 7' THEN {} END"
    made = built(
        folder,
        f'sql: {{as: asked, of: sample, gives: {{question: "{emptied.format("question")}"}}}}',
        f'sql: {{as: said, of: rollout, gives: {{text: "{emptied.format("text")}", final: NULL::VARCHAR}}}}',
        "release: {trainer: null, rl: {of: sample}, all: {of: rollout, prompt: '{{ hint }}'}}",
    )
    assert {len(config(made, "rl")), len(config(made, "all"))} == {11, 44}
    assert made.release is not None
    dropped = pl.read_parquet(made.release / "dropped.parquet").filter(step="release")
    reasons = dropped.filter(pl.col("reason") != "release:no_row")["reason"].value_counts()
    assert dict(reasons.iter_rows()) == {"release:null_field": 1, "release:no_text": 4}
