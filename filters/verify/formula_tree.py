"""Reads simple LaTeX and plain arithmetic into a tree: numbers, names, + − × ÷, powers, roots, fractions, factorials,
absolute values, binomials, the usual functions.

What it does not know (sets, relations, matrices, unusual functions, words) is left to the symbolic engine.
"""

from filters.verify.formula_tokens import (
    ACCENTS,
    APPLIED,
    ARCS,
    FRACTIONS,
    FUNCTIONS,
    GREEK,
    OPERAND,
    OVER,
    ROUNDED,
    TIMES,
    NotClosedError,
    tokens_of,
)
from schemas.remembered import remembered

Tree = tuple[object, ...]

MAX_CHARS = 600
MAX_DEPTH = 40


@remembered()
def parse_closed(text: str) -> Tree | None:
    """The tree of a formula without relations, or None when it is not in the small language. Linear time."""
    if len(text) > MAX_CHARS:
        return None
    try:
        reader = _Reader(tokens_of(text))
        tree = reader.sum(0)
        return tree if reader.done else None
    except (NotClosedError, RecursionError):
        return None


class _Reader:
    """Precedence climbing over the tokens; each method returns a tree and stops behind what it read."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0
        self.bars = 0

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
            raise NotClosedError

    def sum(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise NotClosedError
        tree = self.product(depth)
        while self.peek() in ("+", "-"):
            operator = self.take()
            tree = (operator, tree, self.product(depth))
        return tree

    def product(self, depth: int) -> Tree:
        tree = self.signed(depth)
        while True:
            token = self.peek()
            if token in TIMES:
                self.take()
                tree = ("*", tree, self.signed(depth))
            elif token in OVER:
                self.take()
                tree = ("/", tree, self.signed(depth))
            elif self._starts_atom(token):
                tree = self._juxtaposed(tree, token, depth)
            else:
                return tree

    def _juxtaposed(self, tree: Tree, token: str, depth: int) -> Tree:
        after_factorial = self.tokens[self.at - 1] == "!"
        following = self.power(depth)
        if (token[0].isdigit() or token[0] == ".") and not after_factorial:
            raise NotClosedError  # "2 3" is no product
        whole = tree[0] == "number" and "." not in str(tree[1])
        fraction = token in FRACTIONS and following[0] == "/"
        if whole and fraction and all(isinstance(p, tuple) and p[0] == "number" for p in following[1:]):
            return ("+", tree, following)  # a mixed number
        return ("*", tree, following)

    def _starts_atom(self, token: str) -> bool:
        if token in ("|", "\\|"):
            return not self.bars
        return bool(token) and (
            token[0].isalnum()
            or (token[0] in "(\\.π√" and token not in ("\\%", "\\}", *TIMES, *OVER, *ROUNDED.values()))
        )

    def signed(self, depth: int) -> Tree:
        signs = 0
        negative = False
        while self.peek() in ("-", "+"):
            negative ^= self.take() == "-"
            signs += 1
            if signs > MAX_DEPTH:
                raise NotClosedError
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
            raise NotClosedError
        if self.peek() == "-":
            self.take()
            return ("neg", self.power(depth + 1))
        if self.peek() == "\\circ":
            self.take()
            return ("name", "\\circ")
        token = self.peek()
        if len(token) > 1 and token.isdigit():  # x^12 is x^1 2 in LaTeX, and x^12 everywhere else: leave it to others
            raise NotClosedError
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
        if self.peek() == "!":
            self.take()
            tree = ("factorial", tree)
        if self.peek() in ("%", "\\%"):
            self.take()
            tree = ("percent", tree)
        if self.peek() in ("!", "'", "_"):  # a double factorial, the prime or the index of a number: not this language
            raise NotClosedError
        return tree

    def atom(self, depth: int) -> Tree:
        token = self.take()
        if not token:
            raise NotClosedError
        if token[0].isdigit() or token[0] == ".":
            return ("number", token.replace(",", ""), "." in token)
        if token == "(":
            bars, self.bars = self.bars, 0
            tree = self.sum(depth + 1)
            self.expect(")")
            self.bars = bars
            return tree
        if token == "{":
            self.at -= 1
            return self.group(depth)
        if token.startswith("\\") or token in "|√π":
            return self.command(token, depth)
        if len(token) == 1 and token.isascii() and token.isalpha() and token not in "IE":
            return self.name(token, depth)
        raise NotClosedError

    def command(self, token: str, depth: int) -> Tree:  # noqa: PLR0911
        if token in FRACTIONS:
            top = self.argument(depth)
            return ("/", top, self.argument(depth))
        if token in ("\\sqrt", "√"):
            return self.root(depth)
        if token in ("\\pi", "π"):
            return ("constant", "pi")
        if token in FUNCTIONS or (token == "\\log" and self.peek() == "_"):
            return self.function(token, depth)
        if token in ("\\binom", "\\dbinom", "\\tbinom"):
            top = self.argument(depth)
            return ("binomial", top, self.argument(depth))
        if token in ("|", "\\|"):
            return self.enclosed(token, token, depth)
        if token in ROUNDED:
            return self.enclosed(token, ROUNDED[token], depth)
        if token in ACCENTS:
            return self.name(f"{token}{{{self.letters()}}}", depth)
        if token in GREEK:
            return self.name(token, depth)
        raise NotClosedError

    def name(self, token: str, depth: int) -> Tree:
        """A variable with its index and primes; `e` and `i` are numbers, `f(…)` is a function of what follows."""
        if self.peek() == "_":
            self.take()
            token += f"_{{{self.letters()}}}"
        elif token in "ei" and self.peek() != "'":
            return ("constant", token)
        while self.peek() == "'":
            token += self.take()
        if token[0] in APPLIED and self.peek() == "(":
            return ("apply", token, self.atom(depth + 1))
        return ("name", token)

    def letters(self) -> str:
        """What is in an index or below an accent: letters, figures and signs, taken as they are."""
        first = self.take()
        if first != "{":
            if first.isalnum() and len(first) == 1:
                return first
            raise NotClosedError
        inside = []
        while (token := self.take()) != "}":
            if not (token.isalnum() or token in "+-") or not token:
                raise NotClosedError
            inside.append(token)
        return "".join(inside)

    def enclosed(self, opening: str, closing: str, depth: int) -> Tree:
        bars, self.bars = self.bars, 1
        tree = self.sum(depth + 1)
        self.expect(closing)
        self.bars = bars
        return ("call", "|" if closing == opening else opening, tree)

    def argument(self, depth: int) -> Tree:
        if self.peek() == "{":
            return self.group(depth)
        token = self.peek()
        if len(token) == 1 and token.isalnum():
            return self.atom(depth)
        if token.isdigit():  # \frac12 and \sqrt12: the first digit only
            self.tokens[self.at : self.at + 1] = list(token)
            return self.atom(depth)
        raise NotClosedError

    def root(self, depth: int) -> Tree:
        degree: Tree = ("number", "2", False)
        if self.peek() == "[":
            self.take()
            degree = self.sum(depth + 1)
            self.expect("]")
        body = self.atom(depth) if self.peek() == "(" else self.argument(depth)
        return ("root", body, degree)

    def function(self, token: str, depth: int) -> Tree:
        base = None
        if token == "\\log":
            self.take()
            base = self.argument(depth)
        exponent = None
        if self.peek() == "^":
            self.take()
            exponent = self.argument(depth)
        if exponent == ("neg", ("number", "1", False)):
            if token not in ARCS:
                raise NotClosedError
            token, exponent = ARCS[token], None
        body = self.operand(depth)
        tree: Tree = ("call", token, body) if base is None else ("/", ("call", "\\ln", body), ("call", "\\ln", base))
        return tree if exponent is None else ("^", tree, exponent)

    def operand(self, depth: int) -> Tree:
        """What a function without brackets is of: `2x` of `\\sin 2x`, up to the next sign, bracket or function."""
        if depth > MAX_DEPTH:
            raise NotClosedError
        if self.peek() in ("(", "{", "|"):
            return self.power(depth + 1)
        if self.peek() in FUNCTIONS:
            return self.atom(depth + 1)
        tree = self.power(depth + 1)
        while (token := self.peek()) and (token[0].isalnum() or token in OPERAND or token in GREEK):
            tree = self._juxtaposed(tree, token, depth + 1)
        return tree
