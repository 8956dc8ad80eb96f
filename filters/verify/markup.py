r"""Markup around an answer, taken off layer by layer: Markdown, LaTeX, HTML, marks of a dialogue's end.

`**5**`, `*5*`, `` `5` ``, `$5$`, `\boldsymbol{5}`, `{\bf 5}`, `\color{red}{5}`, `\large 5`, `5\quad`, `<ANSWER>5</ANSWER>`,
`5<|im_end|>`, a code fence of any common language, `{"answer": 5}` and `{"reasoning": "…", "answer": 5}` are all 5. What
means something stays: braces of a set, brackets of an interval, `5!`, `\overline{3}`, and `~~5~~`, which is struck out.
Every function is linear in the length of the text.
"""

import re

LAYERS = 12
"""How many marks around one another are taken off."""

PUNCTUATION: dict[str, str] = {
    **dict.fromkeys("。।۔", "."),
    **dict.fromkeys("、،", ","),
    "؛": ";",
    "؟": "?",
    **dict.fromkeys("【〔", "["),
    **dict.fromkeys("】〕", "]"),
    **dict.fromkeys("「」『』《》«»„", '"'),
    "٪": "%",
}
"""Punctuation that NFKC leaves alone (full-width forms become ASCII there), as what it stands for."""

_PAIRS = (
    ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("***", "***"), ("**", "**"), ("__", "__"), ("*", "*"),
    ("_", "_"), ("```", "```"), ("`", "`"), ('"', '"'), ("'", "'"),
)  # fmt: skip
_OPENERS = frozenset(left[0] for left, _ in _PAIRS) | {"<", "{", "~"}
_CLOSERS = frozenset(right[-1] for _, right in _PAIRS) | {">", "}", "~", ".", ",", ";", ":", "\\"}
_FONT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|normal|up|md)?|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox|[fx]?box(?:ed)?|boxed|rm|bf"
    r"|boldsymbol|bm|pmb|bold|underline|uline|emph|ensuremath)\s*(?=\{)"
)
_COLOURED = re.compile(r"\\(?:text)?color(?:box)?\s*(?:\[[^\[\]{}]{0,20}\])?\s*\{[^{}]{0,40}\}\s*(?=\{)")
_DECLARATION = re.compile(
    r"\\(?:bf|rm|it|sf|tt|em|bfseries|itshape|boldmath|displaystyle|textstyle|scriptstyle|tiny|scriptsize|footnotesize|small"
    r"|normalsize|large|Large|LARGE|huge|Huge|quad|qquad|enspace|noindent|centering|color\s*\{[^{}]{0,40}\}(?!\s*\{))"
    r"(?![A-Za-z])|\\[,;:! ]|~(?!~)"
)
_SPACE_AFTER = re.compile(r"(?:\\(?:quad|qquad|enspace|hfill|newline|par|,|;|:|!|\\)|(?<!~)~(?!~)|\\)$")
_TAG = re.compile(
    r"<\s*(?P<name>b|i|u|em|strong|mark|code|tt|p|div|span|font|center|big|small|answer|final_answer|final-answer|solution|result)"
    r"(?:\s[^<>]{0,80})?\s*>",
    re.IGNORECASE,
)
_CLOSE_TAG = re.compile(r"<\s*/\s*(?P<name>[A-Za-z_-]{1,12})\s*>$")
_BREAK = re.compile(r"<\s*br\s*/?\s*>", re.IGNORECASE)
_END_TOKEN = re.compile(
    r"(?:<\|(?:im_end|endoftext|eot_id|eom_id|end|return|end_of_text|end▁of▁sentence|user|assistant)\|>|</s>|<eos>|<pad>"
    r"|<end_of_turn>|\[EOS\]|<｜end▁of▁sentence｜>|<br\s?/?>)$",
    re.IGNORECASE,
)
_LONGEST_MARK = 100
_LANGUAGE = re.compile(
    r"(?:json[5cl]?|python3?|py|te?xt|plain(?:text)?|latex|tex|math|markdown|md|xml|html|ya?ml|csv|javascript|js)(?=\s+\S)",
    re.IGNORECASE,
)
"""What a code fence may say of the language of its inside, as its first word (a text may be flat by then)."""
_TALK = (
    r"""["'](?:reason(?:s|ing)?|explanation|thoughts?|thinking|think|analysis|rationale|justification|steps?|confidence)["']\s*:"""
    r"""\s*(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[\d.]+%?|\[[^\[\]{}]*+\])\s*"""
)
"""A member of an object that talks about the answer."""
_OBJECT = re.compile(
    rf"\{{\s*(?:{_TALK},\s*){{0,4}}"
    r"""["']?(?:final[ _]?)?(?:answer|result|solution)["']?\s*:\s*"""
    r"""(?P<value>"[^"]*"|'[^']*'|\[[^\[\]{}]*\]|[^\s{}\[\]"':][^{}\[\]"':]*+(?=\})|[^\s{}\[\]"':,][^{}\[\]"':,]*+)\s*"""
    rf"(?:,\s*{_TALK}){{0,4}}\}}",
    re.IGNORECASE | re.DOTALL,
)
"""An object that holds the answer and, at most, talk about it."""


def unmarked(text: str) -> str:
    """`text` without the markup around the whole of it and the full stops, commas and colons after it."""
    text = text.strip()
    for _ in range(LAYERS):
        if not text or (text[0] not in _OPENERS and text[-1] not in _CLOSERS and "\\" not in text):
            return text
        before = text
        text = _peeled(text) or text
        text = text[: _before_stops(text)]
        if text == before:
            return text
    return text


def _peeled(text: str) -> str:
    """One layer less, or the text."""
    if text[-1] in ">]~\\" or "\\" in text[-9:]:
        text = _without_end(text)
    for left, right in _PAIRS:
        if text.startswith(left) and text.endswith(right) and len(text) > len(left + right):
            inside = text[len(left) : len(text) - len(right)]
            if left not in inside:
                return _without_language(inside.strip()) if left == "```" else inside.strip()
    if text.startswith("\\"):
        return _without_command(text)
    if text.startswith("{") and text.endswith("}") and (found := _OBJECT.fullmatch(text)):
        return found.group("value").replace("\\\\", "\\").strip()
    if text.startswith("{\\") and _DECLARATION.match(text, 1) and _group_end(text, 0) == len(text):
        return text[1:-1].strip()
    if text.startswith("<"):
        return _without_tag(text)
    return text[1:].strip() if text.startswith("~") and not text.startswith("~~") and not text[1:2].isdigit() else text


def _without_language(text: str) -> str:
    return text[match.end() :].strip() if (match := _LANGUAGE.match(text)) else text


def _without_command(text: str) -> str:
    if (match := _FONT.match(text) or _COLOURED.match(text)) and _group_end(text, match.end()) == len(text):
        return text[match.end() + 1 : -1].strip()
    if not (match := _DECLARATION.match(text)):
        return text
    text = text[match.end() :].strip()
    return text[1:-1].strip() if text.startswith("{") and _group_end(text, 0) == len(text) else text


def _without_tag(text: str) -> str:
    if match := _BREAK.match(text):
        return text[match.end() :].strip()
    if (match := _TAG.match(text)) is None:
        return text
    inside = text[match.end() :]
    close = _CLOSE_TAG.search(inside, max(0, len(inside) - _LONGEST_MARK))
    if close and close.group("name").casefold() == match.group("name").casefold():
        return inside[: close.start()].strip()
    return text


def _without_end(text: str) -> str:
    """Without one mark at the end: a dialogue's end, a line break, a stray backslash."""
    if match := _END_TOKEN.search(text, max(0, len(text) - _LONGEST_MARK)):
        return text[: match.start()].strip()
    if text.endswith(("\\)", "\\]", "\\}")):
        return text
    match = _SPACE_AFTER.search(text, max(0, len(text) - _LONGEST_MARK))
    return text[: match.start()].strip() if match else text


def _group_end(text: str, start: int) -> int:
    """Behind the brace that closes the one at `start`; -1 where none does."""
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return -1


def _before_stops(text: str) -> int:
    """Where a text ends without its final full stops, commas, colons; those of an ellipsis stay."""
    end = len(text)
    while (
        end
        and text[end - 1] in ".,;:"
        and text[max(end - 2, 0) : end] != ".."
        and text[max(end - 2, 0) : end - 1] != "\\"
    ):
        end -= 1
        while end and text[end - 1].isspace():
            end -= 1
    return end
