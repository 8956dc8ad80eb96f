"""Adaptive rollouts: what is asked, what that says of a sample, and which rules may read it."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from scripted_engine import MODEL, Scripted, question_of
from step_types import TYPES, pipeline
from tiny_build import questions, tiny_build

from filters import difficulty_step
from filters.stopping import StoppingRule
from filters.verify import step as verify
from pipelines.run.driver_config import DriverConfig
from pipelines.run.runner import Runner
from pipelines.steps import rollout, select
from schemas.adaptive import AdaptiveConfig
from schemas.completion import Request

Section = dict[str, Any]
N = 6
EARLY = {"first": 2, "wave": 1, "no_answer": "wrong"}
AFTER = (("verify", {"of": "rollout"}), ("difficulty", {"no_answer": "wrong"}))


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (rollout.STEP, verify.STEP, difficulty_step.STEP, select.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions(tmp_path_factory.mktemp("source") / "sums.jsonl", 9)


def says(request: Request, index: int) -> str:
    """Sums below 3 are always right, below 6 always wrong, the others right at even indexes."""
    found = re.search(r"What is (\d+)", question_of(request))
    assert found
    number = int(found[1])
    return str(2 * number) if number < 3 or (number >= 6 and index % 2 == 0) else "-1"


def asking(**more: Any) -> tuple[str, Section]:
    return "rollout", {
        "model": "vlm",
        "n": N,
        "sampling": {"temperature": 1.0, "max_tokens": 4},
        "adaptive": EARLY,
    } | more


def run(root: Path, source: Path, *steps: Any, buckets: int = 2, **more: Any) -> Runner:
    build = tiny_build(
        root, source, buckets=buckets, models={"vlm": MODEL}, driver=DriverConfig(workers=1, max_retries=0), **more
    )
    runner = Runner(build, pipeline(*steps))
    runner.run_all()
    return runner


def table(runner: Runner, unit: str, *columns: str) -> pl.DataFrame:
    node = runner.pipeline.names.node(unit)
    sources = {name: runner.pipeline.names.find(node, (name,), text=True) for name in columns}
    found = [runner.tables.current(node, sources, bucket, 99) for bucket in range(runner.record.buckets)]
    return pl.concat(found).sort("id")


def test_a_sample_is_asked_until_its_answers_decide(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    runner = run(tmp_path, source, asking(), *AFTER)
    samples = table(runner, "sample", "question", "k", "n", "asked", "in_band", "stopped")
    rule = StoppingRule(N, AdaptiveConfig(first=2, wave=1))
    for question, k, n, asked, in_band, stopped in samples.drop("id", "sample_id", "parent_id", "made_by").iter_rows():
        number = int(question.split()[2])
        row = ["right" if says_right(number, index) else "wrong" for index in range(N)]
        assert (asked, k, n - k, in_band, stopped) == rule.walk(row)  # type: ignore[arg-type]
    assert len(engine.asked) == samples["asked"].sum() < 9 * N
    assert set(samples["stopped"]) == {"in_band", "out_of_band"}


def says_right(number: int, index: int) -> bool:
    return number < 3 or (number >= 6 and index % 2 == 0)


def test_what_was_not_asked_for_is_no_rollout(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(says).install(monkeypatch)
    runner = run(tmp_path, source, asking(), *AFTER)
    record = runner.record.step("rollout")
    assert record is not None
    rollouts = table(runner, "rollout", "index", "in_band")
    assert record["dropped"] == {}
    assert record["notes"] == {"asked": rollouts.height, "of": 9 * N}
    by_sample = rollouts.group_by("parent_id").agg(pl.col("index").sort())
    assert all(indexes == list(range(len(indexes))) for indexes in by_sample["index"].to_list())


def test_a_replay_and_any_number_of_buckets_come_to_the_same(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    first = table(run(tmp_path, source, asking(), *AFTER), "sample", "k", "n", "stopped")
    count = len(engine.asked)
    again = run(tmp_path, source, asking(), *AFTER, buckets=1, name="other")
    assert table(again, "sample", "k", "n", "stopped").equals(first)
    assert len(engine.asked) == count, "the log held all that was wanted"


COUNTS = ("k", "n", "asked", "in_band", "stopped")


def test_a_log_that_holds_all_n_changes_nothing(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody asked for all n; a recipe that stops early still reads only what it would have asked for."""
    engine = Scripted(says).install(monkeypatch)
    alone = run(tmp_path / "alone", source, asking(), *AFTER)
    run(tmp_path / "both", source, asking(adaptive=None), *AFTER, name="whole")
    engine.asked.clear()
    beside = run(tmp_path / "both", source, asking(), *AFTER)
    assert table(beside, "sample", *COUNTS).equals(table(alone, "sample", *COUNTS))
    assert table(beside, "rollout", "index", "final").equals(table(alone, "rollout", "index", "final"))
    assert not engine.asked


def test_other_rows_and_their_order_change_nothing(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    whole = table(run(tmp_path, source, asking(), *AFTER), "sample", *COUNTS)
    engine.asked.clear()
    lines = source.read_text().splitlines()
    turned = tmp_path / "turned.jsonl"
    turned.write_text("\n".join(lines[:5][::-1]))
    fewer = table(run(tmp_path, turned, asking(), *AFTER, name="fewer"), "sample", *COUNTS)
    assert fewer.height == 5 and not engine.asked
    assert fewer.equals(whole.join(fewer, on="id", how="semi"))


def test_a_wider_band_asks_only_for_more(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted(says).install(monkeypatch)
    run(tmp_path, source, asking(), *AFTER)
    before = len(engine.asked)
    wider = run(tmp_path, source, asking(adaptive=EARLY | {"band": [2, 4], "confidence": 1}), *AFTER)
    samples = [(question_of(request), index) for request, index in engine.asked]
    assert before < len(samples) == len(set(samples)) == table(wider, "sample", "asked")["asked"].sum() <= 9 * N


def test_rows_that_share_a_prompt_and_not_a_gold_stop_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers that both need are asked for once, and the row that is undecided goes on alone."""
    engine = Scripted(lambda request, index: "0" if index < 4 else "1").install(monkeypatch)
    rows = [{"question": "What is 0 + 0?", "answer": answer} for answer in ("0", "1")]
    pl.DataFrame(rows).write_ndjson(tmp_path / "rows.jsonl")
    steps = (asking(adaptive=EARLY | {"band": [1, 3], "confidence": 1}), *AFTER)
    samples = table(run(tmp_path, tmp_path / "rows.jsonl", *steps), "sample", "asked", "stopped")
    assert sorted(samples["asked"]) == [4, 5]
    assert sorted(index for _, index in engine.asked) == [0, 1, 2, 3, 4]


def test_who_is_not_reached_waits_undecided(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(lambda r, i: None if i >= 2 and "4 + 4" in question_of(r) else says(r, i)).install(monkeypatch)
    runner = run(tmp_path, source, asking(), *AFTER)
    waiting = table(runner, "sample", "question", "in_band", "stopped").filter(stopped="unanswered")
    assert waiting.select("question", "in_band").rows() == [("What is 4 + 4?", None)]
    engine = Scripted(says).install(monkeypatch)
    again = run(tmp_path, source, asking(), *AFTER)
    assert table(again, "sample", "stopped").filter(stopped="unanswered").is_empty()
    assert {question_of(request) for request, _ in engine.asked} == {"What is 4 + 4?"}


def test_several_students_stop_by_themselves(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(says).install(monkeypatch)
    build = tiny_build(tmp_path, source, models={"a": MODEL, "b": MODEL.model_copy(update={"args": {"x": 1}})})
    steps = pipeline(asking(model=("a", "b")), AFTER[0], ("difficulty", {"model": "b", "no_answer": "wrong"}))
    runner = Runner(build, steps)
    runner.run_all()
    rollouts = table(runner, "rollout", "model", "index")
    assert rollouts.filter(model="a").height == rollouts.filter(model="b").height
    assert table(runner, "sample", "in_band")["in_band"].null_count() == 0


def test_the_student_is_not_shown_the_gold_that_decides() -> None:
    found = pipeline(asking()).step("rollout")
    assert not found.gold_visible
    assert found.gives["in_band"] == pl.Boolean()
    assert "in_band" not in pipeline(asking(adaptive=None)).step("rollout").gives


def test_the_decision_is_what_is_selected_by(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(says).install(monkeypatch)
    chosen = ("select", {"rule": {"type": "in_band"}, "control": None})
    runner = run(tmp_path, source, asking(), *AFTER, chosen)
    record = runner.record.step("select")
    assert record is not None
    assert (record["kept"], record["dropped"]) == (3, {"select:out_of_band": 6})


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"adaptive": {"band": [1, 7]}}, "counts right answers out of n = 6, so it cannot end at 7"),
        ({"adaptive": {}, "tries": 2}, "it goes without `tries` and `conclude`"),
    ],
)
def test_sections_that_cannot_stop_early(section: Section, sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        rollout.AdaptiveRolloutConfig.model_validate(asking(**section)[1])


def test_the_embedded_model_is_asked_until_its_answers_decide(tmp_path: Path, source: Path) -> None:
    runner = run(tmp_path, source, asking(n=4), *AFTER)
    samples = table(runner, "sample", "asked", "stopped", "in_band")
    assert samples.height == 9
    assert samples["stopped"].null_count() == samples["in_band"].null_count() == 0
    assert samples["asked"].is_between(2, 4).all()
