# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""What a recipe asks for in vain is refused before a model is looked for, with its line; what may be meant is noted."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.faults import check_steps, notes
from pipelines.job import Compiled, compile_recipe
from pipelines.steps.catalogue import step_types
from schemas.errors import ConfigError

RECIPE = """\
name: unused
models:
  vlm: {model: reference-vlm}
  reasoner: {model: smollm2-135m-instruct}
sources:
  - {type: scenes, n: 4}
steps:
  - caption: {model: vlm}
  - distill: {model: reasoner, sees: nothing, prompt: "{{ caption }} {{ question }}"}
  - verify
  - rollout: {model: vlm, n: 4}
  - verify: {as: scored, of: rollout}
  - difficulty
  - checks: {model: vlm, checks: [{type: text_only}]}
  - signals: {model: vlm, likelihood: {}}
  - split: {sft: 0.5, rl: 0.5}
  - select
  - pair: {of: rollout, chosen: correct, rejected: NOT correct, bare: true}
  - release: {sft: {of: trace}, rl: {of: sample}, preference: {of: pair}}
"""
"""Its steps begin in line 8."""

JUDGE = "judge: {of: trace, model: reasoner, sees: nothing, prompt: '{{ final }}', reply: {choice: [good, bad]}}"


def compiled(folder: Path, *overrides: str, text: str = RECIPE) -> Compiled:
    (folder / "r.yaml").write_text(text)
    return compile_recipe(str(folder / "r.yaml"), overrides)


def refused(folder: Path, *overrides: str, text: str = RECIPE) -> str:
    with pytest.raises(ConfigError) as caught:
        check_steps(compiled(folder, *overrides, text=text))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value).replace(f"{folder}/", "")


def inserted(entry: str, before: str = "split", text: str = RECIPE) -> str:
    """The recipe with one more step."""
    return text.replace(f"  - {before}", f"  - {entry}\n  - {before}", 1)


def test_a_recipe_of_which_everything_is_used(tmp_path: Path) -> None:
    recipe = compiled(tmp_path)
    check_steps(recipe)
    assert notes(recipe) == []


def test_a_model_that_no_step_asks_is_noted(tmp_path: Path) -> None:
    text = RECIPE.replace("sources:", "  spare: {model: reference-vlm}\nsources:", 1)
    [note] = notes(compiled(tmp_path, text=text))
    assert note.replace(f"{tmp_path}/", "") == "r.yaml:5: models.spare: no step asks it."


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ("steps.difficulty.min_n=9",),
            "r.yaml:13: difficulty: min_n: 9 replies must count, and 'rollout' may ask for no more than 4",
        ),
        (
            ("steps.difficulty.min_n=3", "steps.rollout.adaptive={first: 2}", "steps.select.rule=in_band"),
            "r.yaml:13: difficulty: min_n: 3 replies must count, and 'rollout' may ask for no more than 2",
        ),
        (("steps.difficulty.model=vml",), "difficulty: model: its replies are of vlm, and none of 'vml'. Did you mean 'vlm'?"),
        (
            ("steps.rollout.n=1", "steps.select.rule=univg_r1"),
            "r.yaml:18: pair: a pair needs two replies to a prompt, and 'rollout' asks for n: 1; set it to 2 or more.",
        ),
        (("steps.select.sides=[rll]",), "select: sides: 'split' deals no samples to 'rll'; it has sft, rl. Did you mean 'rl'?"),
        (("steps.split={sft: 0.5, holdout: 0.5}",), "r.yaml:17: select: sides: 'split' deals no samples to 'rl'; it has"),
        (
            ("steps.split={rl: 1}", "steps.release.allow_empty=[preference]"),
            "r.yaml:19: release: sft: the side 'sft' has no share of the groups; give it one in `split`.",
        ),
        (("steps.select.columns={foo: k}",), "select: columns: neither rule, quotas nor order read 'foo', so it would do noth"),
        (("steps.select.rule=rap",), "r.yaml:17: select: reads `log_psi`, and no step before it gives that to sample."),
        (("steps.select.rule={type: rap, lambda_a: null}", "steps.checks.checks=[{type: guess}]"), "select: reads `k_text`"),
        (
            ("steps.release.sft.tags=staged",),
            "r.yaml:19: release: sft: 'staged' asks for summary, caption, reasoning beside the answer, and its replies have "
            "one reasoning; ask for them with `reply: {tags: staged}`, or take one of think_answer, ",
        ),
        (
            ("steps.release.sft.with=[pair]",),
            "release: sft.with: rows of pair are made from rollout, not from those of 'sft'.",
        ),
        (("steps.release.allow_empty=[stf]",), "steps.release.allow_empty: no config is named 'stf'. Did you mean 'sft'?"),
        (("steps.release.tags=plian",), "'steps.release.tags': there is no tag schema 'plian'. Did you mean 'plain'?"),
        (
            ("steps.checks.checks=[{type: guess, tags: plian}]",),
            "'steps.checks.checks.0.tags': there is no tag schema 'plian'. Did you mean 'plain'?",
        ),
        (("steps.signals.model=vml",), "steps.signals.model: no model named 'vml'. Did you mean 'vlm'?"),
    ],
)  # fmt: skip
def test_what_could_do_nothing_is_refused(tmp_path: Path, overrides: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(tmp_path, *overrides)


MINILM = {"model": "all-minilm-l6-v2"}
VLM = {"model": "reference-vlm"}
BY_CLUSTER = {"quotas": {"by": ["cluster"]}, "vectors": {"text": MINILM}}


@pytest.mark.parametrize(
    ("step", "idle", "needed", "sentence"),
    [
        ("dedup", {"near": {"text_threshold": 0.8}}, {"text": MINILM}, "near: meanings are compared by an encoder of quest"),
        ("dedup", {"image": VLM}, {"text": MINILM}, "image: images are compared beside questions, and `text` is not set"),
        ("split", {"near_questions": {"text_threshold": 0.8}}, {"text": MINILM}, "near_questions: near questions are found by"),
        ("split", {"text": MINILM, "near_questions": None}, {"near_questions": {}}, "text: it finds near questions, and `near"),
        ("select", {"vectors": {"text": MINILM}}, BY_CLUSTER, "vectors: nothing compares vectors"),
        ("select", {"clusters": {"clusters": 9}}, BY_CLUSTER, "clusters: no quotas are by cluster"),
        ("select", {"draw": {"by_value": 0.7}}, {"rule": "mmr1_vas"}, "draw: its by_value is of a mixture, and draw.how is top"),
        ("pick", {"take": "first", "base": 0.7}, {"take": "length_weighted"}, "base: `take` is first"),
        ("pick", {"beats_chance": True, "most": 2}, {"take": "first"}, "most: all rows are taken"),
        ("caption", {"model": "vlm", "conclude_tokens": 9}, {"makes": "draft", "conclude": "So"}, "conclude_tokens: no reply"),
    ],
)  # fmt: skip
def test_a_key_that_nothing_reads_is_refused(
    step: str, idle: dict[str, Any], needed: dict[str, Any], sentence: str
) -> None:
    config = step_types([step])[step].config
    with pytest.raises(ValidationError) as caught:
        config.model_validate(idle)
    [error] = caught.value.errors()
    assert error["msg"].startswith(f"Value error, {sentence}")
    assert "so it would do nothing; " in error["msg"] and error["msg"].endswith(", or take it out.")
    config.model_validate({**idle, **needed})


def test_the_line_is_that_of_the_key(tmp_path: Path) -> None:
    told = refused(tmp_path, text=inserted("dedup:\n      exact: {}\n      near: {text_threshold: 0.8}"))
    assert told.startswith("r.yaml:18: steps.dedup.near: meanings are compared")


def test_extras_need_a_selection(tmp_path: Path) -> None:
    text = RECIPE.replace("  - select\n", "")
    check_steps(compiled(tmp_path, text=text))
    assert "release: extras: nothing selects, so there is no control; take it out." in refused(
        tmp_path, "steps.release.extras=[control]", text=text
    )


def test_a_level_that_is_left_out_by_name_is_no_mistake(tmp_path: Path) -> None:
    section = "{text: null, image: {model: reference-vlm}, near: {text_threshold: 0.8}}"
    check_steps(compiled(tmp_path, text=inserted(f"dedup: {section}")))


@pytest.mark.parametrize(
    ("rule", "n"),
    [
        ("{type: variance, min_correct: 5}", 4),
        ("{type: variance, min_correct: 3, min_wrong: 2}", 4),
        ("{type: vl_rethinker, min_correct: 5}", 4),
        ("{type: mm_eureka, low: 0.8, high: 0.3}", 4),
        ("{type: temporal_r1, min_rollouts: 5}", 4),
        ("variance", 1),
    ],
)
def test_a_rule_that_nothing_can_pass(tmp_path: Path, rule: str, n: int) -> None:
    text = RECIPE.replace("  - pair: {of: rollout, chosen: correct, rejected: NOT correct, bare: true}\n", "")
    text = text.replace(", preference: {of: pair}", "")
    told = refused(tmp_path, f"steps.select.rule={rule}", f"steps.rollout.n={n}", text=text)
    assert f"lets no number of right replies out of {n} pass, and 'rollout' asks for n: {n}" in told


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (("quality: {min_tokens: 9, max_tokens: 3}",), "steps.quality: no trace has at least 9 and at most 3 tokens"),
        (
            ("decontaminate: {against: [MMMU], rule: {ngram: 6}}",),
            "'steps.decontaminate.rule': short_ngram (8) must not be longer than ngram (6)",
        ),
        (
            ("decontaminate: {against: [MMMU], image: {model: reference-vlm}}",),
            "an image is compared beside its question",
        ),
    ],
)
def test_limits_that_leave_nothing(tmp_path: Path, steps: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(tmp_path, text=inserted(*steps))


# --- asks that nobody reads ---------------------------------------------------------------------------------------


def test_an_opinion_that_nobody_reads_is_refused_where_a_release_goes_out(tmp_path: Path) -> None:
    text = inserted(JUDGE)
    assert refused(tmp_path, text=text) == (
        "r.yaml:16: judge: nothing reads `judge`, and its completions cost what others cost; let a step read it, name it in "
        "`columns` of a config, or take it out."
    )
    check_steps(compiled(tmp_path, text=inserted("drop: {of: trace, if: {bad: judge = 'bad'}}", text=text)))
    check_steps(compiled(tmp_path, "steps.release.sft.columns=[judge]", text=text))
    bare = compiled(tmp_path, text=text.partition("  - release")[0])
    check_steps(bare)  # its tables are read by whoever builds it
    assert any("judge: nothing reads `judge`" in note for note in notes(bare))


def test_rows_that_no_step_works_on_are_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, text=inserted("rollout: {as: spare, model: vlm, n: 2}"))
    assert told.startswith(
        "r.yaml:16: spare: no step works on the rollout rows that it makes, and its completions cost"
    )


def test_an_ask_that_is_written_out_is_noted(tmp_path: Path) -> None:
    recipe = compiled(tmp_path, text=inserted('ask: {as: seen, model: vlm, prompt: "What is it?"}'))
    check_steps(recipe)
    [note] = notes(recipe)
    assert "r.yaml:16: seen: nothing reads `seen`" in note


def test_checks_are_read_by_the_report(tmp_path: Path) -> None:
    recipe = compiled(tmp_path)
    assert recipe.pipeline.unread == ("checks",)
    assert notes(recipe) == []


def test_a_side_that_no_config_takes_is_noted(tmp_path: Path) -> None:
    [note] = notes(compiled(tmp_path, "steps.split={sft: 0.5, rl: 0.4, holdout: 0.1}"))
    assert (
        "release: no config takes the rows of side 'holdout', so none go out; `holdout: {of: sample}` releases" in note
    )
    sides = "steps.split={sides: {rl: 'k > 0', rest: else}}"
    [note] = notes(
        compiled(tmp_path, sides, text=RECIPE.replace("sft: {of: trace}, ", "").replace(", preference: {of: pair}", ""))
    )
    assert "the rows of side 'rest'" in note


ASKED = "rollout: {model: vlm, n: 4, system: 'Think in <think></think>, then answer in <answer></answer>.', tags: think_answer}"


def test_pairs_of_bare_answers_are_made_on_request_only(tmp_path: Path) -> None:
    plain = RECIPE.replace(", bare: true", "")
    assert refused(tmp_path, text=plain) == (
        "r.yaml:18: pair: both sides of its pairs are bare answers, as no prompt of 'rollout' asks for a thought; ask for one "
        "(`tags: think_answer` and a `system` or `prompt` that wants it), or say `bare: true`."
    )
    check_steps(compiled(tmp_path))
    final = plain.replace("NOT correct}", "NOT correct, column: final}")
    assert refused(tmp_path, text=final).endswith(
        "column: `final` is the bare answer of a reply; pair whole replies, or say `bare: true`."
    )
    thinking = plain.replace("reference-vlm}", "reference-vlm, thinking: true}")
    asked = plain.replace("rollout: {model: vlm, n: 4}", ASKED)
    worded = plain.replace(
        "rollout: {model: vlm, n: 4}", "rollout: {model: vlm, n: 4, prompt: 'Reason. {{ question }}'}"
    )
    for text in (thinking, asked, worded):
        check_steps(compiled(tmp_path, text=text))
