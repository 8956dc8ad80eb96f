"""Marks in a question become positions, and come back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.marks import MARK, cut, moved, put_marks, take_marks

WORDS = st.text(st.sampled_from(" \nab<>image½"), max_size=12).filter(lambda text: MARK not in text)


@pytest.mark.parametrize(
    ("published", "text", "positions"),
    [
        ("Find x.", "Find x.", ()),
        ("<image>Find x.", "Find x.", ()),
        ("<image>\nFind x.", "Find x.", ()),
        ("<image>\n<image>\nWhich?", "Which?", ()),
        ("Find x.<image>", "Find x.", (7,)),
        ("Is <image> or <image> red?", "Is  or  red?", (3, 7)),
        ("<image>A or <image>B?", "A or B?", (0, 5)),
        ("<image 1> and <imagery>", "<image 1> and <imagery>", ()),
        ("<image>", "", ()),
    ],
)
def test_marks_are_taken_off(published: str, text: str, positions: tuple[int, ...]) -> None:
    assert take_marks(published) == (text, positions)


@given(st.lists(WORDS, min_size=2, max_size=5))
def test_positions_give_the_marks_back(pieces: list[str]) -> None:
    published = MARK.join(pieces)
    text, positions = take_marks(published)
    if "".join(pieces[:-1]).strip():
        assert put_marks(text, positions) == published
        assert cut(text, positions) == pieces
        assert take_marks(put_marks(text, positions)) == (text, positions)
    else:
        assert (text, positions) == (pieces[-1].lstrip(), ())


@given(st.lists(WORDS, min_size=2, max_size=4), WORDS, WORDS)
def test_positions_move_with_their_words(pieces: list[str], before: str, after: str) -> None:
    text, positions = "".join(pieces), take_marks("x" + MARK.join(pieces))[1]
    found = moved(positions, "x" + text, f"{before}x{text}{after}")
    assert found is not None
    shift = found[0] - positions[0]
    assert [p - shift for p in found] == list(positions)
    assert f"{before}x{text}{after}"[shift : shift + positions[-1]] == ("x" + text)[: positions[-1]]
    assert moved((3,), "one", "two") is None
