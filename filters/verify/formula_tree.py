"""Reads simple LaTeX and plain arithmetic into a tree: numbers, letters, + − × ÷, powers, roots, fractions, a few functions.

What it does not know (sets, relations, matrices, unusual functions, words) is left to the symbolic engine.
"""

import re

from schemas.remembered import remembered

Tree = tuple[object, ...]

MAX_CHARS = 600
MAX_DEPTH = 40
_TOKEN = re.compile(r"\s*(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|\\[a-zA-Z]+|\\[%!,;: ]|\S)")
_SKIPPED = {"\\left", "\\right", "\\,", "\\!", "\\;", "\\:", "\\ ", "\\displaystyle", "\\big", "\\Big"}
_LETTERS = "alpha beta gamma delta epsilon theta lambda mu nu rho sigma tau phi omega varphi Delta Omega"
_GREEK = frozenset(f"\\{name}" for name in _LETTERS.split())
FUNCTIONS = frozenset(("\\sin", "\\cos", "\\tan", "\\ln", "\\exp"))
_FRACTIONS = ("\\frac", "\\dfrac", "\\tfrac")
_TIMES = {"*", "\\cdot", "\\times", "×", "·"}
_OVER = {"/", "\\div", "÷", ":"}


class _NotClosedError(ValueError):
    """Not in the small language."""


@remembered()
def parse_closed(text: str) -> Tree | None:
    """The tree of a formula without relations, or None when it is not in the small language. Linear time."""
    if len(text) > MAX_CHARS:
        return None
    try:
        reader = _Reader(_tokens(text))
        tree = reader.sum(0)
        return tree if reader.done else None
    except (_NotClosedError, RecursionError):
        return None


def variables(tree: Tree) -> frozenset[str]:
    """The names that need a value."""
    if tree[0] == "name":
        return frozenset({str(tree[1])})
    return frozenset(name for part in tree[1:] if isinstance(part, tuple) for name in variables(part))


def has_decimal(tree: Tree) -> bool:
    """Whether the whole formula is one number written with decimals: such a number may have been rounded."""
    while tree[0] in ("neg", "percent"):
        tree = tree[1]  # type: ignore[assignment]
    return tree[0] == "number" and bool(tree[2])


def _tokens(text: str) -> list[str]:
    tokens = []
    position = 0
    while match := _TOKEN.match(text, position):
        token = match.group().strip()
        position = match.end()
        if token in ("\\big", "\\left", "\\right") and text[position : position + 1] == ".":
            raise _NotClosedError
        if token and token not in _SKIPPED:
            tokens.append(token)
    if text[position:].strip():
        raise _NotClosedError
    return tokens


class _Reader:
    """Precedence climbing over the tokens; each method returns a tree and stands behind what it read."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at == len(self.tokens)

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise _NotClosedError

    def sum(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise _NotClosedError
        tree = self.product(depth)
        while self.peek() in ("+", "-"):
            operator = self.take()
            tree = (operator, tree, self.product(depth))
        return tree

    def product(self, depth: int) -> Tree:
        tree = self.signed(depth)
        while True:
            token = self.peek()
            if token in _TIMES:
                self.take()
                tree = ("*", tree, self.signed(depth))
            elif token in _OVER:
                self.take()
                tree = ("/", tree, self.signed(depth))
            elif self._starts_atom(token):
                tree = self._juxtaposed(tree, token, depth)
            else:
                return tree

    def _juxtaposed(self, tree: Tree, token: str, depth: int) -> Tree:
        following = self.power(depth)
        if token[0].isdigit() or token[0] == ".":
            raise _NotClosedError  # "2 3" is no product
        whole = tree[0] == "number" and "." not in str(tree[1])
        fraction = token in _FRACTIONS and following[0] == "/"
        if whole and fraction and all(isinstance(p, tuple) and p[0] == "number" for p in following[1:]):
            return ("+", tree, following)  # a mixed number
        return ("*", tree, following)

    def _starts_atom(self, token: str) -> bool:
        return bool(token) and (token[0].isalnum() or (token[0] in "(\\.π√" and token not in ("\\%", *_TIMES, *_OVER)))

    def signed(self, depth: int) -> Tree:
        signs = 0
        negative = False
        while self.peek() in ("-", "+"):
            negative ^= self.take() == "-"
            signs += 1
            if signs > MAX_DEPTH:
                raise _NotClosedError
        tree = self.power(depth)
        return ("neg", tree) if negative else tree

    def power(self, depth: int) -> Tree:
        tree = self.postfix(depth)
        if self.peek() == "^":
            self.take()
            exponent = self.group(depth) if self.peek() == "{" else self.signed_power(depth)
            if exponent == ("name", "\\circ"):
                return tree
            return ("^", tree, exponent)
        return tree

    def signed_power(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise _NotClosedError
        if self.peek() == "-":
            self.take()
            return ("neg", self.power(depth + 1))
        if self.peek() == "\\circ":
            self.take()
            return ("name", "\\circ")
        token = self.peek()
        if len(token) > 1 and token.isdigit():  # x^12 is x^1 2 in LaTeX, and x^12 everywhere else: leave it to others
            raise _NotClosedError
        return self.power(depth + 1)

    def group(self, depth: int) -> Tree:
        self.expect("{")
        if self.peek() == "\\circ":
            self.take()
            self.expect("}")
            return ("name", "\\circ")
        tree = self.sum(depth + 1)
        self.expect("}")
        return tree

    def postfix(self, depth: int) -> Tree:
        tree = self.atom(depth)
        if self.peek() in ("%", "\\%"):
            self.take()
            tree = ("percent", tree)
        return tree

    def atom(self, depth: int) -> Tree:  # noqa: PLR0911
        token = self.take()
        if not token:
            raise _NotClosedError
        if token[0].isdigit() or token[0] == ".":
            return ("number", token.replace(",", ""), "." in token)
        if token == "(":
            tree = self.sum(depth + 1)
            self.expect(")")
            return tree
        if token == "{":
            self.at -= 1
            return self.group(depth)
        if token in _FRACTIONS:
            top = self.argument(depth)
            return ("/", top, self.argument(depth))
        if token in ("\\sqrt", "√"):
            return self.root(depth)
        if token in ("\\pi", "π"):
            return ("constant", "pi")
        if token in FUNCTIONS:
            return self.function(token, depth)
        if token in _GREEK or (len(token) == 1 and token.isascii() and token.isalpha() and token not in "iIE"):
            return ("constant", "e") if token == "e" else ("name", token)
        raise _NotClosedError

    def argument(self, depth: int) -> Tree:
        if self.peek() == "{":
            return self.group(depth)
        token = self.peek()
        if len(token) == 1 and token.isalnum():
            return self.atom(depth)
        if token.isdigit():  # \frac12 and \sqrt12: the first digit only
            self.tokens[self.at : self.at + 1] = list(token)
            return self.atom(depth)
        raise _NotClosedError

    def root(self, depth: int) -> Tree:
        degree: Tree = ("number", "2", False)
        if self.peek() == "[":
            self.take()
            degree = self.sum(depth + 1)
            self.expect("]")
        body = self.atom(depth) if self.peek() == "(" else self.argument(depth)
        return ("root", body, degree)

    def function(self, token: str, depth: int) -> Tree:
        if self.peek() == "^":
            raise _NotClosedError
        body = self.atom(depth + 1) if self.peek() in ("(", "{") else self.power(depth + 1)
        return ("call", token, body)
