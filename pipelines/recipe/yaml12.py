"""YAML as people expect it, which is the core schema of YAML 1.2: only true and false are booleans, 12:30 is a text.

PyYAML reads YAML 1.1, where `on`, `no`, `1_000`, `12:30` and `2026-01-02` are no texts. So it only parses here, and the
values are made from its nodes by the few rules of the core schema. It parses in Python: libyaml, which is sixteen times as
fast (0.5 ms for the quickstart's recipe, not 8), ends the process with a segmentation fault at a file of 100,000 brackets.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

from pipelines.recipe.mistakes import Places, Where
from schemas.errors import ConfigError

_MOST_KEYS = 100_000

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_BARE = re.compile(r"(?:^|[\s:,\[{-])(\{\{.*?\}\}|\{%.*?%\})")

PlaceOfLine = Callable[[int], str]
"""The place that a mistake in a line is reported at, such as `file:line`."""


def read_yaml(text: str, place: PlaceOfLine) -> tuple[Any, Places]:
    """What a YAML text holds, and the place of every key and item in it, by its path of keys.

    Raises ConfigError for what is not valid YAML, for a key given twice (YAML 1.1 would keep the last), for tags, merge keys
    and bare `{{ braces }}`, and for more than 100,000 keys and items once its aliases are written out.
    """
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        return _Reading(text, place).value(node, ()) if node is not None else (None, {})
    except RecursionError:
        raise ConfigError(f"{place(1)}: not valid YAML: it is nested too deeply, or an alias holds itself.") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{place(line)}: not valid YAML: it holds the character {text[error.position]!r}.") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_invalid(text, error, place)) from None


def value_span(text: str, key: str) -> tuple[int, int] | None:
    """From and up to which character the value of a top key is written in a text that `read_yaml` has read; None where the
    key is not there."""
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    spans = (
        (value.start_mark.index, value.end_mark.index) for found, value in pairs if getattr(found, "value", None) == key
    )
    return next(spans, None)


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar by the core schema. Raises ValueError for a number of too many digits."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _REAL.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _ENDLESS.fullmatch(text) else text


class _Reading:
    """Values and places of a text's nodes. Aliases are written out, so what they stand for is counted."""

    def __init__(self, text: str, place: PlaceOfLine) -> None:
        self._text = text
        self._place = place
        self._places: Places = {}

    def value(self, node: yaml.Node, where: Where) -> tuple[Any, Places]:
        return self._value(node, where), self._places

    def _value(self, node: yaml.Node, where: Where) -> Any:
        if node.tag not in _PLAIN_TAGS:
            kind = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise ConfigError(f"{self._at(node)}: the tag {kind} is not read; a recipe holds plain values only.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(value, (*where, number)) for number, value in enumerate(node.value)]
        text: str = node.value
        if getattr(node, "style", None) is not None:  # quoted, or a block
            return text if text.isascii() else self._paired(text, node)
        try:
            return scalar(text)
        except ValueError:
            raise ConfigError(f"{self._at(node)}: '{text[:40]}…' has too many digits; put it in quotes.") from None

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[Any, Any]:
        held: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.MappingNode):
                bare = self._text[node.start_mark.index : node.end_mark.index]
                raise ConfigError(f"{self._at(node)}: {_needs_quotes(bare, bare)}")
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{self._at(key_node)}: a list cannot be a key.")
            key = self._value(key_node, where)
            if key == "<<" and key_node.style is None:
                raise ConfigError(f"{self._at(key_node)}: the merge key << is not read; write its keys out.")
            if key in held:
                first = self._places[(*where, key)]
                raise ConfigError(f"{self._at(key_node)}: '{key_node.value}' is given twice, first at {first}.")
            self._note((*where, key), key_node)
            held[key] = self._value(value_node, (*where, key))
        return held

    def _item(self, node: yaml.Node, where: Where) -> Any:
        self._note(where, node)
        return self._value(node, where)

    def _paired(self, text: str, node: yaml.Node) -> str:
        """A text with the pairs of surrogates that JSON escapes other characters as ("\\ud83d\\ude00") put together."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise ConfigError(
                f"{self._at(node)}: a text holds half of a pair of surrogates (\\ud800 to \\udfff)."
            ) from None

    def _note(self, where: Where, node: yaml.Node) -> None:
        self._places[where] = self._at(node)
        if len(self._places) > _MOST_KEYS:  # a few lines of aliases of aliases stand for more than any machine holds
            raise ConfigError(
                f"{self._at(node)}: there are more than {_MOST_KEYS:,} keys and items once aliases are written out."
            )

    def _at(self, node: yaml.Node) -> str:
        return self._place(node.start_mark.line + 1)


def _invalid(text: str, error: yaml.MarkedYAMLError, place: PlaceOfLine) -> str:
    """What keeps a text from being YAML: most often a prompt that starts with braces and has no quotes."""
    lines = text.split("\n")
    mark = error.problem_mark or error.context_mark
    near = {m.line - back for m in (error.problem_mark, error.context_mark) if m is not None for back in (0, 1)}
    for number in sorted((n for n in near if 0 <= n < len(lines)), reverse=True):
        for bare in _BARE.finditer(lines[number]):
            before = lines[number][: bare.start(1)]
            if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
                return f"{place(number + 1)}: {_needs_quotes(bare[1], f'{bare[1]} …')}"
    several = "expected a single document" in (error.context or "")
    problem = "a second document starts here (`---`)" if several else error.problem or error.context
    return f"{place(mark.line + 1 if mark else 1)}: not valid YAML: {problem}."


def _needs_quotes(bare: str, whole: str) -> str:
    quote = "'" if '"' in whole else '"'
    return (
        f"bare {' '.join(bare.split())[:60]} is a mapping to YAML; put the whole text in quotes: {quote}{whole}{quote}."
    )
