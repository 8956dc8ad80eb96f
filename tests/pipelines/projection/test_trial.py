"""A trial that measures, against a server on loopback."""

import json
import time
from pathlib import Path

import pytest
from chat_server import Answer, Asked, completion
from served_build import Server, job

from pipelines.job import Job
from pipelines.preflight import check
from pipelines.projection.hours import project
from pipelines.projection.trial import OpenJob, calibrate
from schemas.errors import ConfigError

STEPS = "  - verify: {of: rollout}\n  - difficulty\n"
ROWS = [{"question": f"question {n}", "answer": "4", "kind": "number"} for n in range(60)]


def opened(folder: Path, server: Server, *overrides: str) -> OpenJob:
    def open_job(limit: int | None) -> Job:
        more = [] if limit is None else [f"limit={limit}"]
        return job(folder, server, *overrides, *more, rows=ROWS, steps=STEPS)

    return open_job


def test_hours_are_at_least_those_that_the_models_took_and_what_they_answered_is_in_the_log(tmp_path: Path) -> None:
    def slow(body: Asked) -> Answer:
        time.sleep(0.2)
        return completion(body)

    with Server() as server:
        server.answer = slow
        open_job = opened(tmp_path, server, "models.m.concurrency=4", "models.m.price_out=2.0")
        measured, size = calibrate(open_job, 40, check)
        assert (size.samples, size.answers_each) == (60, 2.0)
        assert (measured.samples, measured.answers) == (20, 40)
        assert measured.wanted == {("rollout", "m"): 40}
        assert measured.log_bytes > 0 and measured.table_bytes > 0 and measured.disk_rate > 0
        (one,) = measured.asked
        assert (one.step, one.model, one.window) == ("rollout", "m", 4)
        assert one.rate <= 4 / 0.2
        found = project(measured, 1_000_000)
        assert found.hours["models"] >= 1_000_000 * 2 / 20 / 3600
        assert found.dollars == pytest.approx(20.0)  # ten tokens a call for two
        asked = server.asked
        open_job(None).run()
        assert server.asked == asked + 60 - 20
        assert not list((tmp_path / "out").glob(".curate-probe-*"))


def test_a_log_that_holds_all_of_it_says_how_many_to_ask(tmp_path: Path) -> None:
    with Server() as server:
        open_job = opened(tmp_path, server)
        calibrate(open_job, 10, check)
        with pytest.raises(ConfigError, match="--calibrate 40"):
            calibrate(open_job, 10, check)


def test_a_recipe_that_asks_nothing_has_nothing_to_calibrate(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps(row) for row in ROWS))
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"name: r\nsources:\n  - {{type: jsonl, name: rows, path: {rows}}}\nsteps:\n  - split: {{sft: 1.0}}\n"
    )
    from pipelines.job import compile_recipe, open_job

    with pytest.raises(ConfigError, match="asks no model"):
        calibrate(lambda limit: open_job(compile_recipe(str(recipe), limit=limit), tmp_path / "out"), 10, check)
