"""Defects of published pipelines, each with its own input: ours has none of them.

T1 to T27 are of pipelines of 2025 and 2026, R1 to R12 of earlier ones, D1 to D20 of published verifiers and loaders. Those
that another test holds are named in `HELD`; `here` is this module.
"""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from recipe_build import built, sums, write_recipe
from scripted_engine import Scripted, question_of
from tiny import dropped, rows

from filters.drop import STEP as DROP
from filters.drop import DropConfig
from filters.verify.gold import parse_gold
from filters.verify.verifier import verify
from generators.asking.config import AskConfig
from pipelines.job import Job, compile_recipe
from schemas.completion import Request
from schemas.errors import ConfigError
from schemas.reply_choice import read_choice
from schemas.reply_score import read_score
from schemas.step import Tables

TESTS = Path(__file__).parents[2]
CASES = "filters/verify/test_cases.py::test_case"
DIRECTLY = "pipelines/recipes/test_defects_directly.py::"

HELD: dict[str, tuple[str, ...]] = {
    # MMFineReason: the judge never ran, a "not equivalent" was a yes, lossy equality, no gold was right
    "T1": ("here::test_a_prompt_with_a_field_that_nobody_gives_is_refused",),
    "T2": ("here::test_a_reply_is_one_opinion_or_none",),
    "T3": ("here::test_answers_are_compared_by_what_they_say",),
    "T4": ("here::test_a_row_without_a_gold_is_right_of_nobody",),
    # a server that is down made the hardest rows, so did a limit of 512 tokens
    "T5": ("here::test_what_was_never_answered_is_not_hard",),
    "T6": ("here::test_what_was_never_answered_is_not_hard",),
    "T7": (
        "schemas/test_reply.py::test_a_field_of_the_server_and_channels",
        "here::test_what_a_recipe_sets_is_what_is_asked",
    ),
    "T8": (
        "pipelines/store/test_completions.py::test_a_killed_writer_loses_nothing_that_was_answered",
        "pipelines/run/test_kill.py::test_kill_nine_at_twenty_random_moments",
    ),
    "T9": (
        "here::test_what_a_recipe_sets_is_what_is_asked",
        "here::test_a_reply_that_cannot_be_read_changes_nothing_and_drops",
    ),
    # VeriEvol: resume by ids of another type, lists that are always empty, votes that fall to the first
    "T10": ("here::test_ids_of_any_type_are_asked_about_once",),
    "T11": (DIRECTLY + "test_errors_in_bullets_are_read_or_missing_and_never_an_empty_list",),
    "T12": (
        "here::test_a_reply_is_one_opinion_or_none",
        "generators/presets/test_judge.py::test_most_of_the_readable_votes_decide",
    ),
    "T13": (DIRECTLY + "test_a_third_solver_is_asked_where_two_disagree_and_confidence_decides_nothing",),
    "T14": (
        "here::test_answers_are_compared_by_what_they_say",
        "filters/test_agree.py::test_two_answers_agree_by_the_verifier_both_ways",
    ),
    "T15": (
        DIRECTLY + "test_a_switch_that_no_step_has_is_refused",
        DIRECTLY + "test_a_third_solver_is_asked_where_two_disagree_and_confidence_decides_nothing",
    ),
    "T16": (CASES, "pipelines/run/test_kill.py::test_kill_nine_at_twenty_random_moments"),
    # OmniThoughtV: an empty filter, the first integer as a score, means over right and long
    "T17": ("filters/test_drop.py::test_a_bad_section_is_one_sentence",),
    "T18": ("here::test_a_reply_is_one_opinion_or_none",),
    "T19": ("here::test_no_length_makes_up_for_a_wrong_answer",),
    "T20": (
        "generators/asking/test_body.py::test_a_reply_that_is_lost_is_dropped_with_the_id_that_it_would_have_had",
        "pipelines/ingest/test_ingest.py::test_id_is_content_and_nothing_else",
    ),
    # DeepVision, DataFlow-MM, OpenCompass, datatrove
    "T21": ("here::test_answers_are_compared_by_what_they_say",),
    "T22": ("here::test_what_was_never_answered_is_not_hard",),
    "T23": ("here::test_a_reply_is_one_opinion_or_none",),
    "T24": ("here::test_answers_are_compared_by_what_they_say",),
    "T25": ("filters/dedup/test_embedding.py::test_a_chain_keeps_its_ends",),
    "T26": (
        DIRECTLY + "test_what_the_image_does_not_show_goes_though_a_guess_is_right",
        "filters/test_pick.py::test_right_answers_that_guesses_reach_as_often_are_left_out",
    ),
    "T27": (
        "pipelines/store/test_completions.py::test_whatever_decides_the_answer_is_in_the_key",
        "pipelines/store/test_completions.py::test_the_model_is_in_the_key",
    ),
    # RAP, LongPerceptualThoughts, MMR1, OpenVLThinker, SynLogic, Visual-RFT, OpenMMReasoner, OneThinker, …
    "R1": ("filters/verify/test_reward.py::test_an_unusable_gold_is_skipped_and_never_pays",),
    "R2": ("filters/select/test_rap.py::test_the_float_trap", "filters/select/test_rap.py::test_code"),
    "R3": (CASES, "here::test_a_reply_that_cannot_be_read_changes_nothing_and_drops"),
    "R4": (
        "filters/select/test_rules.py::test_mmr1_vas_turns_self_bleu_round_unless_told_not_to",
        "filters/select/test_rules.py::test_mmr1_vas_puts_both_parts_on_one_scale",
    ),
    "R5": (
        "generators/asking/test_config.py::test_tries_need_chance_and_several_replies_a_unit",
        "filters/select/test_trace_choice.py::test_the_code_of_openvlthinker_takes_the_second_longest",
    ),
    "R6": (CASES,),
    "R7": (CASES,),
    "R8": (
        DIRECTLY + "test_the_length_of_one_half_does_not_outweigh_the_other",
        "filters/dedup/test_exact.py::test_a_triple_keeps_one_and_names_it",
        "filters/test_trace_quality.py::test_each_limit_drops_with_its_reason_and_only_where_it_is_set",
    ),
    "R9": (DIRECTLY + "test_a_form_pays_nothing_and_changes_nothing",),
    "R10": (DIRECTLY + "test_no_row_without_an_advantage_comes_back",),
    "R11": (DIRECTLY + "test_a_chat_that_is_a_string_is_parsed_and_never_run",),
    "R12": ("here::test_what_a_recipe_sets_is_what_is_asked",),
    **{f"D{n}": (CASES,) for n in (1, 2, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20)},
    "D3": ("filters/verify/test_reward.py::test_a_wrong_answer_is_worth_nothing_at_any_length",),
    "D11": ("filters/verify/test_reward.py::test_every_completion_gets_a_score_at_its_own_place",),
    "D12": ("here::test_ids_of_any_type_are_asked_about_once",),
    "D13": (DIRECTLY + "test_a_question_is_put_into_the_form_that_it_is_asked_for_whatever_its_own",),
    "D14": (
        "pipelines/ingest/test_ingest.py::test_every_bad_row_has_its_reason_and_the_build_goes_on",
        "pipelines/ingest/test_ingest.py::test_copies_are_dropped_and_name_what_they_copy",
    ),
}


def test_every_published_defect_has_a_test() -> None:
    known = {f"{letter}{n}" for letter, last in (("T", 27), ("R", 12), ("D", 20)) for n in range(1, last + 1)}
    assert {*HELD} == known
    for place in {place for places in HELD.values() for place in places}:
        file, test = place.split("::")
        path = Path(__file__) if file == "here" else TESTS / file
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place


SAME = ("EQUIVALENT", "DIFFERENT")
OPTIONS = ("A", "B", "C")


@pytest.mark.parametrize(
    ("defect", "text", "choices", "opinion"),
    [
        ("T2", "They are not equivalent: 5 is not 6.\nJUDGMENT: DIFFERENT", SAME, "DIFFERENT"),
        ("T2", "They are not equivalent.", SAME, None),
        ("T12", "I prefer response 7.", ("1", "2", "3"), None),
        ("T12", "", ("1", "2", "3"), None),
        ("T18", "step 3 is incorrect", ("correct", "incorrect"), None),
        ("T23", "A. But see section C", OPTIONS, None),
        ("T23", "The answer is Correct", OPTIONS, None),
        ("T22", "", ("yes", "no"), None),
    ],
)
def test_a_reply_is_one_opinion_or_none(defect: str, text: str, choices: tuple[str, ...], opinion: str | None) -> None:
    assert read_choice(text, choices) == opinion
    assert read_score("step 3 is incorrect", 0, 9) is None and read_score("step 3 is incorrect", 0, 1) is None


@pytest.mark.parametrize(
    ("defect", "kind", "gold", "answer", "right"),
    [
        ("T3", "number", "5", "-5", 0),
        ("T3", "number", "35", "3.5", 0),
        ("T3", "number", "12", "1/2", 0),
        ("T3", "number", "5", "15", 0),
        ("T3", "number", "10", "1", 0),
        ("T3", "choice", "A", "banana", 0),
        ("T3", "text", "+", "seven", 0),
        ("T14", "number", "1/2", "0.5", 1),
        ("T14", "number", "5", "5 cm", 1),
        ("T21", "choice", "A", r"\boxed{a + b}", 0),
        ("T21", "number", "5", r"\boxed{x = 5}", 1),
        ("T21", "expression", "5", r"\boxed{x = 5}", 1),
        ("T24", "number", "5", "5.0", 1),
        ("T24", "number", "1,000", "1000", 1),
        ("T24", "number", "1000", "1,000", 1),
    ],
)
def test_answers_are_compared_by_what_they_say(defect: str, kind: str, gold: str, answer: str, right: int) -> None:
    options = ("apple", "banana", "cherry") if kind == "choice" else ()
    verdict = verify(answer, parse_gold(kind, gold, options=options), verifier=kind, options=options, tags="plain")
    assert verdict.score == right


def test_a_prompt_with_a_field_that_nobody_gives_is_refused(tmp_path: Path) -> None:
    judge = {"judge": {"of": "sample", "model": "vlm", "prompt": "{{ solution }}, {{ response }}"}}
    recipe = write_recipe(tmp_path, [judge], sums(1), models={"vlm": {"model": "reference-vlm"}})
    with pytest.raises(ConfigError, match="judge: reads `response`, and no step before it gives that"):
        compile_recipe(str(recipe))


HARD: list[Any] = [
    {"rollout": {"model": "vlm", "n": 4, "sampling": {"temperature": 1.0, "top_p": 0.95, "max_tokens": 16384}}},
    {"verify": {"as": "scored", "of": "rollout"}},
    "difficulty",
    {"select": {"rule": "base_fails"}},
]
STUDENT: dict[int, Callable[[int], str | None]] = {
    1: lambda index: None,  # the server is down
    2: lambda index: "I think that first …",  # cut off at the limit
    3: lambda index: "I cannot tell.",
    4: lambda index: "-1",
    5: lambda index: "10",
    6: lambda index: "-1" if index == 0 else None,  # one rollout of four was had
}


def student(request: Request, index: int) -> str | None:
    return STUDENT[int(question_of(request).split()[2])](index)


def hard(folder: Path, patch: pytest.MonkeyPatch, *steps: Any) -> tuple[Job, Scripted]:
    """A build that measures six sums and keeps those that the student fails."""
    engine = Scripted(student).install(patch)
    models = {"vlm": {"model": "reference-vlm"}}
    data = [{**row, "row": n} for n, row in enumerate(sums(6, 1))]
    recipe = write_recipe(folder, steps or HARD, data, models=models, driver={"workers": 1, "max_retries": 0})
    return built(recipe, folder / "out"), engine


def test_what_was_never_answered_is_not_hard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, _ = hard(tmp_path, monkeypatch)
    number = {id_: int(text.split()[2]) for id_, text in rows(job, "ingest").select("id", "question").iter_rows()}
    assert [number[id_] for id_ in rows(job, "select")["id"]] == [4]
    gone = pl.concat([dropped(job, step) for step in ("difficulty", "select")])
    assert {number[id_]: reason for id_, reason in gone.select("id", "reason").iter_rows()} == {
        1: "difficulty:unmeasured",
        2: "difficulty:unmeasured",
        3: "difficulty:unmeasured",
        5: "select:too_easy",
        6: "difficulty:too_few",
    }


def test_each_of_two_students_has_its_own_outages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One gives its four rollouts, of the other three are lost: too few of that one, and none less of the first."""
    calls: list[int] = []

    def says(request: Request, index: int) -> str | None:
        calls.append(index)
        return "-1" if index == 0 or len(calls) <= 4 else None  # the models are asked one after the other

    steps: list[Any] = [
        {"rollout": {"model": ["one", "two"], "n": 4, "sampling": {"temperature": 1.0, "max_tokens": 8}}},
        {"verify": {"as": "scored", "of": "rollout"}},
        {"difficulty": {"as": "of_one", "model": "one", "unmeasured": "keep"}},
        {"difficulty": {"as": "of_two", "model": "two", "unmeasured": "keep"}},
    ]
    Scripted(says).install(monkeypatch)
    models = {"one": {"model": "reference-vlm"}, "two": {"model": "reference-vlm", "args": {"x": 1}}}
    head: Any = {"models": models, "driver": {"workers": 1, "max_retries": 0}}
    job = built(write_recipe(tmp_path, steps, sums(1, 1), **head), tmp_path / "out")
    for step in ("of_one", "of_two"):
        (row,) = rows(job, step).select("asked", "n", "enough", "model").rows()
        assert row[0] == 4 and row[3] == step.removeprefix("of_")
        assert row[2] is (row[1] >= 2)
    assert {rows(job, step)["n"].item() for step in ("of_one", "of_two")} == {1, 4}


def test_a_row_without_a_gold_is_right_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be asked, but nothing it is told is right, so no teacher confirms it and no difficulty is measured."""
    Scripted(lambda request, index: "<answer>4</answer>").install(monkeypatch)
    steps = [
        {"distill": {"model": "vlm", "prompt": "{{ question }}"}},
        "verify",
        {"tally": {"as": "gate", "of": "trace", "to": "sample", "gives": {"confirmed": "count(*) FILTER (correct)"}}},
    ]
    given = [{"question": "What is 2 + 2?", "answer": None}, {"question": "What is two and two?", "answer": "4"}]
    models = {"vlm": {"model": "reference-vlm"}}
    job = built(write_recipe(tmp_path, steps, given, models=models, driver={"workers": 1}), tmp_path / "out")
    alive = job.rows("sample", ["question", "confirmed"]).to_dicts()
    found = {row["question"]: row["confirmed"] for row in alive}
    assert found.get("What is 2 + 2?", 0) == 0 and found["What is two and two?"] == 1


def test_what_a_recipe_sets_is_what_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a flag that nobody gave nor a default of the code takes the place of what the file says."""
    steps = [*HARD[:3], {"select": {"rule": {"type": "base_fails", "max_correct": 3}}}]
    job, engine = hard(tmp_path, monkeypatch, *steps)
    assert {(r.sampling.temperature, r.sampling.top_p, r.sampling.max_tokens) for r, _ in engine.asked} == {
        (1.0, 0.95, 16384)
    }
    assert job.compiled.pipeline.step("select").config.rule.max_correct == 3
    with pytest.raises(ConfigError, match="max_corect"):
        path = write_recipe(
            tmp_path / "typo", [*HARD[:3], {"select": {"rule": {"type": "base_fails", "max_corect": 3}}}], []
        )
        compile_recipe(str(path))


def test_ids_of_any_type_are_asked_about_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, _ = hard(tmp_path, monkeypatch)
    engine = Scripted(lambda request, index: "-1").install(monkeypatch)
    built(tmp_path / "recipe.yaml", tmp_path / "out")
    again = {(int(question_of(request).split()[2]), index) for request, index in engine.asked}
    assert again == {(1, 0), (1, 1), (1, 2), (1, 3), (6, 1), (6, 2), (6, 3)}, "only what was never answered"
    assert len(set(rows(job, "ingest")["id"])) == 6


def test_a_reply_that_cannot_be_read_changes_nothing_and_drops() -> None:
    fields = AskConfig.model_validate({"model": "m", "prompt": "Clean it.", "reply": {"fields": {"question": "str"}}})
    judge = AskConfig.model_validate({"model": "m", "prompt": "Same?", "reply": {"choice": ["yes", "no"]}})
    assert fields.unreadable == judge.unreadable == "drop"


def test_no_length_makes_up_for_a_wrong_answer() -> None:
    """Verbosity 9, difficulty 6 and wrong had the mean 5.0; 1, 2 and right had 1.33. Here what is wrong goes."""
    graded = pl.DataFrame({"id": ["long", "short"], "verbosity": [9, 1], "difficulty": [6, 2], "logical": [0, 1]})
    config = DropConfig.model_validate({"of": "trace", "if": {"wrong": "logical = 0"}})
    context: Any = type("Named", (), {"name": "gate"})
    assert DROP.body(Tables(graded, {}, pl.DataFrame()), config, context).drops["id"].to_list() == ["long"]
