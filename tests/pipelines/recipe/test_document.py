# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Documents: head and steps of a recipe, trials, trust, and a sentence for each mistake of the head."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import pipelines
from pipelines.recipe.document import Document, load_document
from pipelines.recipe.draft import name_in
from schemas.errors import ConfigError

Load = Callable[..., Document]
Refusal = Callable[..., str]

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
WITH = "models: {vlm: {model: reference-vlm}}\nsources: [{type: scenes, name: drawn}]\n"


def test_a_document_holds_what_its_recipe_says(load: Load, tmp_path: Path) -> None:
    document = load(
        "name: vlaa-thinking\n"
        'about: {paper: "arXiv 2504.11468", variant: paper, differs: [an open VLM], rows: 25_195, from: [1, two]}\n'
        "description: Aha.\nseed: 5\nmodels:\n  captioner: {model: Qwen/Qwen2.5-VL-72B-Instruct}\n"
        "driver: {max_retries: 2}\ningest: {min_side: 28}\nsources:\n  - {type: scenes, name: drawn}\n"
        "steps:\n  - caption: {model: captioner}\n  - quality\n",
        whole=True,
    )
    assert (document.name, document.description, document.seed) == ("vlaa-thinking", "Aha.", 5)
    assert document.about.differs == ("an open VLM",)
    assert document.about.model_extra == {"rows": "25_195", "from": [1, "two"]}
    assert document.models["captioner"].model == "Qwen/Qwen2.5-VL-72B-Instruct"
    assert (document.driver.max_retries, document.ingest.min_side) == (2, 28)
    assert [step.name for step in document.steps] == ["caption", "quality"]
    assert document.path == tmp_path / "r.yaml"
    assert document.placed("steps.caption.model: no.") == f"{tmp_path}/r.yaml:12: steps.caption.model: no."
    assert document.placed("steps.quality: no.") == f"{tmp_path}/r.yaml:13: steps.quality: no."


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_published_recipes_are_documents(load: Load, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = load(WITH + text, whole=True)
    assert len(document.steps) == text.count("\n  - ")
    assert len({step.name for step in document.steps}) == len(document.steps)


def test_examples_are_there() -> None:
    assert len(EXAMPLES) == 11


@pytest.mark.parametrize(
    "key",
    [
        "caption: {model: vlm}",
        "distill: {}",
        "verify: {}",
        "rollouts: {}",
        "split: {sft: 1}",
        "release: {}",
        "checks: []",
    ],
)
def test_the_old_spelling_is_refused_in_one_sentence(refusal: Refusal, key: str) -> None:
    name = key.partition(":")[0]
    assert refusal(f"name: tiny\n{WITH}{key}\n", whole=True) == (
        f"r.yaml:4: `steps:` is missing; '{name}' at the top of a recipe is of the old spelling: make each section a step of "
        "the list `steps:`, in the order in which they see each other (docs/recipes.md)."
    )


def test_all_sections_of_the_old_spelling_are_named(refusal: Refusal) -> None:
    text = f"name: tiny\n{WITH}caption: {{}}\nrollouts: {{}}\nrelease: {{}}\nsteps: [verify]\n"
    assert refusal(text, whole=True).startswith(
        "r.yaml:4: 'caption', 'rollouts' and 'release' at the top of a recipe are of"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "r.yaml: a recipe is a mapping of sections; this file holds nothing."),
        ("- verify", "r.yaml: a recipe is a mapping of sections; this file holds a list."),
        ("word", "r.yaml: a recipe is a mapping of sections; this file holds a single value."),
        (f"name: tiny\n{WITH}", "r.yaml: 'steps' is missing; write it as a list of steps, each as `- type: {key: value}` (docs/recipes.md)."),
        (f"{WITH}steps: [verify]", "r.yaml: 'name' is missing."),
        ("name: tiny\nsteps: [verify]", "r.yaml: 'sources' is missing; write it as a list that says where rows come from (docs/sources.md)."),
        (f"name: tiny\n{WITH}step: []\nsteps: [verify]", "r.yaml:4: unknown key 'step'. Did you mean 'steps'?"),
        (f"name: tiny\n{WITH}about: {{differs: one}}\nsteps: [verify]", "r.yaml:4: 'about.differs': write it as a list, [one, two] (given: 'one')."),
        (f"name: tiny\n{WITH}about: {{paper: 2504.11468}}\nsteps: [verify]", "r.yaml:4: 'about.paper': input should be a valid string (given: 2504.11468)."),
        (f"name: Tiny Set\n{WITH}steps: [verify]", "r.yaml:1: 'name': string should match pattern '^[a-z0-9][a-z0-9_-]*(?:\\.trial|\\.demo)?$' (given: 'Tiny Set')."),
        (f"name: tiny.trial\n{WITH}steps: [verify]", "r.yaml:1: 'name': .trial ends the names of builds with --limit or --seed; choose another name."),
        (f"name: tiny\n{WITH}seed: 1e3\ndriver: {{max_retry: 2}}\nsteps: [verify]", "r.yaml:5: unknown key 'driver.max_retry'. Did you mean 'max_retries'?"),
        (f"name: tiny\n{WITH}seed: 12:30\nsteps: [verify]", "r.yaml:4: 'seed': input should be a valid integer (given: '12:30')."),
        (f"name: tiny\n{WITH}uses: my.py\nsteps: [verify]", "r.yaml:4: 'uses': write it as a list of Python files and packages."),
        (f"name: tiny\n{WITH}uses: [3]\nsteps: [verify]", "r.yaml:4: 'uses': write it as a list of Python files and packages."),
        (f"name: tiny\n{WITH}uses: [../my.py]\nsteps: [verify]", "r.yaml:4: uses: '../my.py' lies outside the recipe's folder, and a release or a model would be given what it holds. Copy the file beside the recipe."),
        (f"name: tiny\n{WITH}uses:\n  - my.py\n  - pack\nsteps: [verify]", "r.yaml:5: this recipe runs code of its own (my.py, pack), which can do whatever you can. Read it, then add --trust."),
    ],
)  # fmt: skip
def test_a_mistake_of_the_head_is_one_sentence(refusal: Refusal, text: str, sentence: str) -> None:
    assert refusal(text, whole=True) == sentence


def test_all_mistakes_of_the_head_are_reported(refusal: Refusal) -> None:
    told = refusal(f"name: tiny\n{WITH}seed: x\nlimt: 3\nsteps: [verify]", whole=True)
    assert sorted(told.split("\n")) == [
        "r.yaml:4: 'seed': input should be a valid integer (given: 'x').",
        "r.yaml:5: unknown key 'limt'. Did you mean 'limit'?",
    ]


def test_uses_are_parsed_and_not_loaded(load: Load, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("raise SystemExit")
    document = load(f"name: tiny\n{WITH}uses: [my.py, pack]\nsteps: [verify]", whole=True, trust=True)
    assert [(use.name, use.is_file) for use in document.uses] == [("my.py", True), ("pack", False)]


def test_a_limit_or_a_seed_of_the_command_line_makes_a_trial(load: Load) -> None:
    assert load("- verify").name == "tiny"
    assert load("- verify", limit=3).name == "tiny.trial"
    assert load("- verify", seed=3).name == "tiny.trial"
    assert load("- verify", "seed=3").name == "tiny.trial"
    assert load("- verify", "sources.drawn.limit=3").name == "tiny.trial"
    assert load("- verify", "sources.drawn.levels=[1]").name == "tiny"
    assert load(f"name: tiny\nlimit: 3\nseed: 4\n{WITH}steps: [verify]", whole=True).name == "tiny", "the recipe's own"
    assert load("- select: {budget: 3}", "steps.select.limit=3", "steps.select.seed=3").name == "tiny"
    assert (load("- verify", limit=3, seed=7).limit, load("- verify", limit=3, seed=7).seed) == (3, 7)


def test_the_recipes_of_the_documentation_load(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "recipes.md"
    blocks = re.findall(r"```yaml\n(name: .*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for block, name in zip(blocks, ("chart_reasoning", "large"), strict=True):
        (tmp_path / f"{name}.yaml").write_text(block, encoding="utf-8")
    whole, variant = (load_document(str(tmp_path / f"{name}.yaml")) for name in ("chart_reasoning", "large"))
    assert [step.name for step in whole.steps] == ["caption", "distill", "verify", "drop", "release"]
    assert [step.name for step in variant.steps] == ["distill", "verify", "quality", "drop", "release"]
    assert (variant.models["reasoner"].model, variant.steps[0].section["n"]) == (
        "Qwen/Qwen2.5-VL-72B-Instruct",
        4,
    )


def test_a_file_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(Exception, match=r"r\.yaml is not UTF-8 \(at byte 9\)\."):
        load_document(str(tmp_path / "r.yaml"))


def test_a_number_without_end_is_refused_wherever_it_is(refusal: Refusal) -> None:
    assert refusal("- verify", "models.vlm.args={extra_body: [.nan]}").endswith(
        "--set models.vlm.args={extra_body: [.nan]}: 'models.vlm.args.extra_body.0': input should be a finite number."
    )


BOMB = "name: r\na0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB, "more than 100,000 keys"),
        ("name: &a [*a]", "nested too deeply, or an alias holds itself"),
        ("[" * 5_000, "nested too deeply"),
        ("- name", "this file holds a list"),
        ("name: ../../elsewhere", r":1: 'name' of a recipe is missing, or no name \(given: '../../elsewhere'\)"),
        ("steps: []", r"'name' of a recipe is missing, or no name \(given: None\)"),
    ],
)
def test_the_name_of_a_file_is_read_as_recipes_are(tmp_path: Path, text: str, sentence: str) -> None:
    """`report r.yaml` reads the name alone; the file is a stranger's all the same."""
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        name_in(tmp_path / "r.yaml")


def test_one_reader_reads_yaml() -> None:
    """PyYAML by itself reads YAML 1.1, and what its aliases stand for without end. Exceptions are our own table, and settings of
    a dataset, which are read as `datasets` reads them, each object once."""
    root = Path(pipelines.__file__).parents[1]
    files = [
        p for part in ("flows", "pipelines", "generators", "filters", "schemas") for p in (root / part).rglob("*.py")
    ]
    found = {
        p.relative_to(root).as_posix() for p in files if re.search(r"yaml\.\w*(load|compose|parse|scan)", p.read_text())
    }
    beside = {"filters/decontaminate/benchmarks.py", "pipelines/sources/hub_folder.py"}
    assert found == {"pipelines/recipe/yaml12.py", *beside}
