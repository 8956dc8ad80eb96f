"""Defects of published pipelines whose own input goes through several parts of ours; `test_published_defects` lists them."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tiny
import yaml
from demos import steps_of
from recipe_build import built, sums, write_recipe
from scripted_engine import Scripted, question_of

from filters.dedup.vectors import Vectors
from filters.select.joint import joint
from filters.select.rules.mm_eureka import MMEurekaConfig
from filters.select.rules.mm_eureka import judge as mm_eureka
from filters.select.rules.variance import VarianceConfig
from filters.select.rules.variance import judge as variance
from filters.verify.form import well_formed
from filters.verify.gold import parse_gold
from filters.verify.verifier import verify
from generators.asking.config import AskConfig
from generators.checks.check import Change, Setting
from generators.checks.material import Material
from generators.checks.question_form import QuestionForm
from pipelines.job import compile_recipe
from pipelines.sources.files import JsonlSource
from pipelines.sources.read import read_rows
from schemas.answer import Answer, ChoiceAnswer, NumberAnswer
from schemas.completion import ImagePart, Request
from schemas.errors import ConfigError
from schemas.reply_json import Reader, read_object

DOCS = Path(__file__).parents[3] / "docs" / "recipes.md"
MODELS = {name: {"model": "reference-vlm"} for name in ("vlm", "student", "one", "two")}

BULLETS = "**Verdict:** INCORRECT\n**Errors Found:**\n* The count is 4, not 5.\n* The bar is *red*."
VERDICT: dict[str, Reader] = {"verdict": "str", "errors": ("str",)}


def test_errors_in_bullets_are_read_or_missing_and_never_an_empty_list() -> None:
    """T11: the pattern for the list of errors stopped at the first `*` of the bullets that its own prompt asks for."""
    errors = BULLETS.split("\n")[2:]
    reply = json.dumps({"verdict": "INCORRECT", "errors": errors})
    assert read_object(reply, VERDICT) == {"verdict": "INCORRECT", "errors": errors}
    assert read_object(f"```json\n{reply}\n```", VERDICT) == {"verdict": "INCORRECT", "errors": errors}
    assert read_object(BULLETS, VERDICT) is None
    critique = {"model": "m", "prompt": "Errors?", "reply": {"fields": {"errors": ["str"]}}}
    assert AskConfig.model_validate(critique).unreadable == "drop"


ALL = ["first", "second", "third"]
SOLVERS: list[Any] = [
    {"distill": {"as": "first", "model": "one", "prompt": "first: {{ question }}"}},
    {"distill": {"as": "second", "model": "two", "prompt": "second: {{ question }}"}},
    {"agree": {"of": "sample", "between": ["first", "second"]}},
    {"distill": {"as": "third", "model": "one", "where": "agreed IS NOT TRUE", "prompt": "third: {{ question }}"}},
    {"verify": {"of": ALL}},
    {"tally": {"as": "meeting", "of": ALL, "to": "sample", "gives": {"solvers": "count(*) FILTER (correct)"}}},
    {"drop": {"as": "disputed", "of": "sample", "if": {"solvers_disagree": "solvers < 2"}}},
]  # fmt: skip
SURE = "I checked it with every tool; my confidence is 0.99."
SAYS = {
    "first": {1: "2", 2: "4", 3: "7", 4: "8"},
    "second": {1: "2", 2: "5", 3: "7", 4: "8.0"},  # of 3 both are sure of the same wrong answer; 8 and 8.0 are one
    "third": {2: "4"},
}


def solves(request: Request, index: int) -> str:
    who, rest = question_of(request).split(": ", 1)
    return f"<think>{SURE}</think><answer>{SAYS[who][int(rest.split()[2])]}</answer>"


def test_a_third_solver_is_asked_where_two_disagree_and_confidence_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T13: the tie-breaker always ran, at half as much again. T15: the models' own confidence was the threshold."""
    engine = Scripted(solves).install(monkeypatch)
    recipe = write_recipe(tmp_path, SOLVERS, sums(4, 1), models=MODELS, driver={"workers": 1})
    job = built(recipe, tmp_path / "out")
    asked = [question_of(request) for request, _ in engine.asked]
    assert [text for text in asked if text.startswith("third")] == ["third: What is 2 + 2?"]
    alive = {row["question"] for row in job.rows("sample", ["question"]).to_dicts()}
    assert alive == {f"What is {n} + {n}?" for n in (1, 2, 4)}
    assert tiny.dropped(job, "disputed")["reason"].to_list() == ["disputed:solvers_disagree"]
    assert steps_of("verievol")["third"].config.where == "agreed IS NOT TRUE"


def test_a_switch_that_no_step_has_is_refused(tmp_path: Path) -> None:
    """T15: the channel that brought the largest gain stood off by default, and where it was misspelt it stayed off."""
    step = {"distill": {"model": "one", "prompt": "{{ question }}", "python": True}}
    with pytest.raises(ConfigError, match="python"):
        compile_recipe(str(write_recipe(tmp_path, [step], sums(1), models=MODELS)))


def unanswerable() -> list[Any]:
    part = DOCS.read_text(encoding="utf-8").split("### Questions that cannot be answered")[1]
    found = re.search(r"```yaml\n(.*?)```", part, re.DOTALL)
    assert found is not None
    steps: list[Any] = yaml.safe_load(found[1])["steps"]
    return steps


def guesses(request: Request, index: int) -> str:
    """`x` is not in its image, and B is picked with or without it; how many circles there are takes a look."""
    text, looks = question_of(request), any(isinstance(part, ImagePart) for part in request.messages[-1].content)
    if "Describe what the image shows" in text:
        missing = ["the value of x is not in the image"] if "x" in text.split("?")[0].split() else []
        return json.dumps({"shown": "two circles", "missing": missing})
    if "What is x" in text:
        return "<think>x is not in the image, so I assume 7 and pick B.</think><answer>B</answer>"
    return f"<think>I count.</think><answer>{'A' if looks else 'B'}</answer>"


def test_what_the_image_does_not_show_goes_though_a_guess_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T26: a showcase asks for a variable that is not there; its trace says so, guesses the option, and stays."""
    Scripted(guesses).install(monkeypatch)
    folder = tmp_path / "recipe"
    folder.mkdir()
    row = json.loads(tiny.write_source(folder, 1).read_text())
    data = [
        {"image": row["image"], "question": "What is x ?", "options": ["5", "7"], "answer": "B"},
        {"image": row["image"], "question": "How many circles?", "options": ["two", "three"], "answer": "A"},
    ]
    source = {"type": "jsonl", "name": "sums", "path": str(folder / "rows.jsonl"), "kind": "choice"}
    recipe = write_recipe(folder, unanswerable(), data, models=MODELS, sources=[source], driver={"workers": 1})
    job = built(recipe, tmp_path / "out")
    assert [row["question"] for row in job.rows("sample", ["question"]).to_dicts()] == ["How many circles?"]
    (gone,) = tiny.dropped(job, "drop").to_dicts()
    assert gone["reason"] == "drop:unanswerable"
    assert "not in the image" in gone["evidence"]


def test_the_length_of_one_half_does_not_outweigh_the_other() -> None:
    """R8: the text half was not of length one before the halves were joined, so it decided alone."""
    rows = pl.DataFrame({"id": ["a", "b"], "text_key": ["s", "t"], "image_keys": [["i"], ["j"]]})
    words, pixels = np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    found = []
    for scale in (1.0, 50.0):
        text = Vectors(pl.Series(["s", "t"]), (words * scale).astype(np.float32))
        image = Vectors(pl.Series(["i", "j"]), pixels.astype(np.float32))
        both = joint(rows, text, image)
        found.append(both.take(both.find(rows["id"])))
    assert np.allclose(found[0], found[1], atol=1e-6)
    assert np.isclose(found[1][0] @ found[1][1], 0.5 * 0.8, atol=1e-6)  # other images: half as near as their questions


@pytest.mark.parametrize(
    ("kind", "gold", "response", "extracted", "score"),
    [
        ("number", "4", "The answer is 4", None, 0),  # no tags: the raw text is no answer
        ("text", "a car", "<think>It is a car.</think><answer>nothing</answer>", "nothing", 0),  # well-formed and wrong
        (
            "text",
            "if x < y then a / b",
            "<think>s</think><answer>if x < y then a / b</answer>",
            "if x < y then a / b",
            1,
        ),
    ],
)
def test_a_form_pays_nothing_and_changes_nothing(
    kind: str, gold: str, response: str, extracted: str | None, score: int
) -> None:
    """R9: bad form fell back to the raw text, blanks around `<`, `>` and `/` were removed, and tags alone were paid for."""
    verdict = verify(response, parse_gold(kind, gold), verifier=kind, tags="think_answer")
    assert (verdict.extracted, verdict.score) == (extracted, score)
    assert well_formed([response], "think_answer").to_list() == ["<answer>" in response]


def test_no_row_without_an_advantage_comes_back() -> None:
    """R10: one in ten of the groups that were always right was let back in, and the decay of weights cancelled."""
    rows = pl.DataFrame({"id": [f"r{n}" for n in range(100)], "k": [8] * 60 + [0] * 30 + [3] * 10, "n": [8] * 100})
    for found in (
        variance(rows, VarianceConfig(), seed=0),
        mm_eureka(rows, MMEurekaConfig(), seed=0),
    ):
        kept = found.filter(pl.col("cause").is_null())
        assert kept["id"].to_list() == [f"r{n}" for n in range(90, 100)]


def test_a_chat_that_is_a_string_is_parsed_and_never_run(tmp_path: Path) -> None:
    """R11: `message` holds a list as a string, which loaders put to `eval`."""
    trap = tmp_path / "trap"
    code = f"__import__('pathlib').Path({str(trap)!r}).touch()"
    chats = [json.dumps([{"role": "user", "content": "What is 1 + 1?"}]), code]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"message": chat, "answer": "2"}) + "\n" for chat in chats))
    first = "json_extract_string(try_cast(message AS JSON), '$[0].content')"
    select = f"SELECT coalesce({first}, message) AS question, answer FROM raw"
    read = pl.concat(read_rows(JsonlSource(name="t", path=str(path), select=select)))
    assert read["question"].to_list() == ["What is 1 + 1?", code]
    assert not trap.exists()


def asked(answer: Answer, form: str, **more: Any) -> list[Change]:
    config = {"model": "vlm", "prompt": "{{ question }}", "makes": "rollout", "n": 4, "sampling": {"temperature": 1.0}}
    rollouts = AskConfig.model_validate(config)
    base: dict[str, Any] = {"id": "s", "options": (), "media": (), "verifier": answer.kind, "params": "{}"}
    sample, setting = Material(**{**base, "answer": answer, **more}), Setting(rollouts, None, seed=7)  # type: ignore[arg-type]
    found = QuestionForm.model_validate({"forms": [form]}).changes(sample, setting)
    return [change for change in found if isinstance(change, Change)]


def test_a_question_is_put_into_the_form_that_it_is_asked_for_whatever_its_own() -> None:
    """D13: prompts were named by the form that a question has and chosen by the one it was to get."""
    number = NumberAnswer(raw="12", value=12.0)
    choice = ChoiceAnswer(raw="B", letters=("B",), texts=("blue",))
    claims = asked(number, "yes_no", question="What is 3 times 4?", others=("7",))
    assert [(change.base, change.question) for change in claims] == [
        ("yes", "What is 3 times 4?\nIs the answer '12'? Answer yes or no."),
        ("no", "What is 3 times 4?\nIs the answer '7'? Answer yes or no."),
    ]
    assert asked(number, "open", question="What is 3 times 4?", others=("7",)) == []  # it is open as it is
    options = {"question": "What colour is it?", "options": ("red", "blue")}
    (opened,) = asked(choice, "open", **options)
    assert (opened.question, opened.options, opened.verifier) == ("What colour is it?", (), "text")
    assert [change.question for change in asked(choice, "yes_no", **options)] == [
        "What colour is it?\nIs the answer 'blue'? Answer yes or no.",
        "What colour is it?\nIs the answer 'red'? Answer yes or no.",
    ]
