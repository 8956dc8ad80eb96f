"""MiLDEdit (arXiv 2601.04589): a set of layers is scored by F1, and right as a whole."""

import json
from typing import Any

import duckdb
import polars as pl

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.selftest import OtherGolds, selftest
from filters.verify.verifier import verify
from pipelines.job import compile_recipe
from schemas.answer import dump_answer
from schemas.sample import SAMPLE

LAYERS = ([1, 3], [2], [2, 4, 5], [1], [3, 4], [1, 2, 3, 4])


def golds() -> pl.DataFrame:
    """What the recipe makes of its source's rows: their golds and verifiers."""
    (source,) = compile_recipe("mildedit").document.sources
    with duckdb.connect() as connection:
        given = pl.DataFrame({"layer_ids": LAYERS})
        connection.register("raw", given.with_columns(instruction=pl.lit("Make it red."), images=pl.lit("a.png")))
        made = connection.execute(str(source.select)).pl()
    rows = made.select("answer", "verifier_params").iter_rows()
    return pl.DataFrame([sample(str(number), *row) for number, row in enumerate(rows)], schema=SAMPLE)


def sample(name: str, layers: list[int], params: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(layers)
    return {
        "id": name,
        "source": {"dataset": "layers", "split": "train", "row": name, "license": "", "url": ""},
        "options": [],
        "answer": {"kind": "set", "raw": text, "parsed": dump_answer(parse_gold("set", text))},
        "verifier": {"id": "set", "params": json.dumps(params)},
    }


def test_no_gold_is_lost_though_a_list_of_all_layers_reaches_half() -> None:
    samples = golds()
    others = OtherGolds(0)
    others.add(samples)
    with VerifierPool(workers=1, budget_s=2.0) as pool:
        assert selftest(samples, others, 0, pool).split.dropped.rows() == []


def test_some_of_the_layers_are_a_score_and_not_right() -> None:
    """Gold {1, 3}: {1} is worth 2 * 1 / (1 + 2), {1, 3} is right in any order, all five are worth 2 * 2 / (5 + 2)."""
    params = json.loads(golds()["verifier"][0]["params"])
    found = [
        verify(text, parse_gold("set", "[1, 3]"), verifier="set", params=params, tags="plain")
        for text in ("1", "3, 1", "1, 2, 3, 4, 5")
    ]
    assert [round(verdict.score or 0, 3) for verdict in found] == [0.667, 1.0, 0.571]
    assert [verdict.correct for verdict in found] == [False, True, False]
