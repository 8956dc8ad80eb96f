"""The step `checks` with the real reference model, and with replies that are known."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from pydantic import TypeAdapter
from scripted_engine import MODEL, Scripted, question_of
from step_types import TYPES, pipeline
from tiny_build import tiny_build

from filters.checks.measure import FLAGS
from filters.verify import step as verify
from generators.checks.catalogue import CheckConfig
from generators.presets import caption, distill
from generators.scenes import iter_scenes, questions, render
from pipelines.run.context import StepContext
from pipelines.run.runner import Runner
from pipelines.sources.source import Source
from pipelines.steps import checks, rollout, select
from pipelines.steps.checks_section import ChecksStepConfig, gives
from schemas.completion import ImagePart, Request
from schemas.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = 8
SHORT = {"temperature": 1.0, "max_tokens": 6, "seed": 0}
ROLLOUT = ("rollout", {"model": "vlm", "n": 2, "sampling": SHORT})
ALL: list[dict[str, Any]] = [
    {"type": "text_only"}, {"type": "grey_image"}, {"type": "patch_mask"}, {"type": "evidence_mask"},
    {"type": "random_mask"}, {"type": "option_shuffle", "replies": 2}, {"type": "caption_only", "n": 1},
    {"type": "drop_cot"}, {"type": "frame_shuffle"}, {"type": "question_form", "n": 1},
    {"type": "guess", "model": "small", "n": 3}, {"type": "reverify", "traces": "all"}, {"type": "vote"},
]  # fmt: skip
BEFORE = (
    ("caption", {"model": "vlm", "sampling": {"temperature": 0.0, "max_tokens": 24}}),
    ("distill", {"model": "vlm", "sampling": {"temperature": 0.0, "max_tokens": 8}}),
)


EVERY: Any = (*BEFORE, ROLLOUT, ("checks", {"model": "vlm", "checks": ALL, "n": 2}))
STEPS = (rollout.STEP, verify.STEP, checks.STEP, select.STEP, caption.STEP, distill.STEP)


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in STEPS:
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions about scenes, half of them with options; two images at every fourth."""
    folder, rows = tmp_path_factory.mktemp("source"), []
    for i, scene in enumerate(iter_scenes("curate", ROWS, seed=5, levels=(1,))):
        render(scene).save(folder / f"{i}.png")
        found = questions(scene)
        asked = next((q for q in found if q.kind == ("choice" if i % 2 else "text")), found[0])
        box = scene.objects[0]
        around = [box.x - box.radius, box.y - box.radius, box.x + box.radius, box.y + box.radius]
        row: dict[str, Any] = {"question": asked.stem, "answer": asked.answer, "kind": asked.kind}
        row |= {"image": [f"{i}.png"] if i % 4 else [f"{i}.png", f"{(i + 1) % ROWS}.png"]}
        row |= {"options": list(asked.options)} if asked.options else {}
        rows.append(row | {"meta": json.dumps({"evidence": [around]})})
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Every check of the reference model."""
    with pytest.MonkeyPatch.context() as patch:
        for step in STEPS:
            patch.setitem(TYPES, step.name, step)
        return run(tmp_path_factory.mktemp("out"), source, *EVERY)


def run(root: Path, source: Path, *steps: Any, buckets: int = 2, **more: Any) -> Runner:
    small = MODEL.model_copy(update={"args": {"max_model_len": 512}})
    given = TypeAdapter(Source).validate_python({"type": "jsonl", "name": "scenes", "path": str(source)})
    facts = {"models": {"vlm": MODEL, "small": small}, "sources": (given,), **more}
    build = tiny_build(root, source, buckets=buckets, **{k: v for k, v in facts.items() if k != "sources"})
    object.__setattr__(build.recipe, "sources", (given,))
    runner = Runner(build, pipeline(*steps))
    runner.run_all()
    return runner


def table(runner: Runner, *columns: str) -> pl.DataFrame:
    node = runner.pipeline.names.node("sample")
    sources = {name: runner.pipeline.names.find(node, (name,), text=True) for name in columns}
    found = [runner.tables.current(node, sources, bucket, 99) for bucket in range(runner.record.buckets)]
    return pl.concat(found).sort("id")


def beside(runner: Runner, name: str) -> pl.DataFrame:
    return pl.read_parquet(runner.build.folder / "checks" / f"{name}.parquet")


GIVEN = tuple(gives(ChecksStepConfig.model_validate({"model": "vlm", "checks": ALL})))
"""The columns of all checks together."""


def record(runner: Runner) -> dict[str, Any]:
    found = runner.record.step("checks")
    assert found is not None
    return found


def test_every_check_of_the_reference_model_says_something(done: Runner) -> None:
    results = beside(done, "results")
    assert set(results["check"]) == {check["type"] for check in ALL} - {"vote"}, "a vote asks nobody"
    found = table(done, *GIVEN)
    assert found["label_suspect"].null_count() < found.height
    assert set(found.explode("flags")["flags"].drop_nulls()) <= {flag for flags in FLAGS.values() for flag in flags}
    facts = record(done)
    assert facts["in"] == facts["kept"] == found.height > 0
    assert facts["notes"]["refused"] == beside(done, "refused").height > 0


def test_a_variant_shows_what_was_asked_and_what_its_image_was_made_from(done: Runner) -> None:
    variants = beside(done, "variants")
    grey = variants.filter(check="grey_image").explode("media").unnest("media")
    origins = [json.loads(origin) for origin in grey["derived_from"]]
    assert {origin["op"] for origin in origins} == {"grey"}
    assert {origin["media"] for origin in origins} == set(
        table(done, "media").explode("media").unnest("media")["sha256"]
    )
    assert grey["sha256"].n_unique() == 1, "all images are of one size"
    assert done.build.media.read(grey["sha256"][0])
    forms = variants.filter(check="question_form", base="no")["answer"].struct.field("raw")
    assert forms.unique().to_list() == ["no"]


def test_the_log_is_the_memory_whatever_the_rules_and_the_number_of_buckets(done: Runner, source: Path) -> None:
    again = run(done.build.workspace.root, source, *EVERY, name="again", buckets=1)
    assert {model: cost["samples"] for model, cost in record(again)["asked"].items()} == {"vlm": 0, "small": 0}
    assert table(again, *GIVEN).equals(table(done, *GIVEN))
    assert beside(again, "results").equals(beside(done, "results"))
    other = ("checks", {**EVERY[-1][1], "rules": {"alpha": 0.01}})
    assert [step.name for step in Runner(done.build, pipeline(*EVERY[:-1], other)).stale()] == ["checks"]


def test_golds_of_other_rows_are_counted_once(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(looks).install(monkeypatch)
    read: list[int] = []
    real = StepContext.beside

    def beside(self: StepContext, name: str, bucket: int, *only: Any) -> pl.DataFrame:
        read.extend([bucket] if name == "golds" else [])
        return real(self, name, bucket, *only)

    monkeypatch.setattr(StepContext, "beside", beside)
    run(
        tmp_path,
        source,
        ROLLOUT,
        ("checks", {"model": "vlm", "checks": [{"type": "question_form"}], "n": 1}),
        buckets=4,
    )
    assert read == [0, 1, 2, 3]


def test_types_of_checks_are_those_that_have_flags() -> None:
    types = {member.model_fields["type"].default for member in get_args(get_args(CheckConfig)[0])}
    assert types == set(FLAGS)


def looks(request: Request, index: int) -> str:
    """Says 'red' to what shows an image, else 'nothing to see'."""
    shown = any(isinstance(part, ImagePart) for part in request.messages[-1].content)
    return "red" if shown else "nothing to see"


TWO = [{"type": "text_only"}, {"type": "guess", "model": "small", "n": 3, "prompt": "Guess: {{ question }}"}]


def test_each_check_asks_its_own_model_as_the_rollouts_were_asked(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(looks).install(monkeypatch)
    asked = ("rollout", {**ROLLOUT[1], "prompt": "Say it. {{ question }}", "system": "Look."})
    runner = run(tmp_path, source, asked, ("checks", {"model": "vlm", "checks": TWO, "n": 2}))
    found = table(runner, "n_text", "n_guess", "k_text")
    assert found["n_text"].unique().to_list() != [None]
    guesses = [request for request, _ in engine.asked if question_of(request).startswith("Guess: ")]
    blind = [r for r, _ in engine.asked if not any(isinstance(p, ImagePart) for p in r.messages[-1].content)]
    assert len(guesses) == ROWS * 3
    assert len(blind) == ROWS * 2
    assert all(question_of(request).startswith("Say it. ") for request in blind)
    assert all(request.messages[0].content == ("Look.",) for request in (*blind, *guesses))


def test_flags_are_what_a_selection_leaves_out() -> None:
    chosen = (
        "select",
        {"rule": {"type": "mm_eureka"}, "k": None, "without": ["blind"], "columns": {"k": "k_text", "n": "n_text"}},
    )
    found = pipeline(ROLLOUT, ("checks", {"model": "vlm", "checks": TWO}), chosen)
    assert {("checks", "flags")} <= {(column.step, column.name) for column in found.step("select").read}
    assert not found.step("checks").gold_visible


def test_traces_that_show_the_gold_are_concluded_from() -> None:
    shown = ("distill", {**BEFORE[1][1], "prompt": "{{ question }} It is {{ answer }}. Why?"})
    found = pipeline(shown, ROLLOUT, ("checks", {"model": "vlm", "checks": [{"type": "reverify"}]}))
    assert found.step("distill").gold_visible
    assert found.step("checks").beside["traces"].node.makers == {"distill"}


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("label_suspect", "no row is flagged 'label_suspect': that takes a check of type vote"),
        ("unmoved", "that takes a check of type patch_mask or evidence_mask"),
        ("guessable", None),
    ],
)
def test_a_flag_that_no_check_gives_leaves_nothing_out_and_is_refused(flag: str, sentence: str | None) -> None:
    chosen = {"rule": {"type": "mm_eureka"}, "columns": {"k": "k_text", "n": "n_text"}, "without": [flag]}
    steps: Any = (ROLLOUT, ("checks", {"model": "vlm", "checks": TWO}), ("select", chosen))
    if sentence is None:
        assert pipeline(*steps).step("select").config.without == (flag,)
        return
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        pipeline(*steps)


@pytest.mark.parametrize(
    ("steps", "section", "sentence"),
    [
        ((ROLLOUT,), {"model": "teacher"}, "`model: teacher` is no student of 'rollout'; those are vlm"),
        ((("make", {"makes": "rollout"}),), {}, "'make', which made the rows, asked no model"),
        ((ROLLOUT,), {"checks": [{"type": "caption_only"}]}, "reads `caption`, and no step before it gives that"),
        ((ROLLOUT,), {"checks": [{"type": "reverify"}]}, "trace"),
        (
            (BEFORE[1], ROLLOUT),
            {"checks": [{"type": "reverify"}]},
            "'reverify' concludes from traces whose prompt showed the gold, and no prompt of distill does",
        ),
    ],
)
def test_what_it_cannot_ask_is_refused(steps: Any, section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        pipeline(*steps, ("checks", {"model": "vlm", "checks": TWO, **section}))


@pytest.mark.parametrize(("tags", "right"), [(None, True), ("think_answer", False)])
def test_variants_are_read_as_the_rollouts_were_scored(
    tags: str | None, right: bool, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate with the image and one without it are compared, so one reading decides both: that of `verify`, which here is
    another than the form that was asked for."""
    golds = [json.loads(line)["answer"] for line in source.read_text().splitlines()]
    Scripted(lambda request, index: golds[0]).install(monkeypatch)
    asked = ("rollout", {**ROLLOUT[1], "tags": "think_answer"})
    scored = ("verify", {"as": "scored", "of": "rollout", "tags": tags})
    runner = run(
        tmp_path, source, asked, scored, ("checks", {"model": "vlm", "checks": [{"type": "text_only"}], "n": 2})
    )
    results = beside(runner, "results")
    assert (results["k"].max() == 2) is right
    assert (results["base_k"].max() == 2) is right
