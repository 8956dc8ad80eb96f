"""The card: rendered from a manifest alone, with a template of one's own, against hostile texts; Croissant beside it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt
from tiny import built, job, write_source
from tiny import release as release_of

from pipelines.export.catalogue import EXPORTERS
from pipelines.job import compile_recipe
from pipelines.preflight import check
from pipelines.release.card import TEMPLATE, check_template, publish_card, render_card
from pipelines.release.card_text import histogram, number
from pipelines.release.statistics import _pass_rates
from schemas.digests import file_hash
from schemas.errors import ConfigError

CARDS = TEMPLATE.parent


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    write_source(folder, 20)
    return release_of(built(folder))


@pytest.fixture
def manifest(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "manifest.json").read_text())
    return found


def test_the_card_says_every_count_of_the_manifest(release: Path, manifest: dict[str, Any]) -> None:
    text = (release / "README.md").read_text()
    for step in manifest["steps"]:
        assert f"| {step['step']} | {step['type']} | {step['unit']} | {step['in']:,} | {step['kept']:,} |" in text
    for name, facts in manifest["statistics"]["configs"].items():
        assert f"| `{name}` | {facts['rows']} | {facts['samples']} | {facts['images']} |" in text
    for source in manifest["sources"]:
        assert f"| {source['name']} | not stated | {source['rows']:,} |" in text and len(source["content"]) == 64
    for reason, count in manifest["statistics"]["dropped"].items():
        assert f"{count} {reason}" in text
    assert render_card(manifest) == text


def test_a_card_says_of_its_rows_no_more_than_the_recipe_did(manifest: dict[str, Any]) -> None:
    assert "no group is on two sides" in render_card(manifest)
    assert "`sft`: every completion has the right answer" in render_card(manifest)
    sft = manifest["configs"]["sft"] | {"verified": False, "where": None}
    lone = manifest | {"configs": {"sft": sft | {"sides": None}}, "checks_of_answers": {}, "regraded": None}
    facts = manifest["statistics"]["configs"]["sft"] | {"rows": 5, "gold_visible": 2}
    lone["statistics"] = {"configs": {"sft": facts}, "pass_rates": {}, "rollouts": None, "dropped": {}}
    card = render_card(lone)
    assert "no rule compared its answers with the golds" in card
    assert "2 (40 %) of its completions were written with the gold in sight" in card
    for claim in (
        "verifier that curated the data",
        "every completion has",
        "Pass rates are those",
        "no group is on two sides",
    ):
        assert claim not in card, claim


def test_rollouts_of_all_kinds_are_not_offered_to_imitate(manifest: dict[str, Any]) -> None:
    manifest["configs"]["sft"] |= {"of": "rollout", "where": None}
    assert "SFTTrainer" not in render_card(manifest)
    manifest["configs"]["sft"] |= {"where": "correct"}
    assert "SFTTrainer(train_dataset=sft)" in render_card(manifest)


def test_configs_that_are_not_disjoint_are_counted(release: Path, manifest: dict[str, Any]) -> None:
    rows = {
        name: pl.read_parquet(release / name / "*.parquet", columns=["id", "group"]) for name in ("rl", "preference")
    }
    both = {name: len(set(rows["rl"][name]) & set(rows["preference"][name])) for name in ("id", "group")}
    assert manifest["statistics"]["overlaps"] == [
        {"configs": ["rl", "preference"], "samples": both["id"], "groups": both["group"]}
    ]


def test_the_hub_reads_the_front_matter(release: Path, manifest: dict[str, Any]) -> None:
    data = DatasetCard((release / "README.md").read_text()).data.to_dict()
    filled = [name for name, facts in manifest["statistics"]["configs"].items() if facts["rows"]] + ["rollouts"]
    assert [config["config_name"] for config in data["configs"]] == filled


def test_two_releases_of_one_version_are_not_taken_for_each_other(
    release: Path, manifest: dict[str, Any], tmp_path: Path
) -> None:
    found = {}
    for recipe in ("mine", "theirs"):
        folder = tmp_path / recipe / "v1"
        shutil.copytree(release, folder)
        (folder / "README.md").write_text(render_card({**manifest, "content": recipe}))
        rows = pl.read_parquet(folder / "rollouts" / "*.parquet")
        shutil.rmtree(folder / "rollouts")
        (folder / "rollouts").mkdir()
        rows.head(len(recipe)).write_parquet(folder / "rollouts" / "part-00000.parquet")
        data = load_dataset(str(folder), "rollouts", split="train", cache_dir=str(tmp_path / "cache"))
        found[recipe] = len(data)
    assert found == {"mine": 4, "theirs": 6}


def test_a_completion_is_not_taken_for_one_of_the_student(manifest: dict[str, Any]) -> None:
    manifest["examples"] = [{**manifest["examples"][0], "teacher": "reasoner", "reply": "So it is.", "k": 3, "n": 8}]
    card = render_card(manifest)
    assert "the student, `vlm`, was right 3 of 8 times, in replies of its own" in card
    assert "A completion of `reasoner`:\n\n```\nSo it is." in card


def test_every_image_of_the_card_is_there(release: Path, manifest: dict[str, Any], tmp_path: Path) -> None:
    shown = [p for example in manifest["examples"] for p in example["images"]]
    assert shown
    assert all((release / "card_images" / name).is_file() for name in shown)
    path = publish_card(release, tmp_path)
    assert all(f"](tiny/{name})" in path.read_text() and (tmp_path / "tiny" / name).is_file() for name in shown)


def test_a_text_cannot_break_out_of_its_place(manifest: dict[str, Any]) -> None:
    evil = "a | b\n<script>x</script>\n# heading\n![x](http://evil/x.png) \\[l](http://evil) 2*3*4 `code` \\| &lt;"
    manifest["examples"] = [
        {**manifest["examples"][0], "question": evil, "solution": evil, "reply": "```\n# out of the fence"}
    ]
    text = render_card(manifest)
    assert "<script>" not in text
    assert "\n# heading" not in text
    assert "```\n# out of" not in text
    shown = MarkdownIt().enable("table").parse(text)
    links = [part for token in shown for part in token.children or () if part.type in {"image", "link_open"}]
    assert not any("evil" in str(part.attrs) for part in links)
    quoted = next(t for t in shown if t.type == "inline" and "evil" in t.content)
    said = "".join(part.content if part.type == "text" else "" for part in quoted.children or ())
    assert "![x](http://evil/x.png) \\[l](http://evil) 2*3*4 `code` \\| &lt;" in said, "a text shows as it is"


def test_a_table_cannot_be_broken_by_what_stands_in_it(manifest: dict[str, Any]) -> None:
    manifest["sources"][0] |= {"license": "mine | <b>", "url": "http://a|b"}
    manifest["selection"] = [
        {"figure": "share of domain", "value": "a | b\n<i>", "candidates": 1.0, "selected": 1.0, "control": 1.0}
    ]
    text = render_card(manifest)
    assert "| mine &#124; &#60;b> | 20 | http://a&#124;b |" in text
    assert "| share of domain a &#124; b &#60;i> | 1 | 1 | 1 |" in text


def texts(found: Any) -> Any:
    """Every text of a manifest, each as markup."""
    if isinstance(found, dict):
        return {name: texts(value) for name, value in found.items()}
    if isinstance(found, list):
        return [texts(value) for value in found]
    return (
        "<img src=http://evil/x.png> ![x](http://evil/y.png) [x][y] \u202egpj\x1b[31m"
        if isinstance(found, str)
        else found
    )


def test_no_text_of_a_manifest_is_a_tag_a_link_or_an_image(manifest: dict[str, Any]) -> None:
    shown = {"recipe", "models", "sources", "encoders", "selection", "examples", "steps", "facts", "measured", "commit"}
    kept = {"configs": manifest["configs"], "statistics": manifest["statistics"]}
    evil = {name: texts(value) if name in shown else value for name, value in manifest.items()} | kept
    text = render_card(evil).split("\n---\n", 1)[1]
    outside = "".join(text.split("```")[::2])
    assert "evil" in outside and "<img" not in outside and "](http" not in outside
    assert not {"\u202e", "\x1b"} & set(text)
    links = [part for token in MarkdownIt().enable("table").parse(text) for part in token.children or ()]
    assert not any("evil" in str(part.attrs) for part in links if part.type in {"image", "link_open"})


def test_a_template_of_ones_own(tmp_path: Path, manifest: dict[str, Any]) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text("{{ name }} has {{ statistics.configs.rl.rows | thousands }} prompts.")
    check_template(mine)
    assert render_card(manifest, mine).endswith(
        f"tiny has {manifest['statistics']['configs']['rl']['rows']} prompts.\n"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ nmae }}", "uses nmae; there are name, version"),
        ("{% for x %}", "is not valid Jinja"),
        ("{{ ''.__class__.__mro__ }}", None),
        ("{{ 1 / 0 }}", None),
        ("{{ name | thousands }}", None),
    ],
)
def test_a_broken_template_is_one_sentence_before_anything_starts(
    text: str, sentence: str | None, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text(text)
    if sentence is None:  # valid Jinja that reaches into Python, or does what cannot be done
        with pytest.raises(ConfigError, match="cannot be rendered"):
            render_card(manifest, mine)
        return
    write_source(tmp_path, 2)
    with pytest.raises(ConfigError, match=rf"tiny.yaml:\d+: release: .*{sentence}"):
        check(job(tmp_path, f"steps.release.card={mine}"))


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check_template(tmp_path / "none.jinja")


def test_croissant_is_valid_and_its_records_are_the_rows(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    monkeypatch.chdir(release)
    dataset = mlcroissant.Dataset(jsonld=str(release / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = pl.read_parquet(release / "holdout" / "*.parquet")
    records = list(dataset.records("holdout"))
    assert [record["holdout/id"].decode() for record in records] == rows["id"].to_list()


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.5, "0.500"), (1.0, "1"), (1234.0, "1,234"), (0.0, "0")])
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_histogram_is_scaled_to_its_largest() -> None:
    rows = [{"k": 0, "n": 2, "samples": 5}, {"k": 2, "n": 2, "samples": 10}]
    assert histogram(rows, width=4) == "0/2  ██ 5\n2/2  ████ 10"


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.json")), ids=lambda path: path.stem)
def test_published_cards_are_current(path: Path) -> None:
    """A card is its manifest rendered; the manifest is of today's recipe and its steps."""
    manifest = json.loads(path.read_text())
    card = render_card(manifest, card_images=path.stem, digest=file_hash(path))
    assert path.with_suffix(".md").read_text() == card, "run `make cards`"
    today = compile_recipe(path.stem)
    assert manifest["recipe"] == today.document.to_json(), "run `make cards`"
    assert [step["step"] for step in manifest["steps"]] == [step.name for step in today.pipeline.steps]


def test_samples_that_nobody_was_asked_about_have_no_pass_rate(tmp_path: Path) -> None:
    rows = {"id": ["a", "b", "c"], "model": ["vlm", "vlm", None], "n": [8, 8, 0], "k": [3, 3, 0]}
    (tmp_path / "rl").mkdir()
    pl.DataFrame(rows).write_parquet(tmp_path / "rl" / "part-00000.parquet")
    assert _pass_rates(tmp_path, ["rl"]) == {"vlm": [{"n": 8, "k": 3, "samples": 2}]}


def test_the_card_names_every_trainer_that_there_is_an_export_for() -> None:
    [line] = [line for line in TEMPLATE.read_text("utf-8").splitlines() if "`curate export " in line]
    assert re.findall("`([a-z0-9_]+)`", line) == [*EXPORTERS]
