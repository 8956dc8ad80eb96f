"""VisNec, VIG and CVS of rows whose need of the image is known, read off the real reference model."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from scripted_engine import MODEL
from step_types import TYPES, pipeline
from tiny_build import tiny_build

from generators.scenes import iter_scenes, render
from generators.signals.forced import ForcedModel
from pipelines.run.runner import Runner
from pipelines.steps import signals
from pipelines.steps.signal_texts import texts_a_row
from schemas.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")

LOSS = {"model": "vlm", "prompt": "{{ question }}", "likelihood": {"mask": None, "blind": True}}
ABOUT = "Is there a {% if question %}{{ question }} {% endif %}{{ answer }}?"
CVS = {"model": "vlm", "prompt": "{{ question }}", "validity": {"prompt": ABOUT, "yes": "yes", "no": "no"}}


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TYPES, "signals", signals.STEP)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Images of two objects of different colours and shapes."""
    folder = tmp_path_factory.mktemp("scenes")
    every = [s.objects for s in iter_scenes("curate", 30, seed=5, levels=(1,))]
    kept = [i for i, o in enumerate(every) if len({x.colour for x in o}) == len({x.shape for x in o}) == 2][:4]
    for place, scene in enumerate(iter_scenes("curate", 30, seed=5, levels=(1,))):
        if place in kept:
            render(scene).save(folder / f"{place}.png")
    return folder, [(f"{place}.png", every[place]) for place in kept]


def build(root: Path, folder: Path, rows: list[dict[str, Any]], section: dict[str, Any]) -> pl.DataFrame:
    """The rows with what `signals` gives, of which no rollouts were asked for."""
    path = folder / f"{root.name}.jsonl"
    pl.DataFrame(rows, infer_schema_length=None).write_ndjson(path)
    made = tiny_build(root, path, buckets=2, models={"vlm": MODEL})
    source = made.recipe.sources[0].model_copy(update={"kind": "text"})
    object.__setattr__(made.recipe, "sources", (source,))
    runner = Runner(made, pipeline(("signals", section)))
    runner.run_all()
    node = runner.pipeline.names.node("sample")
    wanted = [*signals.gives(signals.SignalsStepConfig.model_validate(section)), "question", "answer"]
    sources = {name: runner.pipeline.names.find(node, (name,), text=True) for name in wanted}
    return pl.concat([runner.tables.current(node, sources, b, 99) for b in range(2)])


def test_a_question_that_needs_its_image_gains_more_by_it_than_one_that_its_text_answers(
    scenes: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    """The colour of a shape; what the text fixes (no scene has a purple shape); and a colour that the image denies."""
    folder, images = scenes
    rows = []
    for image, (one, other) in images:
        asked = f"What is the color of the {one.shape}?"
        rows += [
            {"image": [image], "question": asked, "answer": one.colour},
            {"image": [image], "question": "does the image not contain a purple shape?", "answer": "yes"},
            {"image": [image], "question": f"{asked} ", "answer": "pink" if other.colour != "pink" else "green"},
        ]
    found = build(tmp_path / "out", folder, rows, LOSS)
    text = found.filter(pl.col("question").str.starts_with("does"))
    colour = found.filter(~pl.col("question").str.starts_with("does"))
    true = colour.filter(~pl.col("answer").is_in(["pink", "green"]))
    wrong = colour.filter(pl.col("answer").is_in(["pink", "green"]))
    assert (true.height, text.height, wrong.height) == (4, 4, 4)
    assert true["visnec"].min() > text["visnec"].max()  # type: ignore[operator]
    assert text["visnec"].min() > 0 > wrong["visnec"].max()  # type: ignore[operator]
    assert true["vig"].mean() > text["vig"].mean() > wrong["vig"].mean()  # type: ignore[operator]
    assert found["visnec"].to_list() == pytest.approx((found["logprob"] - found["logprob_blind"]).to_list())


def test_a_question_moves_the_verdict_up_where_it_is_about_the_answer_and_down_where_it_conflicts(
    scenes: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    """The judge is asked whether there is "a shape", and with the question "a red shape", which is there or is not."""
    folder, images = scenes
    there = [{"image": [image], "question": one.colour, "answer": "shape"} for image, (one, _) in images]
    absent = [{"image": [image], "question": "purple", "answer": "shape"} for image, _ in images]
    found = build(tmp_path / "cvs", folder, there + absent, CVS)
    fits, conflicts = found.filter(pl.col("question") != "purple"), found.filter(question="purple")
    assert (fits.height, conflicts.height) == (4, 4)
    assert fits["cvs"].min() > 0 > conflicts["cvs"].max()  # type: ignore[operator]
    assert found["cvs"].to_list() == pytest.approx((found["valid"] - found["valid_unasked"]).to_list())
    assert found["signal_error"].null_count() == found.height


def test_what_the_log_holds_is_not_computed_again(
    scenes: tuple[Path, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images whole and hidden are asked for once; only the masked ones are new to the second build."""
    folder, images = scenes
    rows = [{"image": [images[0][0]], "question": "What is the color of the shape?", "answer": "red"}]
    counts: list[int] = []
    real = ForcedModel.likelihood

    def counting(self: ForcedModel, texts: Any, *, end: bool) -> Any:
        counts.append(len(texts))
        return real(self, texts, end=end)

    monkeypatch.setattr(ForcedModel, "likelihood", counting)
    first = build(tmp_path / "log", folder, rows, LOSS)
    again = build(tmp_path / "log", folder, rows, {**LOSS, "likelihood": {"blind": True}})
    assert counts == [2, 1]
    assert again["visnec"].to_list() == first["visnec"].to_list()


@pytest.mark.parametrize(
    ("section", "columns", "most"),
    [
        (LOSS, ("logprob", "logprob_blind", "visnec", "vig", "signal_error"), 2),
        (CVS, ("valid", "valid_unasked", "cvs", "signal_error"), 4),
        ({"model": "vlm", "validity": {}}, ("valid", "valid_unasked", "cvs", "signal_error"), 2),
        ({"model": "vlm", "likelihood": {"of": "rollouts", "blind": True}, "attention": {}}, None, 25),
    ],
)
def test_columns_and_texts_follow_from_what_is_named(
    section: dict[str, Any], columns: tuple[str, ...] | None, most: int
) -> None:
    config = signals.SignalsStepConfig.model_validate(section)
    assert texts_a_row(config, 8) == most
    assert columns is None or tuple(signals.gives(config)) == columns


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({**LOSS, "attention": {}}, "replies are read behind the prompt that they answer"),
        ({"likelihood": {}, "system": "Be brief."}, "`system` goes with a `prompt`"),
    ],
)
def test_a_prompt_is_for_golds(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        signals.SignalsStepConfig.model_validate({"model": "vlm", **section})


def test_without_a_prompt_rollouts_say_how_rows_are_put() -> None:
    with pytest.raises(ConfigError, match="its rows are made from nothing; name with `of` the step whose replies"):
        pipeline(("signals", {"model": "vlm", "of": "sample", "likelihood": {}}))
