"""The recipe: every mistake is one sentence with file, line and the nearest valid name."""

from pathlib import Path

import pytest
from old_quickstart import OLD_QUICKSTART

from pipelines.job import compile_recipe
from pipelines.recipe.document import load_document
from pipelines.recipe.library import recipe_names
from pipelines.recipe.load import load_recipe
from schemas.errors import ConfigError

GOOD = """\
name: tiny
models:
  vlm: {model: reference-vlm}
sources:
  - type: easy_vqa
    limit: 5
caption:
  model: vlm
rollouts:
  model: vlm
  n: 4
select:
  budget: 3
"""


def write(folder: Path, text: str) -> str:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return str(path)


def mistake(folder: Path, old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(folder, GOOD.replace(old, new)))
    return str(caught.value)


def test_a_good_recipe_loads(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))
    assert recipe.rollouts is not None
    assert recipe.rollouts.n == 4
    assert recipe.distill is None


@pytest.mark.parametrize("name", sorted(recipe_names()))
def test_the_recipes_that_come_along_compile(name: str) -> None:
    assert compile_recipe(name).pipeline.steps


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("captio", "captoin: {model: vlm}\ncaptio", "tiny.yaml:7: unknown key 'captoin'. Did you mean 'caption'?"),
        ("  n: 4", "  nn: 4", "tiny.yaml:11: unknown key 'rollouts.nn'. Did you mean 'n'?"),
        ("  n: 4", "  n: four", "tiny.yaml:11: 'rollouts.n': input should be a valid integer"),
        ("  n: 4", "  n: 0", "tiny.yaml:11: 'rollouts.n': input should be greater than or equal to 1"),
        ("  n: 4", "  sampling: {temprature: 1}", "unknown key 'rollouts.sampling.temprature'. Did you mean 'temperature'?"),
        ("easy_vqa", "easyvqa", "'sources.0' has no choice 'easyvqa'. Did you mean 'easy_vqa'?"),
        ("limit: 5", "limt: 5", "tiny.yaml:6: unknown key 'sources.0.limt'. Did you mean 'limit'?"),
        ("reference-vlm}", "reference-vlm, engine: vlm}", "'models.vlm.engine' has no choice 'vlm'. Did you mean 'vllm'?"),
        ("reference-vlm}", "reference-vlm, dtype: f32}", "tiny.yaml:3: unknown key 'models.vlm.dtype'."),
        ("caption:\n  model: vlm", "caption:\n  model: vlmm", "tiny.yaml:8: caption.model: no model named 'vlmm'. Did"),
        ("name: tiny\n", "", "'name' is missing."),
        ("name: tiny", "name: Tiny Set", "'name': string should match pattern"),
        ("name: tiny", "name: tiny\nname: other", "tiny.yaml:2: 'name' is given twice, first at"),
        ("name: tiny", "name: [tiny", "not valid YAML"),
        ("name: tiny", "name: tiny\nseed: !!int four", "tiny.yaml:2: the tag !!int is not read;"),
        ("name: tiny", "name: tiny\nseed: " + "9" * 5000, "tiny.yaml:2: '9999999999999999999999999999999999999999…"),
        ("name: tiny", "name: " + "a" * 300, "'name': string should have at most 100 characters"),
        ("  n: 4", "  prompt: '{question:>9999999999}'", "written as {question}, without a format after it"),
        ("  n: 4", "  sampling: {temperature: .inf}", "'rollouts.sampling.temperature': input should be a finite number"),
        ("reference-vlm}", "reference-vlm, timeout_s: .nan}", "'models.vlm.timeout_s': input should be a finite number"),
        ("  n: 4", "  prompt: '{question!r}'", "written as {question}, without a format after it"),
        ("  n: 4", "  prompt: '{question:{question}}'", "written as {question}, without a format after it"),
        ("  budget: 3", "  rule: varience", "'select.rule' has no choice 'varience'. Did you mean 'variance'?"),
        ("  budget: 3", "  rule: {type: variance, min: 1}", "unknown key 'select.rule.min'."),
        ("  budget: 3", "  rule: {typ: variance}", "tiny.yaml:13: unknown key 'select.rule.typ'. Did you mean 'type'?"),
        ("  budget: 3", "  rule: {min_correct: 2}", "'select.rule': its `type` is missing (given: {'min_correct': 2})."),
        ("  budget: 3", "  rule: [variance]", "'select.rule': write it as a mapping, {key: value} (given: ['variance'])."),
        ("  limit: 5", "  levels: [9]", "unknown key 'sources.0.levels'."),
        ("easy_vqa", "scenes\n    levels: [1, 9]", "'sources.0.levels.1': input should be less than or equal to 5"),
        ("rollouts:\n  model: vlm", "rollouts:\n  model: 3", "'rollouts.model': input should be a valid string or write it"),
        ("name: tiny", "name: tiny\ndriver: {backoff_s: 90}", "tiny.yaml:2: 'driver': the first wait (90 s) must not"),
        ("  budget: 3", "  splits: rl", "'select.splits': write it as a list, [one, two] (given: 'rl')."),
        ("  budget: 3", "  splits: [rll]", "'select.splits.0' has no choice 'rll'. Did you mean 'rl'?"),
        ("  budget: 3", "  budget: 1.5", "'select.budget': a budget is a count, written without a point, or a share"),
        ("  budget: 3", "  budget: half", "'select.budget': input should be a valid integer or a valid number"),
        ("  budget: 3", "  quotas: {by: []}", "'select.quotas.by': needs at least 1 item (given: [])."),
        ("  budget: 3", "  quotas: {shares: equall}", "'select.quotas.shares' has no choice 'equall'. Did you mean 'equal'"),
        ("  budget: 3", "  quotas: {shares: {a: b}}", "'select.quotas.shares.a': input should be a valid number"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    told = mistake(tmp_path, old, new)
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = mistake(tmp_path, "  n: 4", "  n: 0\n  top: 1")
    assert len(told.splitlines()) == 2


def test_overrides_reach_every_value(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    recipe = load_recipe(
        path, ["rollouts.n=16", "sources.0.limit=7", "caption.sampling.temperature=0.5"], limit=3, seed=9
    )
    assert recipe.rollouts is not None
    assert recipe.caption is not None
    assert (recipe.rollouts.n, recipe.sources[0].limit, recipe.caption.sampling.temperature) == (16, 7, 0.5)
    assert (recipe.limit, recipe.seed) == (3, 9)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("rollouts.nn=16", "--set rollouts.nn=16: unknown key 'rollouts.nn'. Did you mean 'n'?"),
        ("rollouts.n", "write it as key=value"),
        ("sources.4.limit=1", "there is nothing at '4'"),
        ("seed=!!int x", "--set seed=!!int x: the tag !!int is not read;"),
        ("rollouts={n: 0, model: vlm}", "--set rollouts={n: 0, model: vlm}: 'rollouts.n': input should be greater"),
        ("rollouts.n=many", "--set rollouts.n=many: 'rollouts.n': input should be a valid integer"),
        ("sources.0.limit.x=1", "there is nothing at 'x'; 'sources.0.limit' is 5."),
        ("sources.0.type=easyvqa", "--set sources.0.type=easyvqa: 'sources.0' has no choice 'easyvqa'. Did"),
        ("sources.0.typ=scenes", "--set sources.0.typ=scenes: unknown key 'sources.0.typ'. Did you mean 'type'?"),
        ("select.rule.typ=rap", "--set select.rule.typ=rap: unknown key 'select.rule.typ'. Did you mean 'type'?"),
        ("select.quotas.shares.a=x", "--set select.quotas.shares.a=x: 'select.quotas.shares.a': input should be"),
        ("traces.pick=diverse", "--set traces.pick=diverse: traces: the recipe makes no traces, so it would do nothing"),
        ("select={budget: -1}", "--set select={budget: -1}: 'select.budget': input should be greater than 0"),
    ],
)  # fmt: skip
def test_a_bad_override_is_one_sentence(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path, GOOD), [override])
    assert sentence in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"There is no recipe 'quickstrat'\. Did you mean 'quickstart'?"):
        load_recipe("quickstrat")


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"There is no recipe file 'nowhere\.yaml'"):
        load_recipe("nowhere.yaml")


def test_an_override_that_is_no_yaml_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"^--set rollouts\.n=\[: not valid YAML"):
        load_recipe(OLD_QUICKSTART, ["rollouts.n=["])


def test_a_folder_does_not_hide_a_recipe_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quickstart").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_document("quickstart").name == "quickstart"


@pytest.mark.parametrize(
    "override",
    ["limit=2", "sources.0.limit=2", "sources.0={type: easy_vqa, limit: 2}", "sources=[{type: easy_vqa, limit: 2}]"],
)
def test_however_the_command_line_limits_rows_it_is_a_trial(tmp_path: Path, override: str) -> None:
    assert load_recipe(write(tmp_path, GOOD), [override]).name == "tiny.trial"


def test_a_source_of_the_command_line_without_a_limit_is_no_trial(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, GOOD), ["sources=[{type: easy_vqa}]"]).name == "tiny"
