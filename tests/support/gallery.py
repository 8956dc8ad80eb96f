"""The gallery of recipes: `docs/recipes/`, and the cards of the demos' releases in `data_cards/`.

`make gallery` writes all of it, from a build of every demo; `python tests/support/gallery.py NAME …` the pages of some
recipes and the list, and with `--texts` only what needs no model, in seconds. A demo that fails, or is not as its sidecar
expects, is a sentence, and the exit code is 1; the others are written all the same.
"""

import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from gallery_page import demo_part, index_page, recipe_page

from generators.kept import kept_models
from pipelines.explain.expected import unmet
from pipelines.explain.overview import Overview, library
from pipelines.job import Job, compile_recipe, open_job
from pipelines.preflight import check
from pipelines.recipe.demo import read_sidecar
from pipelines.recipe.library import RECIPES, find_recipe, sidecar
from pipelines.release.card import render_card
from pipelines.store.release_damage import MANIFEST
from pipelines.store.workspace import DEMO

ROOT = Path(__file__).parents[2]
PAGES, CARDS = ROOT / "docs" / "recipes", ROOT / "data_cards"
TEXTS = "--texts"
GRAPH_PART, DEMO_PART = "\n## The pipeline\n", "\n## Its demo\n"


def page_of(recipe: Path) -> Path:
    """Where the page of a recipe lies: in a folder of its family."""
    path = recipe.resolve()
    inside = path.relative_to(RECIPES.resolve()) if path.is_relative_to(RECIPES.resolve()) else Path(path.name)
    return PAGES / inside.with_suffix(".md")


def built(name: str, workspace: Path) -> Job:
    """The demo of a recipe, after those that it goes on from."""
    for each in (*read_sidecar(find_recipe(name)).demo.after, name):
        job = open_job(compile_recipe(each, demo=True), workspace)
        check(job)
        job.run()
    return job


def write_page(name: str) -> list[str]:
    """Write the page of a recipe, and the card of its demo's release; what is wrong, in sentences.

    Without a demo that runs, the page says what needs none.
    """
    compiled = compile_recipe(name)
    document, text = compiled.document, recipe_page(compiled)
    page, card = page_of(document.path), CARDS / f"{document.name}{DEMO}" / "README.md"
    shutil.rmtree(card.parent, ignore_errors=True)
    if not sidecar(document.path).is_file():
        faults = [f"{document.path.stem}: it has no demo."]
    else:
        with tempfile.TemporaryDirectory(prefix="curate-gallery-") as workspace:
            try:
                job = built(name, Path(workspace))
                _write_card(job, card)
                text += "\n" + demo_part(job, _link(page, card) if card.is_file() else None)
                faults = [f"{document.path.stem}: {sentence}." for sentence in unmet(job)]
            except Exception as error:  # one demo of many: the others are written
                faults = [f"{document.path.stem}: its demo fails: {type(error).__name__}: {error}"]
    _write(page, text)
    return faults


def rewrite(name: str) -> list[str]:
    """Write the part of a page that needs no model anew. What is there of a demo stays if it is of the same pipeline."""
    compiled = compile_recipe(name)
    page, text = page_of(compiled.document.path), recipe_page(compiled)
    before, mark, demo = (page.read_text(encoding="utf-8") if page.is_file() else "").partition(DEMO_PART)
    same = before.partition(GRAPH_PART)[2].rstrip() == text.partition(GRAPH_PART)[2].rstrip()
    _write(page, text + mark + demo if same else text)
    return (
        [f"{compiled.document.path.stem}: its demo was of another pipeline, and is left out."]
        if demo and not same
        else []
    )


def _write_card(job: Job, path: Path) -> None:
    """The card of a release, without its images, and without what differs though the release is the same."""
    if job.release is None:
        return
    manifest = json.loads((job.release / MANIFEST).read_text(encoding="utf-8"))
    shown = [{**example, "images": []} for example in manifest["examples"]]
    _write(path, render_card({**manifest, "examples": shown, "commit": None}))


def _link(page: Path, to: Path) -> str:
    """A file of `CARDS`, as a page links to it."""
    up = "../" * len(page.parent.relative_to(PAGES.parents[1]).parts)
    return f"{up}{CARDS.name}/{to.relative_to(CARDS).as_posix()}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def sweep(found: Iterable[Overview]) -> None:
    """Remove pages and cards of recipes that there are no longer."""
    pages = {page_of(one.path): f"{one.name}{DEMO}" for one in found}
    for page in {*PAGES.rglob("*.md")} - {*pages, PAGES / "README.md"}:
        page.unlink()
    for folder in CARDS.glob(f"*{DEMO}"):
        if folder.name not in pages.values():
            shutil.rmtree(folder)


def main(arguments: Sequence[str]) -> int:
    """Write the pages of recipes and the list."""
    warnings.simplefilter("ignore")  # what libraries say of models this small
    found = list(library())
    wanted = [name for name in arguments if name != TEXTS] or [str(one.path) for one in found]
    faults = 0
    with kept_models():
        for number, name in enumerate(wanted, 1):
            sys.stdout.write(f"{number} of {len(wanted)}: {find_recipe(name).stem}\n")
            sys.stdout.flush()
            for sentence in rewrite(name) if TEXTS in arguments else write_page(name):
                sys.stderr.write(f"{sentence}\n")
                faults += 1
    _write(PAGES / "README.md", index_page(found))
    sweep(found)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
