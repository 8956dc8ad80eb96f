"""`curate preview` as a user meets it, with the embedded model, and what it prints of data that nobody vouches for."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.preview import show
from flows.terminal import printable
from generators.scenes import iter_scenes, questions, render
from pipelines.explain.arrival import Arrival
from pipelines.explain.asked import Exchange, Reply
from pipelines.explain.preview import Preview
from pipelines.explain.recorded import StepFacts
from pipelines.explain.rows import Found
from pipelines.explain.sample_story import Event, Outcome, SampleStory
from pipelines.explain.story import Chapter, RowStory
from pipelines.job import compile_recipe, open_job
from pipelines.store.completions import CompletionsLog

RECIPE = """\
name: looked_at
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: scenes, path: ROWS}
steps:
  - rollout: {model: vlm, n: 2, system: Answer in one word., sampling: {max_tokens: 6, temperature: 0.0}, tags: plain}
  - verify: {of: rollout, tags: plain}
  - difficulty
  - release: {rl: {of: sample}}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # files are shown relative to where one is
    rows = []
    for i, scene in enumerate(iter_scenes("curate", 3, seed=3, levels=(1,))):
        render(scene).save(tmp_path / f"{i}.png")
        asked = next(q for q in questions(scene) if q.kind == "text")
        rows.append({"image": f"{i}.png", "question": asked.question, "answer": asked.answer, "kind": asked.kind})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("ROWS", str(tmp_path / "rows.jsonl")))
    return tmp_path / "r.yaml"


def curate(recipe: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["preview", str(recipe), "-w", str(recipe.with_name("out")), *args])


def test_a_few_rows_go_through_everything_and_leave_their_answers_only(recipe: Path) -> None:
    done = curate(recipe, "-n", "2")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    for words in (
        "sample 2 of 2 · scenes",
        "Answer in one word.",
        "[image ",
        "  out/media/",
        "2 of 2 ",
        "read as '",
        "difficulty  model: vlm",
        "rollout · vlm: the image arrived: a prompt has",
        "No version was made.",
    ):
        assert words in done.output
    assert done.output.count("Would be released in rl.") == 2
    out = recipe.with_name("out")
    assert not list(out.glob("releases/*")) and not list(out.glob("builds/*"))
    log = CompletionsLog(out / "log" / "completions")
    assert log.scan().collect().height == 2 * 2 + 2, "two of each row, and one of each without its image"
    records = open_job(compile_recipe(str(recipe)), out).run()
    (asked,) = (record["asked"]["vlm"] for record in records if record["step"] == "rollout")
    assert asked["samples"] == 2, "the build asks for the third row only"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["-n", "0"], "Invalid value for '-n'"),
        (
            ["--set", "steps.rollout.prompt='{{ qestion }}'"],
            "reads `qestion`, and no step before it gives that to sample.",
        ),
        (["--set", "sources.scenes.path=nowhere.jsonl"], "no file matches 'nowhere.jsonl'"),
    ],
)
def test_mistakes_are_a_sentence(recipe: Path, args: list[str], sentence: str) -> None:
    done = curate(recipe, *args)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.replace("│", " ").split())


EVIL = "red\x1b[31m\x1b]0;owned\x07\x9b2J\u202eback\r\x00 [bold]not markup[/bold]"


def step(number: int, name: str, **more: Any) -> StepFacts:
    facts = {"type": name, "unit": "sample", "makes": False, "of": "sample", "makers": frozenset({"ingest"})}
    rest = {"where": None, "gives": (), "models": (), "gold_visible": False}
    return StepFacts(number=number, name=name, **{**facts, **rest, **more})


def shown(
    *outcomes: Outcome, question: str = "What?", prompt: str | None = None, width: int = 80, **more: Any
) -> list[str]:
    """What is printed of one sample that a model was asked about, line by line."""
    first = step(0, "ingest", makes=True)
    row = Found("a" * 32, "sample", first, 0)
    values = {"source": {"dataset": question}, "question": question, "media": [{"kind": "image", "sha256": "ab" * 32}]}
    story = RowStory("r", row, [Chapter(first, "made", values)], [], [], [], "Dropped by x: x:y.", [])
    messages = [{"role": "user", "content": [{"text": prompt or question}]}]
    given = [
        Outcome((Exchange("m", messages, "", None, list(o.turns[0].replies)), *o.turns[1:]), o.became, o.count)
        for o in outcomes
    ]
    asked = Event(step(1, "rollout"), row, tuple(given))
    console = Console(width=width, record=True, force_terminal=True, color_system=None)
    with console.capture() as captured:
        found = {"samples": [SampleStory(story, (asked,))], "arrivals": [], "lost": [], "error": None, **more}
        show(Preview(media=lambda sha256: Path(f"{sha256}.png"), **found), console)
    return captured.get().splitlines()


def said(text: str, became: str = "", count: int = 1, **more: Any) -> Outcome:
    facts = {"reasoning": None, "finish_reason": "stop", "tokens": 3, "error": None, **more}
    return Outcome((Exchange("m", [], "", None, [Reply(0, text, **facts)]),), became, count)


def test_control_characters_of_data_do_not_reach_the_terminal() -> None:
    arrival = Arrival("rollout", "m", "unknown", EVIL)
    lines = shown(
        said(EVIL, EVIL),
        said("", finish_reason=None, error=EVIL),
        question=EVIL,
        arrivals=[arrival],
        lost=[("ingest:x", {"why": EVIL})],
        error=EVIL,
    )
    text = "".join(lines)
    assert not {c for c in text if not c.isprintable()}
    assert "\\x1b[31m" in text and "\\u202e" in text and "[bold]not markup[/bold]" in text


@pytest.mark.parametrize("text", ["plain", "für 日本語 é\u00a0ñ", "two\nlines\tand a tab", "√2 → ½ 🙂"])
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_long_and_wide_text_stays_within_the_terminal(width: int) -> None:
    lines = shown(said("x" * 5_000 + "日本語" * 50, "read as 'x'"), question="word " * 300, width=width)
    assert max(map(cell_len, lines)) <= width


def test_what_is_shown_of_many_replies_is_bounded() -> None:
    lines = shown(*(said(f"reply {n}", f"read as '{n}', wrong") for n in range(40)))
    assert " ".join(lines).count("read as") == 6
    assert any("… and 34 other replies" in line for line in lines)


def test_a_reply_that_was_cut_off_or_never_came_says_so() -> None:
    lines = shown(said("So", finish_reason="length"), said("", finish_reason=None, error="no credit"))
    text = " ".join(" ".join(lines).split())
    assert "1 of 2 So [cut off by max_tokens]" in text
    assert "no reply: no credit" in text


def test_an_image_that_did_not_arrive_is_loud() -> None:
    arrival = Arrival("rollout", "m", "no", "a prompt has as many tokens with an image as without it")
    text = " ".join(" ".join(shown(arrivals=[arrival])).split())
    assert "rollout · m: THE IMAGE DID NOT ARRIVE: a prompt has as many tokens with an image as without it." in text


def test_a_source_of_which_no_row_came_through_says_so() -> None:
    text = "\n".join(shown(samples=[], lost=[("ingest:image_missing", {"path": "a.png"})] * 2))
    assert "2 rows of the sources became no sample: ingest:image_missing path: a.png" in text
    assert "No row came through ingest" in text
