"""Answers that are meant to keep a verifier busy: towers, factorials, nests, lists without end. By name: kind, gold, answer.

`{0}` is a number, so that no two of them are alike.
"""

TRAPS: dict[str, tuple[str, str, str]] = {
    "tower": ("expression", "7", "{0}^{{9^{{9^{{9}}}}}}"),
    "tower of fives": ("expression", "7", "5^(5^(5^(5^5)))+{0}"),
    "logarithm of a tower": ("expression", "7", "\\log_{{2}}(\\log_2(9^{{9^{{9^{0}}}}}))"),
    "remainder of a tower": ("expression", "7", "9^{{9^{{9^{0}}}}} \\mod 10"),
    "factorials": ("expression", "\\frac{1}{2}", "{0}00000!/{0}99999!"),
    "factorial": ("expression", "7", "(10^{{{0}}})!"),
    "sum": ("expression", "7", "\\sum_{{k=1}}^{{10^{{{0}2}}}} \\frac{{1}}{{k}}"),
    "product": ("expression", "x", "\\prod_{{k=1}}^{{100000}} (x+k+{0})"),
    "binomial": ("expression", "7", "\\binom{{10^9}}{{5 \\cdot 10^8}}+{0}"),
    "integral": ("expression", "x", "\\int \\sqrt{{\\sin(x^{0})+\\cos(x)e^{{x^2}}}} dx"),
    "brackets": ("expression", "7", "(" * 900 + "{0}" + ")" * 900),
    "roots": ("expression", "7", "\\sqrt{{" * 300 + "{0}" + "}}" * 300),
    "bars": ("expression", "7", "|" * 800 + "{0}"),
    "long list": ("json", '{"a": [1]}', "[" + "{0}," * 200_000 + "1]"),
    "deep object": ("json", '{"a": [1]}', '{{"a":' * 5_000 + "{0}"),
    "polygon": ("mask", '{"size": [4, 4], "counts": [5, 2, 2, 2, 5]}', "[[" + "0.5, {0}, 3, " * 40_000 + "1, 2]]"),
    "boxes": ("boxes", "[[0, 0, 10, 10], [20, 20, 30, 30]]", "[" + "[1, 2, 3, {0}4], " * 299 + "[1, 2, 3, 4]]"),
    "points": ("points", "[[1, 2], [30, 40]]", "[" + "[1, {0}], " * 299 + "[1, 2]]"),
    "ligatures": ("text", "a red car", "\ufdfa" * 55_000 + "{0}"),
    "labels": ("set", "red, blue", "a\u2026b{0}," * 20_000),
    "items": ("order", "c, a, b", "\ufdfa " * 30_000 + "{0}"),
}


def traps(count: int) -> list[tuple[str, str, str]]:
    """So many of them, in turn: kind, gold, answer."""
    every = list(TRAPS.values())
    rows = (every[number % len(every)] for number in range(count))
    return [(kind, gold, answer.format(3 + number // len(every))) for number, (kind, gold, answer) in enumerate(rows)]
