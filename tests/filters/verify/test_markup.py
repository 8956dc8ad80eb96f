"""Markup around an answer is taken off; what means something stays."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.markup import unmarked
from filters.verify.normalise import flat

MARKS = (
    "**{}**", "*{}*", "***{}***", "__{}__", "_{}_", "`{}`", "```{}```", '"{}"', "“{}”", "「{}」", "《{}》", "${}$",
    "$${}$$", "\\({}\\)",
    "\\[{}\\]", "\\text{{{}}}", "\\boldsymbol{{{}}}", "\\mathbf{{{}}}", "\\bm{{{}}}", "\\underline{{{}}}",
    "{{\\bf {}}}", "\\bf {}",
    "\\textbf{{{}}}", "\\color{{red}}{{{}}}", "\\color{{red}} {}", "{{\\color{{red}} {}}}",
    "\\textcolor{{blue}}{{{}}}", "\\large {}",
    "{{\\large {}}}", "\\displaystyle {}", "{}\\quad", "\\quad {}", "{}\\,", "{}\\", "{} \\\\",
    "<ANSWER>{}</ANSWER>", "<b>{}</b>",
    "<strong>{}</strong>", "< answer >{}</ answer >", '<span style="x">{}</span>', "{}<|im_end|>",
    "{}<|endoftext|>", "{}</s>",
    "{}<br>", "{}.", "{}。", "{},", "{}、", "**{}**.", "$\\boldsymbol{{\\text{{{}}}}}$.", "{}<｜end▁of▁sentence｜>",
)  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("answer", ["5", "B", "北京", "red car"])
def test_marks_around_an_answer(mark: str, answer: str) -> None:
    assert unmarked(flat(mark.format(answer))) == answer


@pytest.mark.parametrize(
    "text",
    ["{1,2}", "\\{1,2\\}", "]1,2[", "5!", "0.\\overline{3}", "~~5~~", "**5** and **6**", "$5$ or $6$", "1, 2, ...",
    "\\frac{1}{2}",
     "\\text{A} and \\text{B}", "-5", "a_b", "x*y*z", "<b>5</i>"],
)  # fmt: skip
def test_what_means_something_stays(text: str) -> None:
    assert unmarked(text) == text


@given(st.text(max_size=100))
def test_it_never_grows_and_only_stops_are_nothing(text: str) -> None:
    left = unmarked(text)
    assert len(left) <= len(text)
    assert left or not re.search(r"[^\s.,;:]", text)
