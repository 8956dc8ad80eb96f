"""Pairs of a gold formula and an answer span, as models write them: the mix on which speed and parity are measured.

Golds are drawn from the families that answer keys of mathematics datasets hold; each is paired with right spellings and
with the wrong answers that are nearest to it. The mix is a pure function of the seed.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple


class Pair(NamedTuple):
    """`truth` is what the construction says; the verifiers under test never see it."""

    family: str
    gold: str
    response: str
    truth: bool


Family = Callable[[Random], Iterator[tuple[str, str, bool]]]


def integers(r: Random) -> Iterator[tuple[str, str, bool]]:
    n = r.choice([r.randint(0, 20), r.randint(-99, 999), r.randint(1000, 99999)])
    yield from (
        (str(n), shape.format(n=n), True) for shape in ("{n}", "{n}", "{n:,}", "{n}.0", "x = {n}", "\\text{{{n}}}")
    )
    yield from ((str(n), str(n + d), False) for d in (1, -1, 10))
    yield str(n), f"-{n}" if n > 0 else str(abs(n) + 1), False


def decimals(r: Random) -> Iterator[tuple[str, str, bool]]:
    tenths = r.randint(1, 9999)
    gold = f"{tenths / 100:g}"
    yield from (
        (gold, shape, True) for shape in (gold, gold + "0" if "." in gold else gold, f"\\frac{{{tenths}}}{{100}}")
    )
    yield gold, f"{(tenths + 1) / 100:g}", False
    yield gold, f"{tenths / 10:g}", False


def fractions(r: Random) -> Iterator[tuple[str, str, bool]]:
    a, b = r.randint(1, 40), r.choice([2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16])
    gold = f"\\frac{{{a}}}{{{b}}}"
    yield from (
        (gold, shape, True) for shape in (gold, f"\\dfrac{{{a}}}{{{b}}}", f"{a}/{b}", f"\\frac{{{2 * a}}}{{{2 * b}}}")
    )
    if a > b and a % b:
        yield gold, f"{a // b}\\frac{{{a % b}}}{{{b}}}", True
    yield gold, f"\\frac{{{a + 1}}}{{{b}}}", False
    yield gold, f"\\frac{{{b}}}{{{a}}}" if a != b else "2", False
    yield gold, f"-\\frac{{{a}}}{{{b}}}", False


def roots(r: Random) -> Iterator[tuple[str, str, bool]]:
    k, n, c = r.randint(2, 9), r.choice([2, 3, 5, 6, 7, 10, 11, 13]), r.randint(1, 9)
    gold = f"{k}\\sqrt{{{n}}}"
    yield from (
        (gold, shape, True)
        for shape in (gold, f"\\sqrt{{{k * k * n}}}", f"{k} \\sqrt{{{n}}}", f"{k}\\cdot\\sqrt{{{n}}}")
    )
    yield gold, f"{k * n**0.5:.8f}", True
    yield gold, f"{k}\\sqrt{{{n + 1}}}", False
    both = f"{c}+{k}\\sqrt{{{n}}}"
    yield both, f"{k}\\sqrt{{{n}}}+{c}", True
    yield both, f"{c}-{k}\\sqrt{{{n}}}", False
    yield f"\\frac{{{k}}}{{\\sqrt{{{n}}}}}", f"\\frac{{{k}\\sqrt{{{n}}}}}{{{n}}}", True


def constants(r: Random) -> Iterator[tuple[str, str, bool]]:
    k, d = r.randint(2, 12), r.choice([2, 3, 4, 6])
    gold = f"{k}\\pi"
    yield from ((gold, shape, True) for shape in (gold, f"{k} \\pi", f"\\pi \\cdot {k}", f"{k}\\cdot\\pi"))
    yield gold, f"{k + 1}\\pi", False
    yield gold, str(k), False
    yield f"\\frac{{\\pi}}{{{d}}}", f"\\pi/{d}", True
    yield f"\\frac{{\\pi}}{{{d}}}", f"\\frac{{\\pi}}{{{d + 1}}}", False
    yield f"e^{{{k}}}", f"e^{{{k}}}", True
    yield f"e^{{{k}}}", f"e^{{{k + 1}}}", False
    yield f"\\ln {k}", f"\\ln({k})", True
    yield f"2^{{{k}}}", str(2**k), True
    yield f"{k}^{{-1}}", f"\\frac{{1}}{{{k}}}", True


def polynomials(r: Random) -> Iterator[tuple[str, str, bool]]:
    a, b, v = r.randint(1, 9), r.randint(1, 9), r.choice("xyt")
    gold = f"{v}^2+{a + b}{v}+{a * b}"
    yield from (
        (gold, shape, True)
        for shape in (gold, f"({v}+{a})({v}+{b})", f"{a * b}+{a + b}{v}+{v}^2", f"{v}^{{2}} + {a + b} {v} + {a * b}")
    )
    yield gold, f"{v}^2+{a + b + 1}{v}+{a * b}", False
    yield gold, f"({v}-{a})({v}+{b})", False
    yield f"\\frac{{{v}}}{{{a + 1}}}", f"\\frac{{1}}{{{a + 1}}}{v}", True
    yield f"{a + 1}{v}-{b}", f"{a + 1}{v}+{b}", False
    yield f"{a + 1}a+{b + 1}b", f"{b + 1}b+{a + 1}a", True
    yield f"y={a + 1}x+{b}", f"y = {b} + {a + 1}x", True
    yield f"y={a + 1}x+{b}", f"y = {a + 1}x-{b}", False


def tuples(r: Random) -> Iterator[tuple[str, str, bool]]:
    a, b = r.randint(-9, 9), r.randint(10, 30)
    gold = f"({a},{b})"
    yield from ((gold, shape, True) for shape in (gold, f"({a}, {b})", f"\\left({a},{b}\\right)", f"({a}.0, {b})"))
    yield gold, f"({b},{a})", False
    yield gold, f"({a},{b + 1})", False
    yield gold, f"({a},{b},0)", False
    yield f"[{a},{b})", f"[{a}, {b})", True
    yield f"[{a},{b})", f"({a}, {b})", False
    yield f"(-\\infty,{a}]", f"(-\\infty, {a}]", True
    yield f"(-\\infty,{a}]", f"(-\\infty, {a + 1}]", False


def sets(r: Random) -> Iterator[tuple[str, str, bool]]:
    a, b, c = sorted(r.sample(range(-9, 30), 3))
    yield f"\\{{{a},{b},{c}\\}}", f"\\{{{c}, {a}, {b}\\}}", True
    yield f"\\{{{a},{b},{c}\\}}", f"\\{{{a},{b}\\}}", False
    yield f"{a},{b}", f"{b}, {a}", True
    yield f"{a},{b}", f"{a}, {c}", False
    yield f"{a},{b}", f"{a}", False


def percents(r: Random) -> Iterator[tuple[str, str, bool]]:
    p = r.randint(1, 99)
    yield from ((f"{p}\\%", shape, True) for shape in (f"{p}\\%", f"{p}%", f"{p}", f"{p / 100:g}"))
    yield f"{p}\\%", f"{p + 1}\\%", False


def units(r: Random) -> Iterator[tuple[str, str, bool]]:
    n = r.randint(1, 90)
    unit = r.choice(["cm", "m", "kg", "cm^2", "degrees", "meters"])
    yield f"{n}\\text{{ {unit}}}", f"{n}\\text{{ {unit}}}", True
    yield f"{n}", f"{n}\\text{{ {unit}}}", True
    yield f"{n}\\text{{ {unit}}}", f"{n}", True
    yield f"{n}\\text{{ {unit}}}", f"{n + 1}\\text{{ {unit}}}", False
    yield f"{n}^\\circ", f"{n}", True
    yield f"{n}^\\circ", f"{n}^{{\\circ}}", True
    yield f"\\${n}", f"{n}", True


def words(r: Random) -> Iterator[tuple[str, str, bool]]:
    word, other = r.sample(["Monday", "blue", "Evelyn", "even", "rhombus", "increasing", "triangle", "Navin"], 2)
    yield f"\\text{{{word}}}", f"\\text{{{word}}}", True
    yield f"\\text{{{word}}}", word, True
    yield f"\\text{{{word}}}", f"\\text{{{other}}}", False
    letter, next_letter = r.sample("ABCDE", 2)
    yield letter, letter, True
    yield letter, next_letter, False
    yield f"\\text{{({letter})}}", letter, True


def others(r: Random) -> Iterator[tuple[str, str, bool]]:
    a, b, c, d = (r.randint(-9, 9) for _ in range(4))
    matrix = f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&{d}\\end{{pmatrix}}"
    yield matrix, matrix.replace("&", " & "), True
    yield matrix, f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&{d + 1}\\end{{pmatrix}}", False
    yield f"x\\ge {a}", f"x \\geq {a}", True
    yield f"x>{a}", f"x<{a}", False
    yield f"{a + 10}:{b + 10}", f"{a + 10}:{b + 10}", True
    yield f"{abs(a) + 2}!", f"{abs(a) + 2}!", True
    yield f"\\binom{{{abs(a) + 3}}}{{2}}", f"\\frac{{{abs(a) + 3}\\cdot {abs(a) + 2}}}{{2}}", True
    yield f"{abs(a) + 1}+{abs(b) + 1}i", f"{abs(b) + 1}i+{abs(a) + 1}", True
    yield f"{abs(a) + 1}+{abs(b) + 1}i", f"{abs(a) + 1}-{abs(b) + 1}i", False
    yield f"\\sin {abs(a) + 1}", f"\\sin({abs(a) + 1})", True


_FAMILIES: dict[str, tuple[Family, int]] = {
    "integers": (integers, 30), "decimals": (decimals, 12), "fractions": (fractions, 14), "roots": (roots, 8),
    "constants": (constants, 6), "polynomials": (polynomials, 6), "tuples": (tuples, 5), "sets": (sets, 4),
    "percents": (percents, 4), "units": (units, 5), "words": (words, 4), "others": (others, 2),
}  # fmt: skip


def mixed_pairs(count: int, seed: int = 0) -> list[Pair]:
    """`count` pairs over all families, in the shares of a mixed answer key; distinct golds come first."""
    chance = Random(seed)
    names = [name for name, (_, share) in _FAMILIES.items() for _ in range(share)]
    pairs: list[Pair] = []
    while len(pairs) < count:
        name = chance.choice(names)
        options = list(_FAMILIES[name][0](chance))
        gold, response, truth = chance.choice(options)
        pairs.append(Pair(name, gold, response, truth))
    return pairs


def rollouts(questions: int, samples: int, seed: int = 0, right: float = 0.7) -> list[Pair]:
    """`samples` answers to each of `questions` golds, a share `right` of them in the gold's own words.

    This is what scoring rollouts looks like: most answers that are right are spelled as the key spells them.
    """
    chance = Random(seed)
    names = [name for name, (_, share) in _FAMILIES.items() for _ in range(share)]
    pairs = []
    for _ in range(questions):
        name = chance.choice(names)
        options = list(_FAMILIES[name][0](chance))
        gold = options[0][0]
        same = [o for o in options if o[0] == gold]
        for _ in range(samples):
            _, response, truth = (gold, gold, True) if chance.random() < right else chance.choice(same)
            pairs.append(Pair(name, gold, response, truth))
    return pairs


class Row(NamedTuple):
    """One reply: `kind` and `gold`, what comes before the answer, the answer as written, and the options of a choice.

    `formula`: plain math-verify can take it (a formula or a number).
    """

    kind: str
    gold: str
    thought: str
    answer: str
    options: tuple[str, ...] = ()

    @property
    def formula(self) -> bool:
        return self.kind in ("expression", "number")


_LEADS = (
    "{}", "{}", "\\boxed{{{}}}", "\\boxed{{{}}}", "The answer is {}.", "So the final answer is: {}", "**{}**", "Answer: {}",
    "答案是{}", "所以答案是 {}。", "정답은 {}", "La réponse est {}.", "La respuesta es {}.", "Die Antwort ist {}.",
    "Ответ: {}",
)  # fmt: skip
_WRONG = (
    "It isn't {}", "I am not sure, maybe {}", "It is at most {}", "either {} or something else", "I cannot answer this.",
    "The figure shows no such thing, so nobody can tell.", "不是{}", "There are more than {} of them.",
    "I would rather not commit to {}", "{} was my first guess, but I dropped it",
    "Perhaps {}, perhaps not; the scale cannot be read.", "The image is too blurred to count anything in it.",
    "Nothing in the table supports {}, so I leave this open.", "Somewhere between {} and twice as much",
    "Fewer than {}, as far as I can see.",
    "If it were {}, the sum would be too large, hence we would need more than what is given here.",
    "On ne peut pas répondre avec cette figure.", "Ce n'est pas {}, c'est autre chose.",
    "Es könnte {} sein, aber sicher bin ich nicht.", "Das ist nicht {}, sondern etwas anderes.",
    "No puede ser {} porque falta un dato.", "Не {}, а что-то другое.", "По рисунку этого не определить.",
    "无法从图中确定答案。", "大概是{}吧，我不太确定", "{}ではありません", "{} 은 아닙니다", "ليس {}",
)  # fmt: skip
_THOUGHTS = (
    "Let me look at the figure first. ", "The base has {a} units and the height {b}. ",
    "Then {a} + {b} = {c}, so we go on. ",
    "Wait, that cannot be right, let me check it again. ",
    "If \\(x = {a}\\), then \\(2x = {d}\\). ",
    "我们先看第{a}个图形。", "\n\n",
)  # fmt: skip
_OPTIONS = (
    "a red car",
    "a blue car",
    "two dogs",
    "nothing at all",
    "the tall house",
    "an old tree",
    "a green door",
    "five birds",
)


def honest_mix(count: int, seed: int = 7) -> list[Row]:
    """Replies none of which comes twice: four tenths formulas, two tenths numbers, then choices, truth values, sets, text.

    Before each answer come up to 3,000 characters of thought; a sixth of the answers are prose that denies, bounds or
    refuses, in 28 wordings and eight languages; lead-ins are in nine languages, with markup.
    """
    chance = Random(seed)
    pairs = iter(dict.fromkeys(mixed_pairs(20 * count, seed)))
    rows: dict[tuple[str, str, str], Row] = {}
    tries = 0
    while len(rows) < count and (tries := tries + 1) < 20 * count:
        kind = chance.choice(("expression",) * 4 + ("number",) * 2 + ("choice", "boolean", "set", "text"))
        gold, said, options = _stated_as(kind, chance, pairs)
        form = chance.choice(_WRONG if chance.random() < 1 / 6 else _LEADS)
        row = Row(kind, gold, _thought(chance), form.format(said), options)
        rows.setdefault((kind, gold, row.answer), row)
    return list(rows.values())


def _stated_as(kind: str, r: Random, pairs: Iterator[Pair]) -> tuple[str, str, tuple[str, ...]]:
    if kind == "expression":
        pair = next(pairs)
        return pair.gold, pair.response, ()
    if kind == "number":
        n = r.randint(2, 90_000)
        unit = r.choice(("", "", " cm", " apples", " km/h"))
        return f"{n}{unit}", r.choice((f"{n}{unit}", f"{n:,}", str(n + 1), f"{n - 1} + 1 = {n}", f"{n}.0{unit}")), ()
    if kind == "choice":
        options = tuple(r.sample(_OPTIONS, 4))
        right, other = r.sample(range(4), 2)
        said = r.choice(
            ("ABCD"[right], f"({'ABCD'[right]})", options[right], f"{'ABCD'[right]}. {options[right]}", "ABCD"[other])
        )
        return "ABCD"[right], said, options
    if kind == "boolean":
        return r.choice(("yes", "no")), r.choice(("yes", "No", "It is true", "false", "Yes, it is.")), ()
    names = r.sample(_OPTIONS, 3)
    if kind == "set":
        return ", ".join(names), r.choice((", ".join(reversed(names)), " and ".join(names), ", ".join(names[:2]))), ()
    return names[0], r.choice((names[0], names[0].title(), names[1])), ()


def _thought(r: Random) -> str:
    if r.random() < 0.2:
        return ""
    a, b = r.randint(2, 99), r.randint(2, 99)
    length = r.choice((100, 400, 800, 1500, 3000))
    said = ""
    while len(said) < length:
        said += r.choice(_THOUGHTS).format(a=a, b=b, c=a + b, d=2 * a)
    return said


def repeat_share(keys: list[tuple[str, str, str]]) -> float:
    """The share of (kind, gold, answer) that came before in the list."""
    return 1 - len(set(keys)) / len(keys)
