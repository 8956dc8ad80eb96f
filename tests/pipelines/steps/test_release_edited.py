"""Replies that came in the tags of their config, and of which a later step wrote a part anew."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from chat_server import Answer, Asked, completion
from served_build import Server, built

REPLY = "<think>\nI add.\n</think>\n<answer>4</answer>"
STEPS = """\
  - distill: {model: m, reply: {tags: think_answer}, constrain: false, sampling: {temperature: 0.0, max_tokens: 64}}
  - verify
EDIT
  - release: {tags: think_answer, trainer: null, sft: {of: trace, where: "true"}}
"""


@pytest.fixture
def server() -> Iterator[Server]:
    class Tagged(Server):
        def _answer(self, body: Asked) -> Answer:
            return completion(body, content=REPLY)

    with Tagged() as server:
        yield server


def completions(folder: Path, server: Server, edit: str) -> set[str]:
    release = built(folder, server, steps=STEPS.replace("EDIT\n", edit)).release
    assert release is not None
    return {row[0]["content"] for row in pl.read_parquet(release / "sft" / "*.parquet")["completion"]}


def test_a_reply_goes_out_as_it_came(tmp_path: Path, server: Server) -> None:
    assert completions(tmp_path, server, "") == {REPLY}


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        ("{reasoning: \"reasoning || ' Twice.'\"}", "<think>I add. Twice.</think>"),
        ("{reasoning: \"'I see four.'\"}", "<think>I see four.</think>"),
    ],
)
def test_what_a_step_made_of_it_goes_out(tmp_path: Path, server: Server, edit: str, wanted: str) -> None:
    [found] = completions(tmp_path, server, f"  - sql: {{of: trace, gives: {edit}}}\n")
    assert "".join(found.split()) == "".join(f"{wanted}<answer>4</answer>".split())
