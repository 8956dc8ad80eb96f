import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from filters.verify.catalogue import KINDS
from filters.verify.document import page
from filters.verify.graders import GRADERS

PAGE = Path(__file__).parents[3] / "docs" / "verifiers.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", page(), re.DOTALL)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m filters.verify.document docs/verifiers.md"


def test_the_page_names_every_kind_metric_and_parameter() -> None:
    text = page()
    for kind in KINDS.values():
        section = text.split(f"### `{kind.name}`")[1].split("### ")[0]
        for name, metric in kind.metrics.items():
            assert f"`{name}`" in section
            assert metric.source
            assert metric.rule
        for name, info in kind.params.model_fields.items():
            assert f"`{name}`" in section
            assert info.description or name == "metric", f"{kind.name}.{name} has no description"
        assert set(kind.metrics) == set(kind.params.model_fields["metric"].annotation.__args__)  # type: ignore[union-attr]
        assert kind.params().metric in kind.metrics


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0][:60])
def test_the_examples_run(example: str, tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(example, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "assert" in example


def test_the_page_tells_whose_code_each_grader_restates() -> None:
    rows = re.findall(
        r"^\| (\w+) \| (.+) \|$", page().split("## Trainers' own graders")[1].split("## ")[0], re.MULTILINE
    )
    told = dict(rows[1:])
    assert set(told) == set(GRADERS)
    assert all("/" in rule.split(",")[0] and ".py" in rule for rule in told.values())


def test_there_is_an_example_for_each_trainer() -> None:
    together = " ".join(EXAMPLES)
    for name in ("reward(", "compute_score(", "easyr1_batch", "graded("):
        assert name in together
