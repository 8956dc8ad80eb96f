"""What a recipe asks for in vain is told before anything starts, with its line and what is missing."""

from pathlib import Path

import pytest

from pipelines.recipe.load import load_recipe
from schemas.errors import ConfigError

BARE = """\
name: tiny
models: {vlm: {model: reference-vlm}}
sources: [{type: easy_vqa, limit: 5}]
"""
STUDENT = "rollouts: {model: vlm, n: 4}\n"
REASONER = "distill: {model: vlm}\n"
MINILM = "{model: all-minilm-l6-v2}"


def load(folder: Path, text: str) -> None:
    path = folder / "tiny.yaml"
    path.write_text(BARE + text)
    load_recipe(str(path))


@pytest.mark.parametrize(
    ("idle", "needed", "told"),
    [
        ("traces: {pick: diverse}", REASONER, "traces: the recipe makes no traces, so it would do nothing; add a `distill`"),
        ("quality: {truncated: true}", REASONER, "quality: the recipe makes no traces"),
        ("rewrite: {}", REASONER, "rewrite: the recipe makes no traces"),
        ('distill: {model: vlm, prompt: "{caption} {question}"}', "caption: {model: vlm}\n", "distill.prompt: its {ca"),
        ("judge: {model: vlm}", REASONER, "judge: the recipe asks for no answers"),
        ("judge: {model: vlm}", STUDENT, "judge: the recipe asks for no answers"),
        ("difficulty: {truncated: wrong}", STUDENT, "difficulty: the recipe has no rollouts"),
        ("check_rules: {alpha: 0.01}", STUDENT + "checks: [{type: text_only}]\n", "check_rules: the recipe has no checks"),
        ("split: {near_questions: {text_threshold: 0.8}}", f"dedup: {{text: {MINILM}}}\n", "split.near_questions: dedup"),
    ],
)  # fmt: skip
def test_a_section_without_what_it_reads(tmp_path: Path, idle: str, needed: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, idle + "\n")
    assert f"tiny.yaml:4: {told}" in str(caught.value)
    assert str(caught.value).endswith("or take it out.")
    load(tmp_path, needed + idle + "\n")


@pytest.mark.parametrize(
    ("section", "idle", "needed", "told"),
    [
        ("traces", "m: 2", "pick: shortest", "traces.m: traces.pick is all"),
        ("dedup", "near: {text_threshold: 0.8}", f"text: {MINILM}", "dedup.near: dedup.text, the encoder"),
        ("dedup", "image: {model: reference-vlm}", f"text: {MINILM}", "dedup.image: pictures are compared beside"),
        ("decontaminate", f"against: [MMMU], text: {MINILM}, embeddings: false", "", "decontaminate.text: decon"),
        ("decontaminate", "against: [MMMU], image: {model: reference-vlm}", f"text: {MINILM}", "decontaminate.image: decon"),
        ("select", f"vectors: {{text: {MINILM}}}", "quotas: {by: [cluster]}", "select.vectors: nothing compares vectors"),
        ("select", "clusters: {clusters: 9}", "quotas: {by: [cluster]}", "select.clusters: no quotas are by cluster"),
        ("select", "draw: {by_value: 0.7}", "rule: mmr1_vas", "select.draw.by_value: it is of a mixture and draw.how"),
    ],
)  # fmt: skip
def test_a_key_without_what_it_reads(tmp_path: Path, section: str, idle: str, needed: str, told: str) -> None:
    both = STUDENT + REASONER
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{both}{section}: {{{idle}}}\n")
    assert f"tiny.yaml:6: {told}" in str(caught.value)
    if needed:
        load(tmp_path, f"{both}{section}: {{{idle}, {needed}}}\n")


def test_an_encoder_of_pictures_that_selection_or_decontamination_uses_is_not_idle(tmp_path: Path) -> None:
    dedup = "dedup: {image: {model: reference-vlm}}\n"
    load(tmp_path, STUDENT + dedup + "select: {quotas: {by: [cluster]}, vectors: {by: [image]}}\n")
    load(tmp_path, STUDENT + dedup + f"decontaminate: {{against: [MMMU], text: {MINILM}}}\n")


def test_a_level_that_is_left_out_by_name_is_no_mistake(tmp_path: Path) -> None:
    load(tmp_path, "dedup: {text: null, image: {model: reference-vlm}, near: {text_threshold: 0.8}}\n")


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("{type: variance, min_correct: 5}", "at least 5 and at most 3"),
        ("{type: variance, min_correct: 3, min_wrong: 2}", "at least 3 and at most 2"),
        ("{type: vl_rethinker, min_correct: 5}", "at least 5 and at most 4"),
        ("{type: mm_eureka, low: 0.8, high: 0.3}", "at least 4 and at most 1"),
        ("{type: temporal_r1, min_rollouts: 5}", "at least 5 and at most 4"),
    ],
)
def test_a_rule_that_nothing_can_pass(tmp_path: Path, rule: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{STUDENT}select: {{rule: {rule}}}\n")
    assert f"passes no sample: out of n = 4 rollouts it wants {wanted} right ones" in str(caught.value)
    assert "tiny.yaml:5: select.rule:" in str(caught.value)


def test_one_rollout_cannot_be_right_and_wrong(tmp_path: Path) -> None:
    single = "rollouts: {model: vlm, n: 1}\n"
    for use, told in (
        ("select: {}", "select.rule: 'variance' passes no"),
        ("preference: {}", "rollouts.n is 1; set it"),
    ):
        with pytest.raises(ConfigError, match=told):
            load(tmp_path, f"{single}{use}\n")
    with pytest.raises(
        ConfigError, match=r"tiny\.yaml:5: preference: a pair needs two responses to a prompt, and distill"
    ):
        load(tmp_path, f"{REASONER}preference: {{responses: traces}}\n")


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("quality: {min_tokens: 9, max_tokens: 3}", "'quality': no trace has at least 9 and at most 3 tokens"),
        ("decontaminate: {against: [MMMU], rule: {ngram: 6}}", "short_ngram (8) must not be longer than ngram (6)"),
        ("select: {splits: []}", "'select.splits': needs at least 1 item"),
        ("preference: {splits: []}", "'preference.splits': needs at least 1 item"),
    ],
)
def test_limits_that_leave_nothing(tmp_path: Path, section: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{STUDENT}{REASONER}{section}\n")
    assert "tiny.yaml:6: " in str(caught.value)
    assert told in str(caught.value)
