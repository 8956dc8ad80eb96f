import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generators.engines.capability import constrains, form_fault, held_to, thinks
from schemas.completion import Constraint, Request
from schemas.engine import ModelConfig

ALL = {"choice", "json", "regex"}
QWEN3 = "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>{% endif %}"
YES_NO = Constraint("choice", '["yes", "no"]')


@pytest.mark.parametrize(
    ("given", "thinking"),
    [
        ({"model": "reference-vlm"}, False),
        ({"model": "reference-vlm", "thinking": True}, True),
        ({"model": "a/b", "args": {"chat_template": QWEN3}}, True),
        ({"model": "a/b", "args": {"chat_template": QWEN3}, "thinking": False}, False),
        ({"model": "a/b", "args": {"chat_template": QWEN3, "chat_template_kwargs": {"enable_thinking": False}}}, False),
        ({"model": "a/b", "args": {"chat_template": "{{ messages }}"}}, False),
        ({"model": "deepseek-ai/DeepSeek-R1", "args": {"chat_template": "{{ messages }}"}}, False),
        ({"model": "deepseek-ai/DeepSeek-R1"}, True),
        ({"model": "deepseek-reasoner", "engine": "openai"}, True),
        ({"model": "Qwen/Qwen3-VL-8B-Thinking", "engine": "openai"}, True),
        ({"model": "Qwen/QwQ-32B", "engine": "openai"}, True),
        ({"model": "Qwen/Qwen2.5-VL-7B-Instruct", "engine": "openai"}, False),
        ({"model": "lab/rethink-r10", "engine": "openai"}, False),
        ({"model": "m", "engine": "openai", "args": {"chat_template_kwargs": {"thinking": True}}}, True),
    ],
)
def test_a_model_that_thinks_is_held_to_no_form(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, Any], thinking: bool
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    config = ModelConfig(**given)
    assert thinks(config) is thinking
    assert bool(constrains(config)) is not thinking


def test_the_template_in_the_local_cache_of_the_hub_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--lab--m" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--lab--m" / "refs").mkdir()
    (tmp_path / "models--lab--m" / "refs" / "main").write_text("abc")
    assert not thinks(ModelConfig(model="lab/m"))
    (snapshot / "chat_template.jinja").write_text(QWEN3)
    assert thinks(ModelConfig(model="lab/m"))


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ({"model": "reference-vlm"}, ALL),
        ({"model": "m", "engine": "openai"}, {"json"}),
        ({"model": "m", "engine": "openai", "structured": ["json", "choice", "regex"]}, ALL),
        ({"model": "m", "engine": "openai", "structured": []}, set()),
        ({"model": "reference-vlm", "structured": ["choice"]}, {"choice"}),
    ],
)
def test_the_kinds_that_a_model_is_held_to(given: dict[str, Any], kinds: set[str]) -> None:
    assert constrains(ModelConfig(**given)) == kinds


@pytest.mark.parametrize(
    ("given", "constraint", "says"),
    [
        ({"model": "reference-vlm"}, YES_NO, None),
        ({"model": "m", "engine": "openai"}, YES_NO, "held to json, not to choice; add choice to `structured`"),
        ({"model": "m", "engine": "openai", "structured": ["choice"]}, YES_NO, None),
        ({"model": "m", "structured": []}, YES_NO, "held to no form"),
        ({"model": "reference-vlm"}, Constraint("regex", "("), "'reference-vlm': unclosed group"),
        ({"model": "m", "engine": "openai"}, Constraint("json", '{"type": "object"}'), "additionalProperties"),
        ({"model": "reference-vlm"}, Constraint("json", '{"type": "object"}'), None),
    ],
)
def test_what_cannot_be_held_to_a_form_is_one_sentence(
    given: dict[str, Any], constraint: Constraint, says: str | None
) -> None:
    found = form_fault(ModelConfig(**given), constraint)
    assert found == says if says is None else says in str(found)


def test_asking_what_a_model_can_loads_nothing() -> None:
    code = (
        "import sys\n"
        "from generators.engines.capability import constrains\n"
        "from schemas.engine import ModelConfig\n"
        "assert constrains(ModelConfig(model='reference-vlm'))\n"
        "names = ('torch', 'vllm', 'transformers', 'openai', 'llguidance')\n"
        "sys.exit(','.join(m for m in names if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_request_loses_a_constraint_that_its_model_is_not_held_to() -> None:
    request = Request("row", (), constraint=YES_NO)
    assert held_to({"choice"}, request) is request
    assert held_to({"json"}, request) == Request("row", ())
    assert held_to(frozenset(), Request("row", ())) == Request("row", ())
