"""The recipes of the documentation compile, fragments in a frame; a refusal that a page shows is what curate prints."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_blocks import ROOT, blocks

from pipelines.job import Compiled, compile_recipe
from pipelines.steps.catalogue import TYPES, step_types
from schemas.errors import ConfigError

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
NOT_RECIPES = {"dataset_dir"}
"""First keys of blocks that are the configuration of a trainer."""

BLOCKS = [(page, number, text) for page in PAGES for number, text in enumerate(blocks(page, "yaml"))]
REFUSED = [
    (page, *found)
    for page in PAGES
    for found in re.findall(
        r"^```yaml refused\n(.*?)^```\n+```\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )
]

BEFORE = {
    "caption": ({"caption": {"model": "vlm"}}, ()),
    "distill": ({"distill": {"model": "reasoner", "n": 4}}, ()),
    "verify": ("verify", ("distill",)),
    "rollout": ({"rollout": {"model": "vlm", "n": 8}}, ()),
    "scored": ({"verify": {"as": "scored", "of": "rollout"}}, ("rollout",)),
    "difficulty": ("difficulty", ("rollout", "scored")),
}
"""Steps that the frame has before a fragment, and what a fragment may not have of its own for them to be there."""


def names(steps: list[Any]) -> set[str]:
    """The names of steps."""
    entries = [(step, {}) if isinstance(step, str) else next(iter(step.items())) for step in steps]
    return {(section or {}).get("as", kind) for kind, section in entries}


def models(value: Any) -> set[str]:
    """Every model that a section asks."""
    if isinstance(value, dict):
        own = value.get("model")
        asked = {own} if isinstance(own, str) else set(own) if isinstance(own, list) else set()
        return asked.union(*(models(v) for k, v in value.items() if k not in ("text", "image", "columns")))
    return set().union(*map(models, value)) if isinstance(value, list) else set()


def framed(fragment: dict[str, Any]) -> dict[str, Any]:
    """A whole recipe around steps or sources; a fragment that has sources gets no steps before its own."""
    steps = list(fragment.get("steps", []))
    own = names(steps)
    if "sources" not in fragment:
        steps = [step for name, (step, apart) in BEFORE.items() if not own & {name, *apart}] + steps
    if not any(isinstance(step, dict) and "release" in step for step in steps):
        steps.append({"release": {"rl": {"of": "sample"}}})
    asked = {name: {"model": "reference-vlm"} for name in models(steps)}
    sources = [{"type": "scenes", "name": "scenes", "n": 4}]
    return {"name": "framed", "models": asked, "sources": sources, **fragment, "steps": steps}


def compiled(fragment: dict[str, Any], folder: Path) -> Compiled:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "caption.j2").write_text("Describe {{ question }}")
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(fragment, sort_keys=False), encoding="utf-8")
    return compile_recipe(str(path))


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS, ids=lambda value: str(value)[:24])
def test_a_recipe_of_a_page_compiles(page: str, number: int, text: str, tmp_path: Path) -> None:
    tree: Any = yaml.safe_load(text)
    fragment: dict[str, Any] = {"steps": tree} if isinstance(tree, list) else tree
    if NOT_RECIPES & set(fragment):
        return
    if "extends" in fragment:  # of the first recipe of its page
        (tmp_path / fragment["extends"]).write_text(blocks(page, "yaml")[0], encoding="utf-8")
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        assert compile_recipe(str(tmp_path / "recipe.yaml")).pipeline.steps
    elif "name" in fragment:
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        assert compile_recipe(str(tmp_path / "recipe.yaml")).pipeline.steps
    else:
        assert set(fragment) <= {"steps", "sources", "models"}, f"{page}: not the grammar of steps"
        assert compiled(framed(fragment), tmp_path).pipeline.steps


@pytest.mark.parametrize(("page", "text", "sentence"), REFUSED, ids=lambda value: str(value)[:24])
def test_a_refusal_of_a_page_is_what_curate_prints(page: str, text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        compiled(framed(yaml.safe_load(text)), tmp_path)
    assert re.sub(r"^.*recipe\.yaml:\d+: ", "", str(error.value)) == " ".join(sentence.split())


def test_the_page_on_recipes_lists_every_step_type() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = page.partition("## Step types")[2].partition("\n## ")[0]
    found = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", table, re.MULTILINE))
    assert list(found) == list(TYPES)
    assert found == {name: step.summary for name, step in step_types().items()}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_a_section_of_the_old_spelling(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.findall(r"--set '?(?:caption|distill|rollouts|select|verify|traces|preference)\b[.=]", text)
