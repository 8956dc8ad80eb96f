# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""What pydantic finds wrong with sources, models and sections, in the recipe's words: one sentence, with its line."""

from pathlib import Path

import pytest

from pipelines.job import compile_recipe
from schemas.errors import ConfigError

GOOD = """\
name: tiny
models:
  vlm: {model: reference-vlm}
sources:
  - type: easy_vqa
    limit: 5
steps:
  - rollout:
      model: vlm
      n: 4
  - verify: {of: rollout}
  - difficulty
  - select:
      budget: 3
"""


def mistake(folder: Path, old: str, new: str) -> str:
    assert old in GOOD
    path = folder / "tiny.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        compile_recipe(str(path))
    return str(caught.value)


def test_a_good_recipe_compiles(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(GOOD)
    assert compile_recipe(str(tmp_path / "tiny.yaml")).pipeline.step("rollout").config.n == 4


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("n: 4", "n: 0", "tiny.yaml:10: 'steps.rollout.n': input should be greater than or equal to 1"),
        ("n: 4", "sampling: {temprature: 1}", "unknown key 'steps.rollout.sampling.temprature'. Did you mean 'temperature'?"),
        ("n: 4", "sampling: {temperature: .inf}", "'steps.rollout.sampling.temperature': input should be a finite number"),
        ("model: vlm", "model: 3", "'steps.rollout.model': input should be a valid string or write it as a list, [one, two]"),
        ("easy_vqa", "easyvqa", "tiny.yaml:5: 'sources.0' has no choice 'easyvqa'. Did you mean 'easy_vqa'?"),
        ("type: easy", "typ: easy", "tiny.yaml:5: unknown key 'sources.0.typ'. Did you mean 'type'?"),
        ("limit: 5", "limt: 5", "tiny.yaml:6: unknown key 'sources.0.limt'. Did you mean 'limit'?"),
        ("limit: 5", "levels: [9]", "unknown key 'sources.0.levels'."),
        ("easy_vqa", "scenes\n    levels: [1, 9]", "'sources.0.levels.1': input should be less than or equal to 5"),
        ("reference-vlm}", "reference-vlm, engine: vlm}", "'models.vlm.engine' has no choice 'vlm'. Did you mean 'vllm'?"),
        ("reference-vlm}", "reference-vlm, dtype: f32}", "tiny.yaml:3: unknown key 'models.vlm.dtype'."),
        ("reference-vlm}", "reference-vlm, timeout_s: .nan}", "'models.vlm.timeout_s': input should be a finite number"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {replicas: two}}", "'models.vlm.ray.replicas': write a number of replicas, or {min: 1,"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {replicas: {mn: 2}}}", "unknown key 'models.vlm.ray.replicas.mn'. Did you mean 'min'?"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {replicas: {min: 3, max: 2}}}", "'models.vlm.ray.replicas': max (2) must not be below min (3)"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {engine: openai}}", "the replicas of a server are its base_urls: engine: openai with one URL"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {num_gpus: 1.5}}", "'models.vlm.ray.num_gpus': a replica has a part of one GPU, or whole"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {address: head}}", "'models.vlm.ray.address' runs code that is not curate's"),
        ("reference-vlm}", "reference-vlm, engine: ray, ray: {runtime_env: {pip: [x]}}}", "'models.vlm.ray.runtime_env' runs code that is not curate's"),
        ("reference-vlm}", "reference-vlm, ray: {replicas: 2}}", "'models.vlm': ray: only engine: ray has replicas, and this is engine: auto"),
        ("name: tiny", "name: " + "a" * 300, "'name': string should have at most 100 characters"),
        ("name: tiny", "name: tiny\nseed: " + "9" * 5000, "tiny.yaml:2: '9999999999999999999999999999999999999999…"),
        ("name: tiny", "name: tiny\ndriver: {backoff_s: 90}", "tiny.yaml:2: 'driver': the first wait (90 s) must not"),
        ("budget: 3", "rule: varience", "'steps.select.rule' has no choice 'varience'. Did you mean 'variance'?"),
        ("budget: 3", "rule: {type: variance, min: 1}", "unknown key 'steps.select.rule.min'."),
        ("budget: 3", "rule: {typ: variance}", "tiny.yaml:14: unknown key 'steps.select.rule.typ'. Did you mean 'type'?"),
        ("budget: 3", "rule: {min_correct: 2}", "'steps.select.rule': its `type` is missing (given: {'min_correct': 2})."),
        ("budget: 3", "rule: [variance]", "'steps.select.rule': write it as a mapping, {key: value} (given: ['variance'])."),
        ("budget: 3", "sides: rl", "'steps.select.sides': write it as a list, [one, two] (given: 'rl')."),
        ("budget: 3", "sides: []", "'steps.select.sides': needs at least 1 item (given: [])."),
        ("budget: 3", "budget: 1.5", "'steps.select.budget': a budget is a count, written without a point, or a share"),
        ("budget: 3", "budget: half", "'steps.select.budget': input should be a valid integer or a valid number"),
        ("budget: 3", "quotas: {by: []}", "'steps.select.quotas.by': needs at least 1 item (given: [])."),
        ("budget: 3", "quotas: {shares: equall}", "'steps.select.quotas.shares' has no choice 'equall'. Did you mean 'equal'"),
        ("budget: 3", "quotas: {shares: {a: b}}", "'steps.select.quotas.shares.a': input should be a valid number"),
        ("n: 4", "reply: {tags: thnk}", "'steps.rollout.reply': input should be 'text' or there is no tag schema 'thnk'. Did"),
        ("n: 4", "prompt: '{{ question:>99 }}'", "'steps.rollout.prompt': line 1: "),
        ("n: 4", "prompt: '{{ question | tojson }}'", "'steps.rollout.prompt': line 1: "),
        ("- select", "- split: {sft: 0.7}\n  - select", "tiny.yaml:13: steps.split: sft + rl + holdout must be 1, not 0.7"),
        ("      n: 4", "      n: 4\n      tries: 2\n      sampling:\n        temperature: 0", "tiny.yaml:11: steps.rollout.tries: 2 asks for"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    found = mistake(tmp_path, old, new)
    assert sentence in found
    assert len(found.splitlines()) == 1


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    assert len(mistake(tmp_path, "n: 4", "n: 0\n      top: 1").splitlines()) == 2
