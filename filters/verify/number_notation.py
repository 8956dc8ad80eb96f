"""LaTeX and other notation around a number, as the plain text that numerals and units are read from."""

import re

from filters.verify.digits import ARABIC

_LATEX = (
    ("\\", re.compile(r"\\(?:left|right|displaystyle|quad|qquad|[,;: ])"), " "),
    ("~", re.compile(r"(?<!\\)~"), " "),
    ("\\!", re.compile(r"\\!"), ""),
    ("{,}", re.compile(r"\{,\}"), ","),
    ("\\", re.compile(r"\\([%$])"), r"\1"),
    ("frac", re.compile(r"\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*(-?[\d.,]+)\s*\}"), r" \1/\2"),
    ("frac", re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)"), r" \1/\2"),
    ("\\", re.compile(r"\\(?:times|cdot)(?![a-zA-Z])"), "*"),
    ("×", re.compile(r"×"), "*"),
    ("^", re.compile(r"\^\s*\{\s*([+-]?\d+)\s*\}"), r"^\1"),
    ("\\mu", re.compile(r"\\mu(?![a-zA-Z])\s*"), "μ"),
    ("\\Omega", re.compile(r"\\Omega(?![a-zA-Z])"), "Ω"),
    ("\\approx", re.compile(r"\\approx(?![a-zA-Z])"), "≈"),
    ("\\circ", re.compile(r"\^\s*\{?\s*\\circ\s*\}?"), "°"),
    ("\\degree", re.compile(r"\\degrees?(?![a-zA-Z])"), "°"),
    (
        "\\",
        re.compile(r"\\(?:text|mathrm|mbox|textrm|operatorname|rm|textbf|mathbf|boldsymbol)\s*\{([^{}]*)\}"),
        r" \1",
    ),
    ("frac", re.compile(r"\\[dtc]?frac\s*\{\s*([^\W\d][^{}]*)\}\s*\{([^{}]*)\}"), r" \1/(\2)"),
    ("°", re.compile(r"°\s*([CF])(?![a-zA-Z])"), r" deg\1"),
    ("°", re.compile(r"°"), " degrees "),
)
"""What has to be in a text for a pattern to match, the pattern, and what it becomes."""


_KNOWN = (
    "left|right|displaystyle|quad|qquad|dfrac|tfrac|cfrac|frac|times|cdot|mu|Omega|approx|circ|degrees?|text|mathrm|mbox|textrm|"
    "operatorname|rm|textbf|mathbf|boldsymbol"
)
_FORMULA = re.compile(rf"\\(?!(?:{_KNOWN})(?![a-zA-Z]))[a-zA-Z{{}}|]")


def is_formula(text: str) -> bool:
    r"""Whether a command is in it that no number has, such as `\sqrt` or `\{`."""
    return "\\" in text and _FORMULA.search(text) is not None


def plain(text: str) -> str:
    r"""`16,\!386.20` as `16,386.20`, `1\,000` as `1 000`, `\frac{3}{4}` as `3/4`, `\mathrm{m}\,s^{-1}` as `m s^-1`."""
    text = text if text.isascii() else text.translate(ARABIC)
    for mark, pattern, by in _LATEX:
        if mark in text:
            text = pattern.sub(by, text)
    return text.strip()
