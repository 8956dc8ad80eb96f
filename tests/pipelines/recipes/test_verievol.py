"""VeriEvol (arXiv 2606.23543; verifier/htv_agent): two solvers of three meet, and nobody refutes them."""

import polars as pl
from own_steps import run, table

from pipelines.job import compile_recipe

SOLVERS = ("first", "second", "third")
REACHED = {
    "all": (True, True, True),
    "two": (True, False, True),
    "one": (False, True, None),
    "none": (None, None, None),
}


def test_two_solvers_of_three_have_to_meet_the_answer() -> None:
    samples = table(*({"id": id_, "sample_id": id_} for id_ in sorted(REACHED)))
    traces = table(
        *(
            {"id": f"{id_}-{solver}", "sample_id": id_, "parent_id": id_, "made_by": solver, "correct": right}
            for id_, verdicts in REACHED.items()
            for solver, right in zip(SOLVERS, verdicts, strict=True)
        ),
        correct=pl.Boolean,
    )
    counted = run("verievol", "meeting", samples, counted=traces).rows
    assert dict(counted.select("id", "solvers").rows()) == {"all": 3, "two": 2, "one": 1, "none": 0}
    out = run("verievol", "disputed", samples.join(counted, on="id", maintain_order="left"))
    assert dict(out.drops.select("id", "reason").rows()) == {
        "none": "disputed:solvers_disagree",
        "one": "disputed:solvers_disagree",
    }


def test_what_is_refuted_goes() -> None:
    rows = table({"id": "a", "confirmed": "yes"}, {"id": "b", "confirmed": "no"}, confirmed=pl.String)
    assert run("verievol", "refuted", rows).drops.select("id", "reason").rows() == [("b", "refuted:refuted")]


def test_it_compiles_as_published() -> None:
    pipeline = compile_recipe("verievol").pipeline
    assert [pipeline.step(solver).config.sampling.temperature for solver in SOLVERS] == [0.2, 0.6, 0.15]
    assert pipeline.step("answered").config.sampling.max_tokens == 32768
    assert not any(pipeline.step(solver).gold_visible for solver in SOLVERS)
    assert pipeline.unread == ()
