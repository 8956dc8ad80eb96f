"""Multiple choice: a response counts when it resolves to exactly the gold's options, by letter or by option text."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.normalise import bare, flat, unprefixed, words
from schemas.answer import ChoiceAnswer
from schemas.remembered import remembered

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALONE = re.compile(r"^(?:option|choice|answer)?\s*[\(\[]?([A-Za-z])[\)\]]?\s*[.):]?$", re.IGNORECASE)
_WITH_TEXT = re.compile(r"^[\(\[]?([A-Z])(?:[\)\]][.:]?\s*|[.:]\s*|\s+[-–]\s+|\s+(?=[\(\[]))(\S.*)$", re.DOTALL)
_SEVERAL = re.compile(r"^[\(\[{]?\s*\(?([A-Z])\)?((?:\s*(?:,|;|/|&|\band\b|\s)\s*\(?[A-Z]\)?)+)\s*[\)\]}]?$")
_PACKED = re.compile(r"^[A-Z]{2,10}$")
_NAMED = re.compile(r"\b(?:answer|option|choice)\s*(?:is|:)?\s*[\(\[]?([A-Z])[\)\]]?(?=[\s.,;:!)]|$)", re.IGNORECASE)
_DENIES = re.compile(r"\b(?:not|never|neither|nor|except|wrong|incorrect|or)\b|n't\b", re.IGNORECASE)
_SENTENCE = 300


class ChoiceParams(Params):
    """How several letters are scored."""

    metric: Literal["exact", "f1", "jaccard"] = "exact"
    ordered: bool = Field(default=False, description="several letters must come in the gold's order")
    index_base: Literal[0, 1] | None = Field(
        default=None, description="the gold is an option's number, counted from here"
    )
    labels: str = Field(default=_LETTERS, min_length=2, description="the letters of the options, in order")


def read_gold(raw: str, options: Sequence[str], params: ChoiceParams) -> ChoiceAnswer:
    """A letter, letters, an option's text, or (with `index_base`) its number."""
    if params.index_base is not None and raw.strip().isdecimal():
        place = int(raw) - params.index_base
        letters: tuple[str, ...] | None = (params.labels[place],) if 0 <= place < (len(options) or 26) else None
    else:
        letters = resolve(raw, options, params.labels, several=True)
    if not letters:
        raise GoldUnparseableError(f"names no option: {raw[:80]!r}")
    if not params.ordered:
        letters = tuple(sorted(letters))
    texts = tuple(options[params.labels.index(x)] for x in letters) if options else ()
    return ChoiceAnswer(raw=raw, letters=letters, texts=texts)


def resolve(span: str, options: Sequence[str], labels: str = _LETTERS, several: bool = False) -> tuple[str, ...] | None:
    """The letters that a span names; None when it names none, contradicts itself, or several where one is asked for.

    A letter must stand alone or before its own option's text; the words of an option must match exactly one option.
    """
    text = unprefixed(span.replace("**", ""))
    allowed = labels[: len(options)] if options else labels
    offered = tuple(options)
    one = _letter(text, offered, allowed) or _by_text(text, offered, allowed) or _first_line(span, offered, allowed)
    if one:
        return (one,)
    found = _letters(text, allowed) or _texts(text, offered, allowed)
    if found:
        return found if several or len(set(found)) == 1 else None
    if len(text) <= _SENTENCE and not _DENIES.search(text):
        named = {m.upper() for m in _NAMED.findall(text) if m.isupper() and m in allowed}
        if len(named) == 1:
            return tuple(named)
    return None


def judge(span: str, gold: ChoiceAnswer, options: Sequence[str], params: ChoiceParams) -> Outcome:
    """Compares sets of letters (or lists, where the order counts)."""
    letters = resolve(span, options, params.labels, several=len(gold.letters) > 1 or params.metric != "exact")
    if letters is None:
        return wrong("names no option, or several")
    shown = ",".join(letters)
    if params.ordered:
        same = letters == gold.letters
    else:
        letters = tuple(sorted(set(letters)))
        same = letters == gold.letters
    if same:
        return Outcome(1.0, "the gold's option" if len(letters) == 1 else "the gold's options", shown)
    if params.metric == "exact":
        return wrong(f"{shown} instead of {','.join(gold.letters)}", shown)
    both, either = len({*letters} & {*gold.letters}), len({*letters} | {*gold.letters})
    score = both / either if params.metric == "jaccard" else 2 * both / (len(letters) + len(gold.letters))
    return Outcome(score, f"{both} of {len(gold.letters)} options, {len(letters) - both} others", shown)


@remembered(size=lambda options: sum(map(len, options), len(options)))
def _spellings(options: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The options as they are, under `words`, and without any blanks."""
    folded = tuple(words(option) for option in options)
    return tuple(flat(option) for option in options), folded, tuple(option.replace(" ", "") for option in folded)


def _by_text(text: str, options: tuple[str, ...], allowed: str) -> str | None:
    """The one option with these words; spellings are tried from the strictest on."""
    if not options or not text:
        return None
    folded = words(text)
    for said, spelled in zip((text, folded, folded.replace(" ", "")), _spellings(options), strict=True):
        matches = [allowed[i] for i, option in enumerate(spelled) if option and option == said]
        if matches:
            return matches[0] if len(matches) == 1 else None
    return None


def _first_line(span: str, options: tuple[str, ...], allowed: str) -> str | None:
    """The letter that stands alone on the first line, where no other line is a letter or an option."""
    first, _, rest = span.strip().partition("\n")
    if not rest or len(first) > 20 or not _ALONE.match(unprefixed(first)):
        return None
    lines = [unprefixed(line) for line in rest.splitlines()]
    if any(_letter(line, options, allowed) or _by_text(line, options, allowed) for line in lines if line):
        return None
    return _letter(unprefixed(first), options, allowed)


def _letter(text: str, options: tuple[str, ...], allowed: str) -> str | None:
    if match := _ALONE.match(text):
        letter = match.group(1)
        return next((x for x in (letter, letter.upper()) if x in allowed), None)
    if _SEVERAL.match(text):
        return None
    if not (match := _WITH_TEXT.match(text)) or (letter := match.group(1)) not in allowed:
        return None
    other = _by_text(match.group(2), options, allowed) or _by_text(match.group(2).strip("()[] "), options, allowed)
    if other is not None or match.group(2)[:1] in "([":
        return letter if other == letter else None
    if options and any(len(option) > 1 and option in words(text).split(", ") for option in _spellings(options)[1]):
        return None  # "A. cat, B. dog" lists options
    return None if re.search(r"(?:^|[\s,;(])[A-Z][.):]\s", match.group(2)) else letter


def _letters(text: str, allowed: str) -> tuple[str, ...] | None:
    text = bare(text)
    if _SEVERAL.match(text):
        found = tuple(re.findall(r"\b[A-Z]\b", text))
    elif _PACKED.match(text) and len(set(text)) == len(text):
        found = tuple(text)
    else:
        return None
    return found if all(x in allowed for x in found) else None


def _texts(text: str, options: tuple[str, ...], allowed: str) -> tuple[str, ...] | None:
    parts = [part for part in re.split(r"\s*(?:,|;|\band\b)\s*", text) if part]
    if not options or not 2 <= len(parts) <= len(options):
        return None
    found = tuple(_letter(part, options, allowed) or _by_text(part, options, allowed) for part in parts)
    return tuple(x for x in found if x) if all(found) else None


CHOICE = Kind(
    name="choice",
    params=ChoiceParams,
    read_gold=read_gold,
    judge=judge,
    metrics={
        "exact": Metric(
            "1 if the response names exactly the gold's options, else 0", "the safe contract of twelve published rules"
        ),
        "f1": Metric(
            "F1 between the letter sets", "HumanOmniV2, src/open-r1-multimodal vlm_modules/qwenomni_module.py"
        ),
        "jaccard": Metric("|both| / |either| of the letter sets", "Curr-ReFT, stage 2"),
    },
    gold_forms="`B`, `(B)`, `B. text`, the option's text, `A,C`, `AC`, with `index_base` an option's number",
    response_forms='the same; "The answer is B". A letter inside a word ("Because") is none',
    show=lambda gold: ",".join(gold.letters),
    state=lambda gold, params: ", ".join(gold.letters),
    symmetric=True,
)
