"""How published cells are read, whatever their column's type is: options, images, chats and answers.

A column is a list in one file, JSON text in the next and, where rows differ, both. Each cell is read by itself, so it means
the same beside any neighbours. Nothing is guessed: a cell that cannot be read stays unread and its row is reported.
"""

import ast
import io
import json
import re
import string
import tokenize
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.marks import MARK

NONE = ("", "null", "None")
"""Texts of a cell that holds nothing."""
_LABEL = r"[(\[]?([A-Z])(?:[)\]][.:]?|[.:、．)])\s*"
_LABELS = (re.compile(rf"(?:^|[;|\n]\s*){_LABEL}"), re.compile(rf"(?:^|(?<=[\s,])){_LABEL}"))
"""Letters before options: after a separator, else after a blank."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_LONGEST_NUMBER = 9
"""Digits of a number that counts options."""
_ONE_VALUE = {"choice", "number", "text", "boolean", "expression", "open"}
"""Kinds whose answer is written in words. An answer of the others may be a list."""

_VERBATIM = {"code", "json", "open"}
"""Kinds whose answers may hold tags and commands of their own."""

_USERS, _MODELS = {"user", "human"}, {"assistant", "gpt", "model", "bot", "chatgpt"}
Image = dict[str, Any]
"""`bytes` or `path`, as `pipelines.ingest.image_loader.Reference` has it."""


class Chat(NamedTuple):
    """The first round of a chat, and the images that its question holds, each with a mark in the text."""

    question: str | None
    answer: str | None
    images: list[Image]


class NestedGoldError(ValueError):
    """An answer that is a list or an object where its kind takes one value."""


def read_options(text: str | None) -> list[str] | None:
    """The options that a text holds: none (an empty list), or null where it holds no options that can be read.

    A JSON list, a Python or numpy list (MMMU), a JSON object of letters or numbers (`{"A": …}`), a list of objects with a
    text each, or one text with letters (We-Math: `A. 12; B. 17`).
    """
    if text is None or text.strip() in NONE:
        return []
    value = _literal(text)
    if isinstance(value, Mapping):
        return _keyed(value)
    if isinstance(value, list):
        texts = [_option(item) for item in value]
        return None if None in texts else [str(item) for item in texts]
    return _lettered(text.strip()) if value is None else None


def read_images(text: str | None) -> list[Image] | None:
    """The images that a text names; null where it names none. A list, or one path, address or base64 text."""
    if text is None or text.strip() in NONE:
        return None
    value = _literal(text) if text.lstrip()[:1] in ("[", "{") else None
    if isinstance(value, list):
        return [_image(item) for item in value]
    return [_image(value if isinstance(value, Mapping) else text)]


def read_chat(text: str) -> Chat | None:
    """The first question of a chat and the reply to it: LLaVA and ShareGPT (`from`, `value`) or messages (`role`,
    `content`, a text or a list of parts). Null where it is no chat; later rounds are not read."""
    turns = _literal(text)
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        return None
    spoken = [(str(turn.get("role") or turn.get("from") or "").lower(), turn) for turn in turns]
    first = next((place for place, (who, _) in enumerate(spoken) if who in _USERS), None)
    if first is None:
        return None
    question, images = _content(spoken[first][1])
    reply = next((turn for who, turn in spoken[first:] if who in _MODELS), None)
    return Chat(question, _content(reply)[0] if reply is not None else None, images)


def read_answer(text: str, published: str | None, kind: str) -> str:
    """The answer that a published one states. `published`: its JSON, where it was no text.

    A list of one is that one, where the kind takes one value; `<answer>…</answer>` and `\\boxed{…}` are what they hold.
    Raises NestedGoldError for a list of several, or an object, that no single value says.
    """
    if kind in _ONE_VALUE:
        text = _one(text, published, kind)
    if kind in _VERBATIM:
        return text
    found = _ANSWER.findall(text)
    return _unboxed(found[0].strip() if len(found) == 1 else text)


def place_of_option(answer: str, base: int) -> str | None:
    """The letter of the option with that number, counted from `base`; null where the answer is no such number."""
    number = _number(answer.strip())
    place = -1 if number is None else number - base
    return string.ascii_uppercase[place] if 0 <= place < len(string.ascii_uppercase) else None


def is_two_options(answer: str, options: Sequence[str]) -> bool:
    """Whether a number is the text of one option and, counted from 0, the place of another."""
    spelled = answer.strip()
    place = _number(spelled)
    if place is None or spelled not in options or place >= len(options):
        return False
    return options.index(spelled) != place


def is_place_only(answer: str, options: Sequence[str]) -> bool:
    """Whether a number is no option's text, but a place counted from 0."""
    spelled = answer.strip()
    place = _number(spelled)
    return place is not None and spelled not in options and place < len(options)


def _one(text: str, published: str | None, kind: str) -> str:
    listed = _listed(text, published)
    if listed is None:
        return text
    flat = [item for item in listed if not isinstance(item, list | dict)]
    if len(flat) == len(listed) == 1:
        return _spelled(flat[0])
    if len(flat) == len(listed) and kind == "choice":
        return ", ".join(map(_spelled, flat))
    if not listed:
        return ""
    if kind == "boolean":
        return text
    raise NestedGoldError(
        f"the answer is a list of {len(listed)}, and a {kind} is one value; choose one in 'select', or set kind: set, or "
        'name the others in verifier_params ({"aliases": […]})'
    )


def _listed(text: str, published: str | None) -> list[Any] | None:
    """The items of an answer that is a list, or the text of a list of texts (`["14"]`, `['14']`)."""
    if published is not None and not published.startswith('"'):
        value = _json(published)
        if isinstance(value, dict):
            raise NestedGoldError("the answer is an object with fields; name one in 'select', such as answer.value")
        return value if isinstance(value, list) else None
    value = _literal(text) if re.match(r"\s*\[\s*[\"']", text) else None
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _unboxed(text: str) -> str:
    r"""What a text that is one `\boxed{…}` holds (ViRL39K), with or without dollar signs around it."""
    inner = text.strip().strip("$").strip()
    if not inner.startswith("\\boxed{") or not inner.endswith("}"):
        return text
    depth = 0
    for place, sign in enumerate(inner):
        depth += (sign == "{") - (sign == "}")
        if sign == "}" and depth == 0 and place < len(inner) - 1:
            return text  # two boxes, or one and more
    return inner[len("\\boxed{") : -1].strip() if depth == 0 else text


def _spelled(item: Any) -> str:
    return item if isinstance(item, str) else "" if item is None else json.dumps(item, ensure_ascii=False)


def _option(item: Any) -> str | None:
    if isinstance(item, Mapping):
        item = next((item[key] for key in ("text", "value", "content", "option") if item.get(key) is not None), None)
    return None if item is None or isinstance(item, list | Mapping) else _spelled(item)


def _keyed(value: Mapping[Any, Any]) -> list[str] | None:
    """The texts of an object whose keys are letters or numbers in a row; the null fields at its end do not count."""
    pairs = [(str(key).strip(" ().:"), item) for key, item in value.items()]
    if all(len(key) == 1 and key in string.ascii_letters for key, _ in pairs):
        pairs.sort(key=lambda pair: pair[0].upper())
        keys = [string.ascii_uppercase.find(key.upper()) for key, _ in pairs]
    else:
        numbers = [number for key, _ in pairs if (number := _number(key)) is not None]
        if len(numbers) < len(pairs):
            return None
        pairs.sort(key=lambda pair: int(pair[0]))
        keys = sorted(numbers)
    while pairs and pairs[-1][1] is None:
        pairs.pop()
        keys.pop()
    texts = [_option(item) for _, item in pairs]
    in_row = not keys or (keys[0] in (0, 1) and keys == list(range(keys[0], keys[0] + len(keys))))
    return [str(item) for item in texts] if in_row and None not in texts else None


def _lettered(text: str) -> list[str] | None:
    """The options of one text with a letter before each, from A on."""
    for pattern in _LABELS:
        chosen: list[re.Match[str]] = []
        for mark in pattern.finditer(text):
            if mark[1] == string.ascii_uppercase[len(chosen) : len(chosen) + 1]:
                chosen.append(mark)
        if len(chosen) > 1 and chosen[0].start() == 0:
            ends = [mark.start() for mark in chosen[1:]] + [len(text)]
            texts = [text[m.end() : end].strip().rstrip(";,|").rstrip() for m, end in zip(chosen, ends, strict=True)]
            return texts if all(texts) else None
    return None


def _image(item: Any) -> Image:
    """One image of a list: a text, or an object as Hugging Face, ms-swift or OpenAI write it."""
    if isinstance(item, Mapping):
        named = next((item[k] for k in ("path", "image", "image_url", "url", "bytes") if item.get(k) is not None), None)
        return _image(named)
    return {"bytes": None, "path": item if isinstance(item, str) else None}


def _content(turn: Mapping[str, Any]) -> tuple[str | None, list[Image]]:
    """The text of a turn and the images in it."""
    content = turn.get("content") if turn.get("content") is not None else turn.get("value")
    if not isinstance(content, list):
        return (content if isinstance(content, str) else None), []
    texts, images = [], []
    for part in content:
        if not isinstance(part, Mapping):
            texts.append(str(part))
        elif str(part.get("type", "")).startswith("image"):
            texts.append(MARK)
            image = _image(part)
            images += [image] if image["path"] is not None else []
        else:
            texts.append(str(part.get("text") or ""))
    return "".join(texts), images


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
        return _held(value) if "\\" in text else value
    except (ValueError, RecursionError):
        return None


def _held(value: Any) -> Any:
    """The value. Raises ValueError where it holds what no table can, such as half of a surrogate pair."""
    json.dumps(value, ensure_ascii=False, default=str).encode()
    return value


def _number(text: str) -> int | None:
    """A whole number as people count with; null for any other text, however long."""
    return int(text) if len(text) <= _LONGEST_NUMBER and text.isdecimal() else None


def _literal(text: str) -> Any:
    """The value of a JSON text, or of a Python or numpy list or dict of plain values; null for anything else."""
    value = _json(text)
    if value is not None or text.strip()[:1] not in ("[", "{", "("):
        return value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            value = _texts(text) or ast.literal_eval(text.strip())
        value = _held(value) if "\\" in text else value
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
        return None
    if isinstance(value, list | tuple):
        # `\theta` between quotes that no program wrote would be read as a tab and `heta`.
        return None if any(isinstance(item, str) and _CONTROL.search(item) for item in value) else list(value)
    return value if isinstance(value, dict) else None


def _texts(text: str) -> list[str] | None:
    """The texts of one Python list of texts, with or without commas: numpy writes none, and Python would join them."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text.strip()).readline))
    signs = "".join(token.string for token in tokens if token.type == tokenize.OP).replace(",", "")
    others = {tokenize.NAME, tokenize.NUMBER, tokenize.ERRORTOKEN}
    if signs not in ("[]", "()") or any(token.type in others for token in tokens):
        return None
    found = [ast.literal_eval(token.string) for token in tokens if token.type == tokenize.STRING]
    return found if all(isinstance(item, str) for item in found) else None
