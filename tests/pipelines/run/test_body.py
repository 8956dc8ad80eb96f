"""A step that reads what it does not declare is named, with the column; other errors of bodies stay what they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from step_types import GIVE
from tiny_build import questions, tiny_build

from pipelines.compiler.compile import Entry, compile_steps
from pipelines.run import body as bodies
from pipelines.run.runner import Runner
from pipelines.steps.ingest import INGEST
from schemas.completion import Request
from schemas.engine import ModelConfig
from schemas.errors import StepError
from schemas.sample import ANSWER
from schemas.step import Asks, Gives, Out, Reads, StepConfig, StepType, Tables, read

Body = Callable[[Tables, Any, Any], Out]


def probe(body: Body, **more: Any) -> StepType[Any]:
    """A type that reads the question, and runs `body`."""
    reads = Reads({"question": read("question", pl.String())})
    type_ = StepType("probe", "looks", 1, StepConfig, lambda c, k: reads, lambda c, k: Gives(), body, of="sample")
    return replace(type_, **more)


def run(root: Path, type_: StepType[Any], **section: Any) -> Runner:
    config = type_.config(**section)
    steps = compile_steps([Entry("ingest", INGEST, StepConfig(), "r:1"), Entry("mine", type_, config, "r:2")])
    models = {"m": ModelConfig(model="reference-vlm")}
    runner = Runner(tiny_build(root / "ws", questions(root / "sums.jsonl"), buckets=2, models=models), steps)
    runner.run_all()
    return runner


def as_column(tables: Tables, config: Any, context: Any) -> Out:
    return Out(tables.rows.with_columns(pl.col("answer").struct.field("raw")))


def as_series(tables: Tables, config: Any, context: Any) -> Out:
    return Out(tables.rows.filter(tables.rows["answer"].is_not_null()))


def as_key(tables: Tables, config: Any, context: Any) -> Out:
    return Out(pl.DataFrame([{"id": row["id"], "x": row["answer"]} for row in tables.rows.iter_rows(named=True)]))


SENTENCE = (
    "Step 'mine' reads a column 'answer' that it does not declare. Add it to the `reads` of the step type 'probe'."
)


@pytest.mark.parametrize("body", [as_column, as_series, as_key])
@pytest.mark.parametrize("scope", ["row", "all"])
def test_a_body_that_reads_an_undeclared_column_is_named(tmp_path: Path, body: Body, scope: str) -> None:
    with pytest.raises(StepError) as caught:
        run(tmp_path, probe(body, scope=lambda config: scope))
    assert str(caught.value) == SENTENCE


def test_so_is_one_that_asks_about_an_undeclared_column(tmp_path: Path) -> None:
    def requests(rows: pl.DataFrame, config: Any) -> Any:
        for row in rows.iter_rows(named=True):
            yield Request(row["id"], row["answer"])

    asks: Asks[Any] = Asks(models=lambda config: ("m",), requests=requests)
    with pytest.raises(StepError) as caught:
        run(tmp_path, probe(lambda tables, config, context: Out(), asks=asks))
    assert str(caught.value) == SENTENCE


def test_other_errors_of_a_body_stay_what_they_are(tmp_path: Path) -> None:
    def own_table(tables: Tables, config: Any, context: Any) -> Out:
        return Out({}["no column of any step"])

    with pytest.raises(KeyError, match="no column of any step"):
        run(tmp_path, probe(own_table))


@pytest.mark.parametrize(("limit", "most"), [("PIECE", 2), ("PIECE_BYTES", 1)])
def test_pieces_of_rows_come_together_as_one_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(bodies, limit, most)
    sizes: list[int] = []

    def count(tables: Tables, config: Any, context: Any) -> Out:
        sizes.append(tables.rows.height)
        return Out(notes={"seen": tables.rows.height})

    record = run(tmp_path, probe(count)).record.step("mine")
    assert record is not None
    assert max(sizes) == most
    assert record["kept"] == sum(sizes) == record["notes"]["seen"] == 12


def test_a_condition_that_reads_a_gold_as_text_leaves_it_whole_for_the_body(tmp_path: Path) -> None:
    """`where: answer = '4'` reads the text of the gold; a body that reads the gold gets the gold."""
    got: list[pl.DataFrame] = []

    def look(tables: Tables, config: Any, context: Any) -> Out:
        got.append(tables.rows)
        return Out()

    reads = Reads({"answer": read("answer", ANSWER)})
    run(tmp_path, probe(look, reads=lambda config, known: reads), where="answer = '4'")
    rows = pl.concat(got)
    assert rows.schema["answer"] == ANSWER
    assert rows["answer"].struct["raw"].to_list() == ["4"]


def test_a_condition_without_columns_is_of_every_row(tmp_path: Path) -> None:
    record = run(tmp_path, GIVE, columns={"x": "question"}, where="1 = 1").record.step("mine")
    assert record is not None
    assert (record["kept"], record["passed"]) == (12, 0)
