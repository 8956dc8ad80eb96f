"""The gallery of recipes: its pages say of each recipe what it is today, and nothing in them is live."""

from collections.abc import Callable
from pathlib import Path

import gallery
import pytest
from gallery_page import index_page, recipe_page
from markdown_it import MarkdownIt

from pipelines.explain.overview import Overview, overview
from pipelines.job import compile_recipe
from pipelines.recipe.library import recipe_names

EVIL = "| a\n<script>x</script> ![x](http://evil/x.png) [l](http://evil) `code` <!-- \u202e"
RECIPE = """\
name: given
about: {paper: "arXiv 1 | <b>", differs: ["![x](http://evil/x.png)"], sizes: [7 rows]}
models: {eye: {model: Qwen/Qwen2.5-VL-7B-Instruct}}
sources:
  - type: jsonl
    name: given
    path: given.jsonl
    select: SELECT image, q AS question, a AS answer, tries AS responses FROM raw
    columns: {responses: [{text: str, model: str}]}
steps:
  - unfold: {as: given_trace, column: responses, makes: trace}
  - verify
  - drop: {of: trace, if: {wrong: NOT correct}}
  - caption: {model: eye, where: "length(question) > 100000", sampling: {max_tokens: 100}}
  - release:
      sft: {of: trace, columns: [caption]}
      long: {of: sample, where: length(question) > 100000}
      allow_empty: [long]
"""
FED = """\
sources:
  given:
    task: text
    n: 7
    raw: >
      SELECT question || %s AS q, answer AS a, image, [
      {'text': %s || replace(rationale, 'So the answer is', chr(10) || 'Answer:'), 'model': 'good'},
      {'text': wrong_rationale || chr(10) || 'Answer: no', 'model': 'bad'}] AS tries FROM task
expect: {drops: [drop], rows: {sft: 7}}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a recipe with a demo without models; the gallery is of all that were written."""
    monkeypatch.setattr(gallery, "PAGES", tmp_path / "docs" / "recipes")
    monkeypatch.setattr(gallery, "CARDS", tmp_path / "data_cards")
    paths: list[Path] = []

    def known() -> list[Overview]:
        return [overview(compile_recipe(str(path))) for path in paths]

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(RECIPE.replace("name: given", f"name: {name}", 1))
        hostile = "'" + EVIL.replace("\n", "' || chr(10) || '") + "'"
        path.with_name(f"{name}.demo.yaml").write_text(FED % (hostile, hostile))
        paths.append(path)
        return path

    monkeypatch.setattr(gallery, "library", known)
    return write


def test_the_pages_are_of_todays_recipes() -> None:
    """What of a page needs no model is what the recipe compiles to."""
    again = "run `make gallery`, or `python tests/support/gallery.py --texts`"
    every = [compile_recipe(str(path)) for path in dict.fromkeys(recipe_names().values())]
    pages = {gallery.page_of(compiled.document.path): compiled for compiled in every}
    assert {*gallery.PAGES.rglob("*.md")} == {*pages, gallery.PAGES / "README.md"}, again
    stale = [page.stem for page, compiled in pages.items() if not page.read_text().startswith(recipe_page(compiled))]
    assert stale == [], again
    assert (gallery.PAGES / "README.md").read_text() == index_page(map(overview, every)), again
    cards = {folder.name for folder in gallery.CARDS.glob("*.demo")}
    assert cards <= {f"{compiled.document.name}.demo" for compiled in every}, again


def test_a_page_says_what_a_recipe_is_and_what_its_demo_made(recipe: Callable[[str], Path]) -> None:
    recipe("given")
    assert gallery.main([]) == 0
    page = gallery.PAGES / "given.md"
    text = page.read_text()
    for line in (
        "- **sizes:**\n  - 7 rows\n",
        "| `sft`, `long` | 1 sees | 1 |",
        "| `eye` | Qwen/Qwen2.5-VL-7B-Instruct | yes | caption |",
        "curate build given --demo",
        "| caption | `eye` | 1,000 | 100,000 |",
        "7 rows of the procedural task text (`given`)",
        "| given_trace | unfold | trace | 7 | 14 | 14 trace rows made of 7 sample rows |  |  |",
        "| drop | drop | trace | 14 | 7 | 7 drop:wrong |  |  |",
        "### `sft`\n\n7 rows, of which 5:\n",
        "### `long`\n\nNo row.\n",
    ):
        assert line in text, line
    assert 'step_verify -->|"correct"| step_drop' in text
    assert "seconds" not in text
    [card] = gallery.CARDS.rglob("*.md")
    assert (page.parent / text.split("card of its release](")[1].split(")")[0]).resolve() == card
    assert "| drop | drop | trace | 14 | 7 |" in card.read_text()
    assert [path.name for path in gallery.CARDS.rglob("*") if path.is_file()] == ["README.md"]
    assert "[given](given.md)" in (gallery.PAGES / "README.md").read_text()


def test_nothing_in_a_page_is_live(recipe: Callable[[str], Path]) -> None:
    recipe("given")
    gallery.main([])
    text = (gallery.PAGES / "given.md").read_text()
    outside = "".join(text.split("```")[::2])
    assert "evil" in outside and "<" not in outside and "](http" not in outside and "\u202e" not in text
    shown = MarkdownIt().enable("table").parse(text)
    parts = [part for token in shown for part in token.children or ()]
    live = {str(part.attrs) for part in parts if part.type in {"image", "link_open", "html_inline"}}
    assert live == {"{'href': '../../data_cards/given.demo/README.md'}"}
    assert not [token for token in shown if token.type == "html_block"]
    rows = [line for line in text.splitlines() if "evil" in line and line.startswith("|")]
    assert len(rows) == 5 and {row.count("|") for row in rows} == {5}


def test_a_demo_that_fails_is_a_sentence_and_the_others_are_written(
    recipe: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    broken, other = recipe("broken"), recipe("given")
    sidecar = broken.with_name("broken.demo.yaml")
    sidecar.write_text(sidecar.read_text().replace("FROM task", "FROM nowhere"))
    assert gallery.main([str(broken), str(other)]) == 1
    assert "broken: its demo fails: " in capsys.readouterr().err
    assert gallery.DEMO_PART not in (gallery.PAGES / "broken.md").read_text()
    assert gallery.DEMO_PART in (gallery.PAGES / "given.md").read_text()
    assert [folder.name for folder in gallery.CARDS.iterdir()] == ["given.demo"]

    other.with_name("given.demo.yaml").unlink()
    assert gallery.main([]) == 1
    assert "given: it has no demo." in capsys.readouterr().err
    assert [*gallery.CARDS.iterdir()] == []


def test_a_demo_that_is_not_as_expected_is_written_and_counts(
    recipe: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar = recipe("given").with_name("given.demo.yaml")
    sidecar.write_text(sidecar.read_text().replace("sft: 7", "sft: 70"))
    assert gallery.main([]) == 1
    assert "given: the config 'sft' has 7 rows, not 70 or more." in capsys.readouterr().err
    assert gallery.DEMO_PART in (gallery.PAGES / "given.md").read_text()


def test_texts_alone_keep_a_demo_of_the_same_pipeline(
    recipe: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe("given")
    gallery.main([])
    page = gallery.PAGES / "given.md"
    demo = page.read_text().partition(gallery.DEMO_PART)[2]
    monkeypatch.setattr(gallery, "built", None)  # nothing is built
    path.write_text(path.read_text().replace("7 rows", "8 rows"))
    assert gallery.main(["--texts"]) == 0
    assert page.read_text().partition(gallery.DEMO_PART)[2] == demo
    assert "- 8 rows" in page.read_text()

    path.write_text(path.read_text().replace("max_tokens: 100", "max_tokens: 200"))
    assert gallery.main(["--texts"]) == 1
    assert gallery.DEMO_PART not in page.read_text()


def test_pages_of_recipes_that_are_gone_go(recipe: Callable[[str], Path]) -> None:
    recipe("given")
    for lost in (gallery.PAGES / "family" / "lost.md", gallery.CARDS / "lost.demo" / "README.md"):
        lost.parent.mkdir(parents=True)
        lost.write_text("")
    gallery.main(["--texts"])
    assert {file.name for file in gallery.PAGES.rglob("*.md")} == {"README.md", "given.md"}
    assert [*gallery.CARDS.iterdir()] == []
