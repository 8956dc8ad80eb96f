"""The funnel of steps: every row is on it once, and the work of this build is told from that of earlier ones."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from step_types import CUT, GIVE, MAKE
from tiny_build import questions, tiny_build

from flows.funnel import funnel_rows, funnel_table
from generators.ask import STEP as ASK
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.run.runner import Runner
from pipelines.steps.ingest import INGEST
from schemas.engine import CacheUse, ModelConfig
from schemas.step import StepConfig

pytestmark = pytest.mark.filterwarnings("ignore")


def build(root: Path, n: int, source: Path) -> tuple[list[dict[str, Any]], str]:
    ask = {"model": "m", "prompt": "{{ question }}", "sees": "nothing", "makes": "reply", "n": n}
    steps: list[tuple[str, Any, dict[str, Any]]] = [
        ("give", GIVE, {"columns": {"x": "question"}, "where": "answer != '0'"}),
        ("ask", ASK, {**ask, "sampling": {"max_tokens": 4, "temperature": 1.0}}),
        ("make", MAKE, {"n": 2}),
        ("cut", CUT, {"when": "answer = '2'"}),
        ("seen", GIVE, {"of": "trace", "columns": {"y": "text"}}),
    ]
    entries = [Entry("ingest", INGEST, StepConfig(), "r:1")]
    entries += [Entry(name, type_, type_.config.model_validate({"as": name, **s}), "r:2") for name, type_, s in steps]
    models = {"m": ModelConfig(model="reference-vlm", engine="transformers")}
    runner = Runner(tiny_build(root, source, models=models, buckets=4), compile_steps(entries))
    records = runner.run_all()
    assert runner.record.run == runner.build.run
    return records, runner.build.run


def by_step(built: tuple[list[dict[str, Any]], str | None]) -> dict[str, dict[str, Any]]:
    return {row["step"]: row for row in funnel_rows(*built)}


def printed(built: tuple[list[dict[str, Any]], str]) -> str:
    out = StringIO()
    Console(file=out, width=140).print(funnel_table(*built))
    return out.getvalue()


def test_a_funnel_counts_every_row_and_tells_this_build_from_those_before(tmp_path: Path) -> None:
    source = questions(tmp_path / "sums.jsonl", 6)
    first = build(tmp_path / "out", 1, source)
    rows = by_step(first)
    assert (rows["ask"]["asked"], rows["ask"]["work"]) == (6, "")
    assert rows["ask"]["tokens"] > 0
    assert rows["make"]["reasons"] == "12 traces of 6 samples"
    assert rows["give"]["reasons"] == "1 passed by `where`"
    assert rows["cut"]["reasons"] == "1 cut:cut"
    assert (rows["seen"]["in"], rows["seen"]["kept"], rows["seen"]["gone"]) == (10, 10, 2)
    lines = [line for line in printed(first).splitlines() if "gone with what they were made from" in line]
    assert len(lines) == 1
    assert [cell.strip() for cell in lines[0].split("│")[1:4]] == ["", "trace", "2"]

    again = build(tmp_path / "out", 1, source)
    assert {row["work"] for row in funnel_rows(*again)} == {"reused"}
    assert {(row["asked"], row["tokens"], row["seconds"]) for row in funnel_rows(*again)} == {(0, 0, 0.0)}
    assert printed(again).count("reused") == 6

    more = build(tmp_path / "out", 2, source)
    rows = by_step(more)
    assert (rows["ask"]["asked"], rows["ask"]["work"]) == (6, "")
    assert rows["ask"]["reasons"].startswith("12 replies of 6 samples")
    assert rows["ask"]["reasons"].endswith("6 of 12 replies from the log")
    assert rows["make"]["work"] == "reused"


def test_what_engines_found_in_their_caches_is_shown_of_those_that_count_it(tmp_path: Path) -> None:
    records, _ = build(tmp_path / "out", 1, questions(tmp_path / "sums.jsonl", 6))
    (asking,) = (record for record in records if record["step"] == "ask")
    assert "cached" not in by_step((records, None))["ask"]["reasons"]
    asking["asked"]["m"]["cache"] = CacheUse(1000, 830, 40, 35)._asdict()
    assert by_step((records, None))["ask"]["reasons"].endswith("83% of prompt tokens cached, 35 of 40 images cached")


def test_one_changed_row_is_the_work_of_some_buckets(tmp_path: Path) -> None:
    source = questions(tmp_path / "sums.jsonl", 6)
    build(tmp_path / "out", 1, source)
    source.write_text(source.read_text().replace("What is 5 + 5?", "What is 5 and 5?"))
    rows = by_step(build(tmp_path / "out", 1, source))
    assert rows["make"]["work"] in {"1 of 4 buckets", "2 of 4 buckets"}
    assert rows["ask"]["asked"] == 1
