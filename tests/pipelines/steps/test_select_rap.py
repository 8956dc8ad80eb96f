"""RAP as steps: rollouts with and without the image, attentions, the form of replies, and the rule."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import recipe_build
import tiny

from pipelines.job import Job
from schemas.errors import ConfigError

PAPER = "steps.select={rule: {type: rap, lambda_c: 0.1}}"
CODE = "steps.select={rule: {type: rap, variant: code, formed: true}}"
FORMED = {"k_formed": "count(*) FILTER (verdict = 'right' AND well_formed)"}


def edit(recipe: dict[str, Any]) -> None:
    tiny.without("caption", "distill", "verify", "drop", "quality", "pair", "dedup", "split")(recipe)
    tiny.section(recipe, "rollout")["n"] = 5
    counting = {"truncated": "wrong", "no_answer": "wrong"}
    tiny.section(recipe, "difficulty").update(counting)
    place = recipe["steps"].index({"select": tiny.section(recipe, "select")})
    recipe["steps"][place:place] = [
        {"tally": {"as": "formed", "of": "rollout", "to": "sample", "gives": FORMED}},
        {"checks": {"model": "vlm", "checks": [{"type": "text_only"}], "n": 5, **counting}},
        {"signals": {"model": "vlm", "attention": {}}},
    ]
    release = tiny.section(recipe, "release")
    release.clear()
    release["rl"] = {"of": "sample"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen scenes, and the build of the paper's rule."""
    found = tmp_path_factory.mktemp("rap")
    tiny.write_source(found, 16)
    tiny.built(found, PAPER, edit=edit)
    return found


def selected(job: Job) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Evidence of each kept sample, and reasons of the others."""
    kept = tiny.rows(job, "select").select("id", "evidence")
    dropped = tiny.dropped(job, "select").select("id", "reason")
    return {id_: json.loads(evidence) for id_, evidence in kept.iter_rows()}, dict(dropped.iter_rows())


def test_the_papers_rule_on_a_model_that_sees(folder: Path) -> None:
    job = tiny.job(folder, PAPER, edit=edit)
    kept, dropped = selected(job)
    assert kept and len(kept) + len(dropped) == 16
    assert set(dropped.values()) <= {"select:cde", "select:ace", "select:too_easy"}
    numbers = tiny.rows(job, "difficulty").select("id", "k", "n")
    numbers = numbers.join(tiny.rows(job, "signals").select("id", "log_psi"), on="id")
    numbers = numbers.join(tiny.rows(job, "checks").select("id", "k_text", "n_text"), on="id")
    for row in numbers.iter_rows(named=True):
        evidence = kept.get(row.pop("id"))
        if evidence is not None:
            assert {name: evidence[name] for name in row} == row
            assert evidence["admitted_by"] == "drm" or (row["k"] - row["k_text"]) / 5 > 0.1


def test_the_codes_rule_reads_the_right_replies_that_are_well_formed(folder: Path) -> None:
    """A reply without tags has the form of the plain schema, so those that are right are all of them."""
    job = tiny.built(folder, CODE, edit=edit)
    kept, dropped = selected(job)
    assert len(kept) + len(dropped) == 16
    assert set(dropped.values()) <= {f"select:{cause}" for cause in ("closeness", "gap", "too_easy", "not_drawn")}
    counts = tiny.rows(job, "difficulty").select("id", "k").sort("id")
    assert tiny.rows(job, "formed").sort("id").select("id", k="k_formed").rows() == counts.rows()
    blind = tiny.rows(job, "checks").sort("id")
    assert blind["k_text_formed"].to_list() == blind["k_text"].to_list() and sum(blind["k_text"]) > 0
    shown = {"k", "n", "k_text", "n_text", "k_formed", "k_text_formed"}
    assert all(shown <= evidence.keys() for evidence in kept.values())


NEAT, BARE, WRONG = (
    "<think>I see</think><answer>4</answer>",
    "<answer>4</answer>",
    "<think>I see</think><answer>7</answer>",
)
REPLIES: Mapping[str, tuple[list[str], list[str]]] = {
    "sloppy": ([NEAT, NEAT, BARE, BARE, WRONG], [WRONG] * 5),
    "neat": ([NEAT] * 4 + [WRONG], [WRONG] * 5),
    "other": ([NEAT, NEAT, WRONG, WRONG, WRONG], [NEAT, NEAT, WRONG, WRONG, WRONG]),
    "blind": ([NEAT] * 4 + [WRONG], [NEAT] * 2 + [BARE] * 2 + [WRONG]),
}
"""Five replies with the image and five without; all three of `k`, `k_formed` and `k_text_formed` decide something."""

STEPS: list[Any] = [
    {"unfold": {"as": "seeing", "column": "shown", "makes": "rollout"}},
    {"unfold": {"as": "unseeing", "column": "hidden", "makes": "rollout"}},
    {"verify": {"as": "scored", "of": "rollout", "tags": "think_answer"}},
    {"difficulty": {"as": "with_image", "of": "seeing"}},
    {"difficulty": {"as": "without", "of": "unseeing"}},
    {"tally": {"as": "formed", "of": "seeing", "gives": FORMED}},
    {"tally": {"as": "formed_blind", "of": "unseeing", "gives": {"k_text_formed": FORMED["k_formed"]}}},
    {
        "select": {
            "rule": {"type": "rap", "variant": "code", "formed": True, "closeness": 0.4}, "k": "with_image",
            "blind": "without",
        }
    },
]  # fmt: skip


def prepared(folder: Path, formed: bool) -> dict[str, str | None]:
    """What dropped each of the rows above, by its name; replies without images are rollouts of a step of their own."""
    rows = [
        {"question": f"{name}: what is 2 + 2?", "answer": "4", "name": name,
         **{key: [{"text": text} for text in texts] for key, texts in zip(("shown", "hidden"), both, strict=True)}}
        for name, both in REPLIES.items()
    ]  # fmt: skip
    recipe = recipe_build.write_recipe(folder, STEPS, rows, driver={"workers": 1})
    columns = "columns: {name: str, shown: [{text: str}], hidden: [{text: str}]}"
    job = recipe_build.built(
        recipe, folder / "out", f"sources.sums.{columns.replace(': ', '=', 1)}", f"steps.select.rule.formed={formed}"
    )
    names = dict(tiny.rows(job, "ingest").select("id", "name").iter_rows())
    dropped = dict(tiny.dropped(job, "select").select("id", "reason").iter_rows())
    return {name: dropped.get(id_) for id_, name in names.items()}


def test_only_the_form_makes_the_difference(tmp_path: Path) -> None:
    # formed: p = 2/5, 4/5, 2/5, 4/5 of mean 3/5 and q = 0, 0, 2/5, 2/5: all are close (s = 3/4), `other` alone has no gap
    formed = prepared(tmp_path / "formed", True)
    assert formed == {"sloppy": None, "neat": None, "other": "select:gap", "blind": None}
    # else p = 4/5, 4/5, 2/5, 4/5 of mean 7/10 and q = 0, 0, 2/5, 4/5: 2/5 is too far (s = 0), and `blind` has no gap
    assert prepared(tmp_path / "right", False) == {
        "sloppy": None, "neat": None, "other": "select:closeness", "blind": "select:gap",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("leave_out", "rule", "sentence"),
    [
        ("checks", PAPER, "select: reads `k_text`, and no step before it gives that"),
        ("signals", PAPER, "select: reads `log_psi`, and no step before it gives that"),
        ("formed", CODE, "select: reads `k_formed`, and no step before it gives that"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path: Path, leave_out: str, rule: str, sentence: str) -> None:
    def shorter(recipe: dict[str, Any]) -> None:
        edit(recipe)
        tiny.without(leave_out)(recipe)

    tiny.write_source(tmp_path, 1)
    with pytest.raises(ConfigError, match=sentence):
        tiny.job(tmp_path, rule, edit=shorter)


@pytest.mark.parametrize(
    ("override", "column"),
    [
        ("steps.signals={model: vlm, likelihood: {}}", "log_psi"),
        ("steps.checks.checks=[{type: guess}]", "k_text"),
    ],
)
def test_not_just_any_signal_or_check_will_do(tmp_path: Path, override: str, column: str) -> None:
    tiny.write_source(tmp_path, 1)
    with pytest.raises(ConfigError, match=f"select: reads `{column}`, and no step before it gives that"):
        tiny.job(tmp_path, override, PAPER, edit=edit)


def test_signals_of_a_model_that_made_no_rollouts_are_refused(tmp_path: Path) -> None:
    tiny.write_source(tmp_path, 1)
    others = ("models.other={model: reference-vlm}", "steps.signals.model=other")
    with pytest.raises(ConfigError, match="it reads replies of 'other', and they are of vlm"):
        tiny.job(tmp_path, *others, PAPER, edit=edit)
