"""The prompts log: what was asked is there after a kill, once a key, whoever else wrote it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.store.garbage import collect_garbage
from pipelines.store.prompts import PromptsLog
from pipelines.store.workspace import Workspace
from schemas.completion import Constraint, ImagePart, Message, Request

REQUEST = Request(
    "r",
    (Message("system", ("Be brief.",)), Message("user", (ImagePart("ab" * 32), "How many?"))),
    prefix="So",
    constraint=Constraint("choice", '["1", "2"]'),
)

KILLED = """
import os, sys
from pathlib import Path
from pipelines.store.prompts import PromptsLog
from schemas.completion import Message, Request
with PromptsLog(Path(sys.argv[1])).writer() as writer:
    for number in range(3):
        writer.append(Request("r", (Message("user", (f"prompt {number}",)),)), f"k{number}")
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_prompt_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    log = PromptsLog(tmp_path)
    with log.writer() as writer:
        writer.append(REQUEST, "k")
    [found] = log.messages(["k", "unknown"]).to_dicts()
    assert (found["prompt_key"], found["prefix"]) == ("k", "So")
    assert json.loads(found["messages"]) == [message.to_json() for message in REQUEST.messages]
    assert json.loads(found["form"]) == {"kind": "choice", "value": '["1", "2"]'}
    assert log.known(["k", "unknown"]) == {"k"}


@pytest.mark.parametrize("text", ["half \ud83d of a pair", "a\nb\u2028c", ""])
def test_odd_texts_cost_nothing_but_themselves(tmp_path: Path, text: str) -> None:
    log = PromptsLog(tmp_path)
    with log.writer() as writer:
        writer.append(Request("r", (Message("user", (text,)),)), "k")
        writer.append(REQUEST, "whole")
    assert set(log.messages(["k", "whole"])["prompt_key"]) == {"k", "whole"}


def test_what_a_killed_process_wrote_is_there_and_is_healed(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    log, keys = PromptsLog(tmp_path), ["k0", "k1", "k2"]
    before = log.messages(keys)
    assert before["prompt_key"].to_list() == keys
    log.heal()
    assert not list(tmp_path.glob("journal-*"))
    assert log.messages(keys).equals(before)


def test_two_writers_of_one_prompt_are_read_as_one_and_joined_by_gc(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare("tiny")
    log = PromptsLog(workspace.prompts)
    with log.writer() as one, log.writer() as other:
        one.append(REQUEST, "k")
        other.append(REQUEST, "k")
        other.append(REQUEST, "own")
    assert len(log.files.parts()) == 2
    before = log.messages(["k", "own"])
    assert before.height == 2
    collect_garbage(workspace)
    assert len(log.files.parts()) == 1
    assert log.messages(["k", "own"]).equals(before)
