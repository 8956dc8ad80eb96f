import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from filters.verify import reward as module
from filters.verify.gold import parse_gold
from filters.verify.reward import (
    compute_score,
    easyr1_batch,
    graded,
    ground_truth,
    item_of,
    openrlhf,
    reward,
)
from schemas.answer import dump_answer

SEVEN = dump_answer(parse_gold("number", "7"))
DOG = dump_answer(parse_gold("choice", "B", options=("cat", "dog")))
BOX = dump_answer(parse_gold("boxes", "[0,0,10,10]"))
UNSCORED = {"score": 0.0, "acc": 0.0, "accuracy": 0.0, "format": 0.0, "unscored": 1.0}
OPEN = dump_answer(parse_gold("open", "because"))


@pytest.fixture(scope="module", autouse=True)
def close_pool() -> Iterator[None]:
    yield
    for pool in module._POOLS.values():
        pool.close()
    module._POOLS.clear()


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": f"<think>t</think><answer>{text}</answer>"}]


def test_trl_reads_the_columns_of_a_release() -> None:
    columns: dict[str, Any] = {
        "answer": [SEVEN, DOG, BOX, OPEN],
        "verifier": ["number", "choice", "boxes:iou", "open"],
        "verifier_params": ['{"abs_tol": 1}', {}, None, "{}"],
        "options": [[], ["cat", "dog"], None, []],
        "prompts": ["a", "b", "c", "d"],
        "trainer_state": None,
    }
    scores = reward([say("8"), say("dog"), say("[0,0,10,5]"), say("because")], **columns)
    assert scores == [1.0, 1.0, 0.5, None]


def test_trl_takes_plain_strings_and_multimodal_contents() -> None:
    parts = [{"role": "assistant", "content": [{"type": "text", "text": "<answer>7</answer>"}]}]
    assert reward(["<answer>7</answer>", parts, ""], [SEVEN] * 3) == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("content", [None, [], ""])
def test_a_turn_that_only_calls_a_tool_says_nothing(content: Any) -> None:
    turn = [{"role": "assistant", "content": content, "tool_calls": [{"type": "function"}]}]
    assert reward([turn], [SEVEN]) == [0.0]


def test_every_completion_gets_a_score_at_its_own_place() -> None:
    completions = ["<answer>7</answer>", "", "<answer>8</answer>", "no caption here", "<answer>7</answer>"]
    assert reward(completions, [SEVEN] * 5) == [1.0, 0.0, 0.0, 0.0, 1.0]


def test_a_string_that_is_no_answer_is_read_as_a_formula() -> None:
    assert reward([say("0.5")], ["$\\frac{1}{2}$"]) == [1.0]


def test_an_unusable_gold_is_skipped_and_never_pays() -> None:
    golds = ["\\frac{", "{}", '{"kind":"number"}', SEVEN]
    assert reward([say("7")] * 4, golds) == [None, None, None, 1.0]
    assert reward([say("")] * 4, golds) == [None, None, None, 0.0]
    assert compute_score("d", "<answer>7</answer>", "\\frac{") == UNSCORED


def test_a_wrong_answer_is_worth_nothing_at_any_length() -> None:
    completions = [f"<think>{'so ' * n}</think><answer>8</answer>" for n in (0, 10, 1000, 100_000)]
    assert reward(completions, [SEVEN] * 4) == [0.0] * 4


def test_ground_truth_holds_all_that_is_needed() -> None:
    truth = ground_truth(DOG, "choice", '{"metric": "f1"}', ["cat", "dog"], "plain")
    assert json.loads(truth)["options"] == ["cat", "dog"]
    item = item_of("dog", truth)
    assert (item.verifier, item.params, item.options, item.tags) == (
        "choice",
        {"metric": "f1"},
        ("cat", "dog"),
        "plain",
    )
    assert truth == ground_truth(DOG, "choice", '{"metric":"f1"}', ("cat", "dog"), "plain")


def test_verl() -> None:
    truth = ground_truth(DOG, "choice", None, ["cat", "dog"])
    right = compute_score("d", "<think>t</think><answer>dog</answer>", truth, {"index": 1})
    assert right == {"score": 1.0, "acc": 1.0, "accuracy": 1.0, "format": 1.0, "unscored": 0.0}
    assert compute_score("d", "<answer>cat</answer>", truth)["score"] == 0.0
    assert compute_score("d", "<answer>x</answer>", ground_truth(OPEN)) == UNSCORED
    assert compute_score("d", "<answer>\\boxed{7}</answer>", "$7$")["score"] == 1.0


def test_easyr1_batch() -> None:
    rows = [
        {"response": "<think>t</think><answer>7</answer>", "response_length": 5, "ground_truth": ground_truth(SEVEN)},
        {"response": "<answer>8</answer>", "response_length": 5, "ground_truth": ground_truth(SEVEN)},
    ]
    batch = easyr1_batch(rows, format_weight=0.5)
    assert batch == [
        {"overall": 1.0, "accuracy": 1.0, "format": 1.0},
        {"overall": 0.0, "accuracy": 0.0, "format": 0.0},
    ]


def test_a_response_that_hangs_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._pool(), "budget_s", 0.5)
    seven = dump_answer(parse_gold("expression", "7"))
    scores = reward([say("9^{9^{9^{9}}}"), say("7")], [seven, seven])
    assert scores[1] == 1.0
    assert not scores[0]  # wrong, or, on a machine without time for it, skipped


BROKEN: dict[str, dict[str, Any]] = {
    "a null answer": {"answer": None},
    "an answer that is a number": {"answer": 7},
    "a formula that nobody can read": {"answer": "\\frac{"},
    "parameters that are no JSON": {"verifier_params": "{bad"},
    "parameters that are a list": {"verifier_params": "[1]"},
    "parameters that are a number": {"verifier_params": 5},
    "parameters that do not exist": {"verifier_params": '{"nonsense": 1}'},
    "parameters that no JSON holds": {"verifier_params": {"threshold": {1, 2}}},
    "a verifier that there is not": {"verifier": "nonsense"},
    "a verifier that is a number": {"verifier": 5},
    "tags that there are not": {"tags": "nonsense"},
    "tags that are a list": {"tags": ["think_answer"]},
    "options with a null": {"options": [None, "a"]},
    "options that are a text": {"options": "ab"},
    "a completion that is a number": {"completion": 5},
    "a completion of bytes": {"completion": b"<answer>7</answer>"},
}
SILENT: dict[str, Any] = {
    "null": None,
    "no content": [{"role": "assistant", "content": None}],
    "no turn": [],
    "a turn without content": {"role": "assistant"},
    "parts without a text": [{"role": "assistant", "content": [{"type": "image"}, {"type": "text", "text": None}]}],
}


def _columns(broken: dict[str, Any]) -> tuple[list[Any], dict[str, list[Any]]]:
    """Three rows, of which the one in the middle is broken."""
    good = {"answer": SEVEN, "verifier": "number", "verifier_params": "{}", "options": [], "tags": "think_answer"}
    rows = [good, {**good, **broken}, good]
    completions = [say("7"), broken.get("completion", say("7")), say("8")]
    return completions, {name: [row[name] for row in rows] for name in good}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_row_is_unscored_and_its_neighbours_keep_their_verdicts(name: str) -> None:
    completions, columns = _columns(BROKEN[name])
    assert reward(completions, **columns) == [1.0, None, 0.0]


@pytest.mark.parametrize("name", SILENT)
def test_a_completion_that_says_nothing_is_wrong(name: str) -> None:
    completions, columns = _columns({"completion": SILENT[name]})
    assert reward(completions, **columns) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "truth", [None, 7, "", "{}", "{", '{"answer": null}', '{"answer": {"kind": "number"}}', "\\frac{", "[" * 9999]
)
@pytest.mark.parametrize("said", ["<answer>7</answer>", None, 5, [1], {"content": None}])
def test_every_convention_survives_a_broken_row(truth: Any, said: Any) -> None:
    good = ground_truth(SEVEN)
    assert compute_score("d", said, truth)["score"] == 0.0
    scores = [grade["score"] for grade in graded([say("7"), said, "<answer>7</answer>"], [good, truth, good])]
    assert scores == [1.0, 0.0, 1.0]
    assert openrlhf(["<|im_start|>assistant\n<answer>7</answer>", said], [good, truth])["rewards"] == [1.0, 0.0]
    rows = [
        {"response": "<think>t</think><answer>7</answer>", "ground_truth": good},
        {"response": said, "ground_truth": truth},
    ]
    assert [row["accuracy"] for row in easyr1_batch(rows, format_weight=0.5)] == [1.0, 0.0]
    assert easyr1_batch([{}]) == [{"overall": 0.0, "accuracy": 0.0, "format": 0.0}]


def test_a_tag_schema_that_there_is_not_has_no_form() -> None:
    row = {"response": "<answer>7</answer>", "ground_truth": ground_truth(SEVEN, tags="nonsense")}
    assert easyr1_batch([row]) == [{"overall": 0.0, "accuracy": 0.0, "format": 0.0}]


def test_the_reward_functions_can_be_sent_to_another_process() -> None:
    for function in (reward, compute_score, easyr1_batch, graded):
        assert pickle.loads(pickle.dumps(function)) is function


def test_importing_it_loads_nothing_heavy() -> None:
    program = (
        "import sys, filters.verify.reward\n"
        "heavy = ('torch', 'math_verify', 'polars', 'sympy', 'numpy', 'scipy', 'transformers', 'pyarrow', 'rapidfuzz')\n"
        "print([m for m in heavy if m in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "options",
    [
        {"A": "cat", "B": "dog"},
        {"B": "dog", "A": "cat"},
        {"A": "cat", "B": "dog", "C": None},
        "A. cat\nB. dog",
        "A. cat\r\nB. dog\r\n",
        "A cat\nB dog",
        "A) cat; B) dog",
        "A) cat, B) dog",
        "(A) cat (B) dog",
        "(A)cat\n(B)dog",
        "a) cat\nb) dog",
        "A: cat | B: dog",
        "- **A.** cat\n- **B.** dog",
        "A、cat\nB、dog",
        "Options:\nA. cat\nB. dog",
    ],
)
def test_options_may_be_a_dict_of_letters_or_one_text_that_lists_them(options: Any) -> None:
    gold = dump_answer(parse_gold("choice", "B", options=("cat", "dog")))
    said = ["<answer>dog</answer>", "<answer>B</answer>", "<answer>cat</answer>", "<answer>A</answer>"]
    assert reward(said, [gold] * 4, options=[options] * 4) == [1, 1, 0, 0]
    packed_row = json.dumps(json.loads(ground_truth(gold)) | {"options": options})
    assert [grade["score"] for grade in graded(said, [packed_row] * 4)] == [1, 1, 0, 0]
