"""The small arithmetic that settles most formulas, and the numerals, units and notations around it."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.closed_form import evaluate, variables
from filters.verify.formula_tree import parse_closed
from filters.verify.normalise import bare, flat, words
from filters.verify.numeral import read_numeral
from filters.verify.parts import split_top
from filters.verify.plain_math import latexed

LEAF = st.integers(0, 99).map(lambda n: (str(n), Fraction(n)))


def join(operator: str) -> st.SearchStrategy[tuple[str, Fraction]]:
    def combine(pair: tuple[tuple[str, Fraction], tuple[str, Fraction]]) -> tuple[str, Fraction]:
        (left, a), (right, b) = pair
        if operator == "frac":
            return (f"\\frac{{{left}}}{{{right}}}", a / b) if b else (f"({left})", a)
        value = {"+": a + b, "-": a - b, "*": a * b}[operator]
        return f"({left}){operator}({right})", value

    return st.tuples(TREE, TREE).map(combine)


TREE: st.SearchStrategy[tuple[str, Fraction]] = st.deferred(
    lambda: LEAF | join("+") | join("-") | join("*") | join("frac") | TREE.map(lambda t: (f"-({t[0]})", -t[1]))
)


@given(TREE)
def test_arithmetic_is_exact(case: tuple[str, Fraction]) -> None:
    text, value = case
    tree = parse_closed(text)
    if tree is not None:
        assert evaluate(tree, {}) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14), ("(2+3)*4", 20), ("2^3", 8), ("2^{10}", 1024), ("-2^2", -4), ("2^{-1}", Fraction(1, 2)),
        ("1\\frac{1}{2}", Fraction(3, 2)), ("\\frac12", Fraction(1, 2)), ("1,234", 1234), ("50\\%", Fraction(1, 2)),
        ("6\\div 3", 2), ("3:4", Fraction(3, 4)), ("60^\\circ", 60), ("2(3+4)", 14), ("\\left(1\\right)", 1),
        ("\\sqrt{2}", math.sqrt(2)), ("2\\pi", 2 * math.pi), ("\\sqrt[3]{8}", 2.0), ("e^2", math.e**2),
        ("5!", 120), ("10!/(8!2!)", 45), ("|2-5|", 3), ("\\binom{5}{2}", 10), ("\\lfloor\\frac72\\rfloor", 3),
        ("e^{i\\pi}", -1.0),
        ("\\log_2 8", 3.0), ("\\log_e 2", math.log(2)), ("\\sin^2 1", math.sin(1) ** 2), ("\\sin^{-1} 1", math.pi / 2),
        ("\\sin 2\\pi", math.sin(2 * math.pi)), ("\\ln(1)", 0.0), ("\\frac{\\sqrt{3}}{2}", math.sqrt(3) / 2),
    ],
)  # fmt: skip
def test_values(text: str, value: Fraction | float) -> None:
    tree = parse_closed(text)
    assert tree is not None
    found = evaluate(tree, {})
    assert not isinstance(found, complex)
    assert found == pytest.approx(value) if isinstance(value, float) else found == value


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("f(x+1)", "f(1+x)", True), ("f(x)+f(y)", "f(x+y)", False), ("x_1", "x_2", False), ("y'", "y", False),
        ("\\sin 2x", "\\sin(2x)", True), ("\\sin x\\cos x", "\\cos x\\sin x", True), ("\\overline{x}", "x", False),
        ("|x|", "x", False), ("h(b-a)", "hb-ha", True), ("\\sec x", "\\frac{1}{\\cos x}", True),
    ],
)  # fmt: skip
def test_values_at_a_place(first: str, second: str, same: bool) -> None:
    a, b = parse_closed(first), parse_closed(second)
    assert a is not None
    assert b is not None
    place = {name: -0.7 - 0.31 * i for i, name in enumerate(sorted(variables(a) | variables(b)))}
    left, right = evaluate(a, place), evaluate(b, place)
    assert left is not None
    assert right is not None
    assert (abs(complex(left) - complex(right)) < 1e-12) is same


@pytest.mark.parametrize(
    "text",
    ["", "2 3", "(1", "1)", "\\{1\\}", "1,2", "x=1", "5_2", "5'", "5!!", "\\frac{1}", "a_", "1+", "^2", "|7"],
)
def test_what_is_not_in_the_language_is_left_to_others(text: str) -> None:
    assert parse_closed(text) is None


@pytest.mark.parametrize("text", ["5^{5^{5^{5}}}", "9^{9^{9^9}}", "1/0", "0^{-1}", "10^{400}*10^{400}*\\pi"])
def test_what_grows_beyond_bounds_has_no_value_here(text: str) -> None:
    tree = parse_closed(text)
    assert tree is not None
    assert evaluate(tree, {}) is None


def test_variables_are_named_and_needed() -> None:
    tree = parse_closed("2x+\\theta y")
    assert tree is not None
    assert variables(tree) == {"x", "y", "\\theta"}
    assert evaluate(tree, {}) is None
    assert evaluate(tree, {"x": 1, "y": 2, "\\theta": 3}) == 8


@given(st.text(alphabet="0123456789.,+-*/^(){}[]\\fracsqrtpi xyzabc%:=|!", max_size=80))
def test_reading_never_raises(text: str) -> None:
    tree = parse_closed(text)
    if tree is not None:
        evaluate(tree, dict.fromkeys(variables(tree), 1.5 + 0j))
    read_numeral(text)
    latexed(text)
    split_top(text)


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=1000))
def test_a_fraction_is_read_in_all_its_spellings(value: Fraction) -> None:
    sign = "-" if value < 0 else ""
    top, bottom = abs(value.numerator), value.denominator
    for text in (f"{sign}{top}/{bottom}", f"{sign}\\frac{{{top}}}{{{bottom}}}", f"${sign}{top} / {bottom}$"):
        numeral = read_numeral(text)
        assert numeral is not None
        assert numeral.value == value


@pytest.mark.parametrize(
    ("plain", "latex"),
    [
        ("sqrt(3)", "\\sqrt{3}"), ("2^(1/3)", "2^{1/3}"), ("x**2", "x^2"), ("x^12", "x^{12}"), ("2^(x^(y))", "2^{x^{y}}"),
        ("2pi", "2\\pi"), ("√3", "\\sqrt{3}"), ("\\sqrt{3}", "\\sqrt{3}"), ("f(x)", "f(x)"), ("2^(3", "2^(3"),
    ],
)  # fmt: skip
def test_plain_notation_becomes_latex(plain: str, latex: str) -> None:
    assert latexed(plain).replace(" ", "") == latex


@given(st.text(max_size=60))
def test_normal_forms_are_their_own_normal_forms(text: str) -> None:
    assert flat(flat(text)) == flat(text)
    assert bare(bare(text)) == bare(text)
    assert words(text) == words(text.strip())
