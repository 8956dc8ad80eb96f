import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.answer_span import answer_span, section
from schemas.tags import TAG_SCHEMAS


@pytest.mark.parametrize(
    ("response", "tags", "span"),
    [
        ("<think>a</think><answer>5</answer>", "think_answer", "5"),
        ("<answer>4</answer><answer>5</answer>", "think_answer", "5"),
        ("<think>a</think><answer>so \\boxed{5}.</answer>", "think_answer", "5"),
        ("<think>\\boxed{4}</think>\\boxed{5}", "think_answer", "5"),
        ("<think>\\boxed{4}</think> so it is", "think_answer", None),
        ("<think>\\boxed{4}", "think_answer", None),
        ("<think>a <answer>5</answer>", "think_answer", "5"),
        ("<think>a <answer>5</answer> hm", "think_answer", None),
        ("a</think><answer>5</answer>", "think_answer", "5"),
        ("<think>a</think><answer>5", "think_answer", "5"),
        ("<think>a</think><answer>  </answer>", "think_answer", None),
        ("5", "think_answer", None),
        ("5", "plain", "5"),
        ("", "plain", None),
        ("so \\boxed{5} it is", "plain", "5"),
        ("it is 5", "plain_boxed", None),
        ("<think>a</think> 5", "think_tail", "5"),
        ("a 5", "think_tail", None),
        ("a\n### Answer: 5", "answer_marker", "5"),
        ("a\nFinal answer: 5", "final_answer", "5"),
        ("<SUMMARY>a</SUMMARY><CONCLUSION>5</CONCLUSION>", "staged", "5"),
        ("<CONCLUSION>5", "staged", "5"),
        ("so \\boxed{4}\n### Answer: 5", "answer_marker", "5"),
        ("so \\boxed{4}\n### Answer: \\boxed{5}", "answer_marker", "5"),
        ("<answer>4</answer>\n### Answer: 5", "answer_marker", "5"),
        ("so \\boxed{4}", "answer_marker", "4"),
        ("so \\boxed{4}\n**Final Answer:** 5", "final_answer", "5"),
        ("<REASONING>\\boxed{4}</REASONING><CONCLUSION>5</CONCLUSION>", "staged", "5"),
        ("<CONCLUSION>5</CONCLUSION> \\boxed{4}", "staged", "5"),
        ("<conclusion>5</conclusion>", "staged", "5"),
        ("<answer>4</answer> \\boxed{5}", "plain_boxed", "5"),
        ("<answer>4</answer> \\boxed{5}", "plain", "4"),
        ("so \\boxed{4}\n**Answer: 5**", "plain", "5"),
        ("**Answer: 5**\nso \\boxed{4}", "plain", "4"),
        ("<think>a</think>< answer >5</ answer >", "think_answer", "5"),
        ("<think>a</think><ANSWER>5</ANSWER>", "think_answer", "5"),
        ("<Think>\\boxed{4}</Think><Answer>5", "think_answer", "5"),
        (
            "<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>\\boxed{5}<|end_of_solution|>\\boxed{4}",
            "thought_solution",
            "5",
        ),
        ('<think>a</think>{"action": "back"}', "think_step_action", '{"action": "back"}'),
    ],
)
def test_where_the_answer_stands(response: str, tags: str, span: str | None) -> None:
    assert answer_span(response, tags) == span


def test_a_named_section() -> None:
    assert section("<glue>[1,2]</glue><answer>A</answer>", "glue") == "[1,2]"
    assert section("<glue>[1,2]</glue><glue>[3,4]</glue>", "glue") == "[3,4]"
    assert section("<glue>[1,2]", "glue") is None
    assert section("< GLUE >[1,2]</ glue>", "glue") == "[1,2]"
    assert section("", "glue") is None


@given(st.text(alphabet="<>/thinkanswer {}\\boxed\n5", max_size=300), st.sampled_from(sorted(TAG_SCHEMAS)))
def test_it_never_raises_and_never_gives_blanks(response: str, tags: str) -> None:
    span = answer_span(response, tags)
    assert span is None or (span == span.strip() and span)
