"""The step `signals` with the real reference model: what it reads, what it computes once, what it refuses."""

import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError
from recipe_build import sums, write_recipe
from scripted_engine import MODEL
from step_types import TYPES, pipeline
from tiny_build import tiny_build

import pipelines.run.signals
from filters import difficulty_step
from filters.verify import step as verify
from generators.presets import distill
from generators.signals.forced import ForcedModel
from pipelines.job import compile_recipe
from pipelines.run.runner import Runner
from pipelines.steps import rollout, select, signals
from schemas.errors import ConfigError, StepError, StoreError

pytestmark = pytest.mark.filterwarnings("ignore")

SHORT = {"temperature": 1.0, "max_tokens": 4, "seed": 0}
ROLLOUT = ("rollout", {"model": "vlm", "n": 2, "sampling": SHORT, "system": "Count."})
SIGNALS = ("signals", {"model": "vlm", "attention": {}, "likelihood": {}})
GIVEN = ("log_psi", "replies", "logprob", "logprob_masked", "reliance", "signal_error")
ROWS = 6


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (rollout.STEP, signals.STEP, select.STEP, verify.STEP, difficulty_step.STEP, distill.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


def run(root: Path, source: Path, *steps: Any, **more: Any) -> Runner:
    build = tiny_build(root, source, buckets=2, models={"vlm": MODEL}, **more)
    object.__setattr__(build, "replay", more.get("replay", False))
    runner = Runner(build, pipeline(*steps))
    runner.run_all()
    return runner


def table(runner: Runner, unit: str, *columns: str) -> pl.DataFrame:
    node = runner.pipeline.names.node(unit)
    sources = {name: runner.pipeline.names.find(node, (name,), text=True) for name in columns}
    return pl.concat([runner.tables.current(node, sources, bucket, 99) for bucket in range(2)]).sort("id")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions about images, of which one is about none."""
    folder, lines = tmp_path_factory.mktemp("source"), []
    for number in range(ROWS):
        Image.new("RGB", (64, 64), (40 * number, 90, 200)).save(folder / f"{number}.png")
        image = {"image": [f"{number}.png"]} if number else {"image": []}
        lines.append({**image, "question": f"How many shapes are there beside {number}?", "answer": str(number)})
    path = folder / "shapes.jsonl"
    pl.DataFrame(lines).write_ndjson(path)
    return path


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    with pytest.MonkeyPatch.context() as patch:
        for step in (rollout.STEP, signals.STEP):
            patch.setitem(TYPES, step.name, step)
        return run(tmp_path_factory.mktemp("out"), source, ROLLOUT, SIGNALS)


def test_every_row_has_its_signals_and_none_is_dropped(done: Runner) -> None:
    found = table(done, "sample", *GIVEN)
    replies = table(done, "rollout", "text").filter(pl.col("text") != "")
    assert found.height == ROWS
    assert found["signal_error"].null_count() == ROWS
    assert set(found.filter(pl.col("log_psi").is_not_null())["id"]) == set(replies["sample_id"])
    assert found["replies"].drop_nulls().to_list() == found["log_psi"].is_not_null().cast(int).to_list()
    assert (found["logprob"] < 0).all()
    assert found["reliance"].null_count() == 1, "one question has no image to mask"
    seen = found.drop_nulls("reliance")
    assert seen["reliance"].to_list() == pytest.approx((seen["logprob"] - seen["logprob_masked"]).to_list())


def test_the_log_is_the_memory(done: Runner, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other sigmas and reductions load no model; what is not in the log is refused in a replay."""

    def no_model(self: Any, *args: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(ForcedModel, "__init__", no_model)
    root, before = done.build.workspace.root, table(done, "sample", *GIVEN)
    other = ("signals", {"model": "vlm", "attention": {"sigma": 4.0, "span": "all", "heads": "mean"}, "likelihood": {}})
    changed = table(run(root, source, ROLLOUT, other, name="other"), "sample", *GIVEN)
    assert changed["log_psi"].to_list() != before["log_psi"].to_list()
    assert changed["reliance"].to_list() == before["reliance"].to_list()
    assert table(run(root, source, ROLLOUT, SIGNALS, name="again"), "sample", *GIVEN).equals(before)
    lacking = ("signals", {"model": "vlm", "attention": {"span": "window", "span_tokens": 3}})
    with pytest.raises(StepError, match="values of signal 'attention' are not in the log"):
        run(root, source, ROLLOUT, lacking, name="replayed", replay=True)


def test_a_stop_loses_nothing_that_was_computed(done: Runner, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.run.signals.CHUNK", 2)
    section = ("signals", {"model": "vlm", "likelihood": {"end": False}})
    counts: list[int] = []
    real = ForcedModel.likelihood

    def stopped(self: ForcedModel, texts: Any, *, end: bool) -> Any:
        counts.append(len(texts))
        if len(counts) == 3:
            raise KeyboardInterrupt
        return real(self, texts, end=end)

    monkeypatch.setattr(ForcedModel, "likelihood", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(done.build.workspace.root, source, ROLLOUT, section, name="stopped")
    runner = run(done.build.workspace.root, source, ROLLOUT, section, name="stopped")
    texts = ROWS + ROWS - 1  # with the whole image and with a masked one; one row has none
    assert sum(counts) == texts + 2, "only the chunk that was being computed is computed again"
    assert table(runner, "sample", "logprob")["logprob"].null_count() == 0


def test_values_that_go_before_they_are_read_are_a_sentence(
    done: Runner, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may set a part of the log aside; a null stood for each of its values."""
    root = tmp_path / "out"
    shutil.copytree(done.build.workspace.root / "log" / "completions", root / "log" / "completions")
    reduced = pipelines.run.signals._reduced

    def removed(signal: Any, log: Any, *paths: Path) -> None:
        for part in log.files.parts():
            part.unlink()
        reduced(signal, log, *paths)

    monkeypatch.setattr(pipelines.run.signals, "_reduced", removed)
    with pytest.raises(StoreError, match="were damaged or set aside while they were read"):
        run(root, source, ROLLOUT, SIGNALS)


def test_a_model_that_is_not_in_the_recipe_is_refused_with_its_line(tmp_path: Path) -> None:
    steps = [{"rollout": {"model": "vlm"}}, {"signals": {"model": "vln", "likelihood": {}}}]
    path = write_recipe(tmp_path, steps, sums(1), models={"vlm": {"model": "reference-vlm"}})
    with pytest.raises(ConfigError, match=r"recipe\.yaml:\d+: steps\.signals\.model: no model named 'vln'.*'vlm'"):
        compile_recipe(str(path))


def test_the_text_around_the_answer_is_a_template() -> None:
    for text, sentence in (("{answer}", "written {{ answer }}"), ("{{ gold }}", "may read answer, and no `gold`")):
        with pytest.raises(ValidationError, match=re.escape(sentence)):
            signals.SignalsStepConfig.model_validate({"model": "vlm", "likelihood": {"template": text}})
    with pytest.raises(ValidationError, match="name at least one signal: attention, likelihood"):
        signals.SignalsStepConfig.model_validate({"model": "vlm"})


def test_the_likelihood_of_replies_is_read_behind_the_prompt_that_they_answer(done: Runner, source: Path) -> None:
    section = ("signals", {"model": "vlm", "likelihood": {"of": "rollouts", "mask": None}})
    runner = run(done.build.workspace.root, source, ROLLOUT, section, name="replies")
    found = table(runner, "sample", "logprob")
    spoke = set(table(runner, "rollout", "text").filter(pl.col("text") != "")["sample_id"])
    assert spoke <= set(found.drop_nulls("logprob")["id"])


def test_rap_reads_the_attention() -> None:
    blind = ("rollout", {**ROLLOUT[1], "as": "blind", "sees": "nothing"})
    counted = ("difficulty", {"of": "rollout"}), ("difficulty", {"as": "k_blind", "of": "blind"})
    rule = {"type": "rap", "lambda_a": 0.5}
    chosen = ("select", {"rule": rule, "k": "difficulty", "blind": "k_blind"})
    found = pipeline(ROLLOUT, blind, ("verify", {"of": "rollout"}), ("verify", {"as": "v2", "of": "blind"}),
                     *counted, ("signals", {**SIGNALS[1], "of": "rollout"}), chosen)  # fmt: skip
    assert any(column.step == "signals" and column.name == "log_psi" for column in found.step("select").read)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (
            (ROLLOUT, ("signals", {"model": "teacher", "attention": {}})),
            "it reads replies of 'teacher', and they are of vlm",
        ),
        ((("make", {"makes": "rollout"}), SIGNALS), "'make', which made the rows, asked no model"),
        (
            (("rollout", {**ROLLOUT[1], "as": "one"}), ("rollout", {**ROLLOUT[1], "as": "more"}), SIGNALS),
            "'one' and 'more' made the rows",
        ),
    ],
)
def test_what_it_cannot_read_is_refused(steps: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        pipeline(*steps)


@pytest.mark.parametrize(
    ("section", "columns"),
    [
        ({"attention": {}}, ("log_psi", "replies", "signal_error")),
        ({"likelihood": {}}, ("logprob", "logprob_masked", "reliance", "signal_error")),
        ({"likelihood": {"mask": None}}, ("logprob", "signal_error")),
        ({"attention": {}, "likelihood": {}}, GIVEN),
    ],
)
def test_a_signal_that_nobody_asked_for_has_no_column(section: dict[str, Any], columns: tuple[str, ...]) -> None:
    config = signals.SignalsStepConfig.model_validate({"model": "vlm", **section})
    assert tuple(signals.gives(config)) == columns
