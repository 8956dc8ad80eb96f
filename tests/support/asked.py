"""Rows as steps that ask models get them, and the turns that such a step takes with its models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.run.asked import ANSWERS
from schemas.completion import Request
from schemas.sample import MEDIA
from schemas.step import Out, StepType, Tables

Reply = str | None | Mapping[str, Any]
Model = Callable[[Request, int], Reply]
"""What a model replies to a sample of a request: a text, columns of its answer, or None where it is not reached."""
_TYPES = {"media": pl.List(MEDIA), "crop": pl.List(MEDIA), "options": pl.List(pl.String())}
_IDS = dict.fromkeys(("id", "sample_id", "parent_id", "made_by"), pl.String())
IMAGE = {"kind": "image", "sha256": "ab" * 32}
CUT = {"text": "", "finish_reason": "length"}
REFUSED = {"text": None, "finish_reason": "error", "error": "filtered"}


@dataclass
class Named:
    """What bodies may use beside their rows."""

    name: str
    gold_visible: bool = False
    seed: int = 0
    media: Any = None

    def verifiers(self) -> Any:
        raise AssertionError("steps that ask models verify nothing")


def table(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows with the ids r0, r1, …, in order; columns are texts but for media and options."""
    names = dict.fromkeys(name for row in rows for name in row if name not in _IDS)
    base = {"parent_id": None, "made_by": "x"}
    own = [{"id": f"r{i}", "sample_id": f"s{i}", **base, **row} for i, row in enumerate(rows)]
    return pl.DataFrame(own, schema={**_IDS, **{name: _TYPES.get(name, pl.String()) for name in names}})


def converse(
    step: StepType[Any], rows: pl.DataFrame, config: Any, model: Model
) -> tuple[pl.DataFrame, list[list[Request]]]:
    """All answers of all turns with all models, and what was asked in each turn of the last one.

    Asserts what a build relies on: a replay asks the same, and no sample is asked for twice.
    """
    assert step.asks is not None
    answers, turns = [pl.DataFrame(schema=ANSWERS)], list[list[Request]]()
    for name in step.asks.models(config):
        mine, turns = pl.DataFrame(schema=ANSWERS), []
        seen: set[tuple[Any, ...]] = set()
        requests = list(step.asks.requests(rows, config))
        while requests:
            new = [_answer(r, i, name, len(turns), model) for r in requests for i in range(r.first, r.first + r.n)]
            keys = [(r.id, r.prefix, r.sampling, r.of, i) for r in requests for i in range(r.first, r.first + r.n)]
            assert len(set(keys)) == len(keys) and not seen & set(keys), "a sample is asked for twice"
            seen |= set(keys)
            turns.append(requests)
            mine = pl.concat([mine, pl.DataFrame(new, schema=ANSWERS)]).sort("id", maintain_order=True)
            assert step.asks.more is not None
            requests = list(step.asks.more(rows, mine, config, Named(step.name)))
            assert requests == list(step.asks.more(rows, mine, config, Named(step.name))), (
                "a replay asks for something else"
            )
        most = step.asks.most(config)
        assert most is None or mine.is_empty() or mine.group_by("id").len()["len"].max() <= most  # type: ignore[operator]
        answers.append(mine)
    return pl.concat(answers).sort("id", maintain_order=True), turns


def run(step: StepType[Any], rows: pl.DataFrame, config: Any, model: Model, **context: Any) -> Out:
    """What a step makes of its rows. Its columns and ids are held against what it declares, as a build does."""
    answers, _ = converse(step, rows, config, model)
    out = step.body(Tables(rows, {}, answers), config, Named(**{"name": config.as_ or step.name, **context}))
    given = step.gives(config, None)  # type: ignore[arg-type]
    ids = ("id", "parent_id") if given.makes else ("id",)
    assert out.rows is not None
    assert dict(out.rows.schema) == {**dict.fromkeys(ids, pl.String()), **given.columns}
    every = pl.concat([out.rows["id"], out.drops["id"]])
    assert every.n_unique() == every.len()
    if given.makes is None:
        assert set(every) == set(rows["id"])
    else:
        assert set(out.drops["parent_id"]) | set(out.rows["parent_id"]) <= set(rows["id"])
    return out


def _answer(request: Request, index: int, name: str, turn: int, model: Model) -> dict[str, Any]:
    reply = model(request, index)
    columns = {"text": reply} if isinstance(reply, str) else {"finish_reason": None} if reply is None else dict(reply)
    base = {"id": request.id, "model": name, "turn": turn, "of": request.of, "index": index, "tokens": 5}
    return {**base, "finish_reason": "stop", **columns}
