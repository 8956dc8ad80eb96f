"""`curate preview` as a user meets it, with the embedded model."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from flows.preview import show
from flows.story import _short
from flows.terminal import printable
from generators.scenes import iter_scenes, questions, render
from pipelines.build import run_build
from pipelines.explain.preview import Arrival, Asked, Preview, Reply, Row
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.store.completions import CompletionsLog
from pipelines.store.workspace import Workspace
from schemas.completion import Message, Request

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: looked_at
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: scenes, path: SOURCE}
rollouts: {model: vlm, n: 2, system: "Answer in one word.", sampling: {max_tokens: 6}, tags: plain}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
"""


def test_a_few_rows_go_through_everything_and_leave_their_answers_only(curate: Run, tmp_path: Path) -> None:
    rows = []
    for i, scene in enumerate(iter_scenes("curate", 3, seed=3, levels=(1,))):
        render(scene).save(tmp_path / f"{i}.png")
        asked = next(q for q in questions(scene) if q.kind == "text")
        rows.append({"image": f"{i}.png", "question": asked.question, "answer": asked.answer, "kind": asked.kind})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("SOURCE", str(tmp_path / "rows.jsonl")))

    done = curate("preview", "r.yaml", "-n", "2")
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert max(map(len, told.splitlines())) <= 80
    for words in (
        "row 2 of 2",
        "Answer in one word.",
        "[image ",
        "curate_out/media/",
        "read as '",
    ):
        assert words in told
    assert any(row["question"] in told for row in rows)
    assert told.count("released in rl") == 2
    assert "rollouts · vlm: the image arrived: a prompt has" in told
    assert "No version was made." in told
    out = tmp_path / "curate_out"
    assert not list(out.glob("releases/*")) and not list(out.glob("builds/*"))
    log = CompletionsLog(out / "log" / "completions")
    assert log.scan().collect().height == 2 * 2 + 2, "two of each row, and one of each without its image"
    records = run_build(Build(load_recipe(str(tmp_path / "r.yaml")), Workspace(out)))
    (rolled,) = (r for r in records if r["stage"] == "rollouts")
    assert rolled["asked"]["vlm"]["samples"] == 2 and rolled["rows_in"] == 6, "the build asks for the third row only"


EVIL = "red\x1b[31m\x1b]0;owned\x07\x9b2J\u202eback\r\x00 [bold]not markup[/bold]"


def told(preview: Preview, width: int = 80) -> str:
    console = Console(width=width, record=True, force_terminal=True, color_system=None)
    with console.capture() as captured:
        show(preview, console)
    return captured.get()


def a_row(**more: str) -> Row:
    text = {"question": "What is it?", "gold": "red", "reply": "red", **more}
    row = Row("a" * 32, text.get("source", "rows"), text["question"], text["gold"], "text", (Path("x.png"),))
    request = Request("a", (Message("user", (text["question"],)),))
    row.asked = [Asked("rollouts", "m", request, (Reply(0, text["reply"], "stop", 9, None, text["reply"], "right"),))]
    row.fate = "released in rl"
    return row


def test_control_characters_of_data_do_not_reach_the_terminal() -> None:
    row = a_row(question=EVIL, gold=EVIL, reply=EVIL, source=EVIL)
    row.drops = [("rollouts:error", {"error": EVIL})]
    shown = told(Preview([row], [Arrival("rollouts", "m", "unknown", EVIL)], [("ingest:x", {"why": EVIL})], EVIL))
    assert not {c for c in shown if c != "\n" and not c.isprintable()}
    assert "\\x1b[31m" in shown and "\\u202e" in shown and "[bold]not markup[/bold]" in shown
    assert _short({"said": EVIL}) == printable(_short({"said": EVIL}))


@pytest.mark.parametrize("text", ["plain", "für 日本語 é\u00a0ñ", "two\nlines\tand a tab", "√2 → ½ 🙂"])
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_long_and_wide_text_stays_within_the_terminal(width: int) -> None:
    row = a_row(question="word " * 300, reply="x" * 5_000 + "日本語" * 50)
    from rich.cells import cell_len

    assert max(cell_len(line) for line in told(Preview([row], [], []), width).splitlines()) <= width


def test_an_image_that_did_not_arrive_is_said_loudly() -> None:
    arrival = Arrival("rollouts", "m", "no", "a prompt has as many tokens with an image as without it")
    shown = " ".join(told(Preview([a_row()], [arrival], [])).split())
    assert "rollouts · m: THE IMAGE DID NOT ARRIVE: a prompt has as many tokens with an image as without it." in shown


def test_a_source_of_which_no_row_came_through_says_so() -> None:
    shown = told(Preview([], [], [("ingest:image_missing", {"path": "a.png"})]))
    assert "ingest:image_missing" in shown and "No row came through ingest" in shown
