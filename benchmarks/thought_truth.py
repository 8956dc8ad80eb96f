"""How many thoughts of a release's SFT rows say something false of their image?

    python benchmarks/thought_truth.py RELEASE [--out FILE]

RELEASE is the folder of a release made from the sources `easy_vqa` and `scenes`, such as the quickstart's. What stands in
an image is known without any model: a scene is made again from its source's seed and found by its pixels; an easy-VQA image
holds one shape, whose outline and paint are read from its pixels. Each sentence of a thought is read as what it claims: that
a shape is there or is not, its colour, kind, size or place, how many there are, where one lies from another, a digit, the
answer. A thought is false if one of its sentences is, or if it names another answer than the gold one.

A sentence that names a colour, a shape or a number and that this grammar cannot read is listed as undecided; so is a size
on easy-VQA, which nothing defines there. A share with a 95 % Wilson interval counts the false thoughts; another one counts
the undecided as false too.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from filters.intervals import wilson
from generators.scenes import COLOURS, SHAPES, Scene, iter_scenes, place, render

Z95 = 1.959964


@dataclass(frozen=True)
class Item:
    """One shape; `size` is None where nothing defines it."""

    shape: str
    colour: str
    size: str | None
    x: float
    y: float


@dataclass(frozen=True)
class World:
    """All that stands in an image."""

    items: tuple[Item, ...]
    digit: tuple[int, float, float] | None = None


@dataclass(frozen=True)
class Finding:
    """A sentence and whether it is true of the image; None where it cannot be told."""

    sentence: str
    true: bool | None


# --- what stands in an image --------------------------------------------------------------------------------------


def world_of_scene(scene: Scene) -> World:
    """A scene knows itself."""
    items = tuple(Item(o.shape, o.colour, o.size, o.x, o.y) for o in scene.objects)
    return World(items, (scene.digit.value, scene.digit.x, scene.digit.y) if scene.digit else None)


def world_of_easy(image: Image.Image) -> World:
    """The one shape of an easy-VQA image: its paint by name, its kind by how much of its box it fills.

    A rectangle fills its box, a circle pi/4 of it, a triangle half. Raises ValueError where no pixel has a named colour.
    """
    pixels = np.asarray(image.convert("RGB"))
    painted = {name: (pixels == rgb).all(axis=2) for name, rgb in list(COLOURS.items())[:8]}
    colour = max(painted, key=lambda name: int(painted[name].sum()))
    rows, columns = np.nonzero(painted[colour])
    if not len(rows):
        raise ValueError("no pixel of the image has the colour of a shape")
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    filled = len(rows) / ((y1 - y0) * (x1 - x0))
    shape = "rectangle" if filled > 0.9 else "circle" if filled > 0.62 else "triangle"
    return World((Item(shape, colour, None, float(x0 + x1) / 2, float(y0 + y1) / 2),))


def fingerprint(image: Image.Image) -> str:
    """The hash of an image's pixels."""
    shown = image.convert("RGB")
    return hashlib.sha256(f"{shown.size}".encode() + shown.tobytes()).hexdigest()


# --- reading a thought --------------------------------------------------------------------------------------------

_COLOUR = rf"(?:{'|'.join(COLOURS)}|grey)"
_KIND = rf"(?:{'|'.join(SHAPES)}|square|shape|object|item|one|image|picture)"
_SIZE = r"(?:small|medium|large)"
_PLACE = r"(?:(?:top|bottom)(?:[ -](?:left|right|center))?|left|right|center|middle)"
_NUMBERS = {
    w: n for n, w in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
}
_NUMBER = rf"(?:\d+|{'|'.join(_NUMBERS)})"
_ARTICLE = r"(?:an?|the|one|another|any|other|only) "
_NOUN = (
    rf"(?:{_ARTICLE})*(?:(?P<size>{_SIZE}) )?(?:(?P<colour>{_COLOUR}) )?(?:colou?red )?"
    rf"(?P<kind>{_KIND})(?:e?s)?\b(?:(?: is| are)?,? (?:at|in|on) the (?P<place>{_PLACE}))?"
)
_NOUN_PLAIN = re.sub(r"\(\?P<\w+>", "(?:", _NOUN.rpartition("(?:(?: is")[0])
_SUBJECT = rf"{_NOUN_PLAIN}(?: (?:at|in|on) the {_PLACE})?"
_HYPOTHETICAL = re.compile(r"\b(?:question|asks?|asked|looking for|if|whether|could|might|would|should|option|let)\b")
_NEGATED = re.compile(r"\b(?:no|not|none|neither|without|never)\b|n't\b")
_TELLING = re.compile(rf"\b(?:{_COLOUR}|{'|'.join(SHAPES)}|{_SIZE}|{_NUMBER}|digit)(?:e?s)?\b")
_SPLIT = re.compile(
    r"(?<=[.!?;])\s+|\n+|, (?=there )|,? (?:so|but|because|therefore|while|since|which means)(?: that)? (?!the answer)"
)

_NOT_BUT = re.compile(r"(?P<what>\b(?:The|It|This)\b[^.,\n]*? is) (?P<one>[^.,\n]+), (?:and )?not (?P<other>[^.,\n]+)")
"""Two claims in one: "the shape is red, not blue"."""


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: what it asks of an item."""

    colour: str | None = None
    kind: str | None = None
    size: str | None = None
    place: str | None = None

    def fits(self, item: Item) -> bool | None:
        """Whether the item is such a one; None where only its size is in question."""
        known = (self.colour, item.colour), (self.kind, item.shape), (self.place, place(item.x, item.y))
        if any(wanted is not None and wanted != have for wanted, have in known):
            return False
        if self.size is None or self.size == item.size:
            return True
        return None if item.size is None else False

    def of(self, world: World) -> list[Item]:
        """The items that may be such a one."""
        return [item for item in world.items if self.fits(item) is not False]

    def there(self, world: World) -> bool | None:
        """Whether there is such a one."""
        found = [self.fits(item) for item in world.items]
        return True if True in found else None if None in found else False


def phrases(text: str) -> list[Phrase]:
    """The noun phrases of a text, in order."""
    return [_phrase(found) for found in re.finditer(rf"\b{_NOUN}", text)]


def _phrase(found: re.Match[str]) -> Phrase:
    kind = found["kind"]
    kind = {"square": "rectangle"}.get(kind, kind if kind in SHAPES else None)
    colour = {"grey": "gray"}.get(found["colour"], found["colour"])
    where = (found["place"] or "").replace("-", " ").replace("middle", "center")
    where = where if where == "center" else where.replace(" center", "")
    return Phrase(colour, kind, found["size"], where or None)


def judge(thought: str, world: World, gold: str, options: Sequence[str] = (), question: str = "") -> list[Finding]:
    """What each sentence of a thought claims, and whether it is so. `gold` is the answer, a letter for an option.

    The question says from what something lies "above" where a sentence does not.
    """
    findings = []
    for sentence in _SPLIT.split(_NOT_BUT.sub(r"\g<what> \g<one>. \g<what> not \g<other>", thought)):
        text = _from_what(" ".join(sentence.lower().split()), question.lower())
        if text.strip(" .!;"):
            findings.append(Finding(sentence.strip(), _true(text, world, gold, options)))
    return [f for f in findings if f.true is not None or _TELLING.search(f.sentence.lower())]


def _from_what(text: str, question: str) -> str:
    """ "The star is above.", asked where it is from the circle, says that it is above the circle."""
    asked = re.match(rf"where is {_NOUN_PLAIN} from (?P<what>{_NOUN_PLAIN})", question)
    side = re.search(r"\bis (?P<side>left|right|above|below)[.!\s]*$", text)
    if asked is None or side is None or "answer" in text:
        return text
    of = " of" if side["side"] in {"left", "right"} else ""
    return f"{text[: side.start()]}is {side['side']}{of} {asked['what']}."


def _true(text: str, world: World, gold: str, options: Sequence[str]) -> bool | None:
    """Whether a sentence is true; None where it claims nothing that this grammar reads."""
    if concluded := re.search(r"\banswer is:?\s*(?P<said>.+?)[.!\s]*$|\\boxed\{(?P<boxed>[^{}]*)\}", text):
        return _is_gold(concluded["said"] or concluded["boxed"], gold, options)
    if text.endswith("?") or _HYPOTHETICAL.search(text):
        return None
    for reader in (_listed, _compared, _digit, _related, _counted, _absent, _is_so, _present):
        told = reader(text.rstrip(" .!;"), world)
        if told is not _OTHER:
            return told
    return None


_OTHER: Any = object()
"""A reader's word for a sentence that is not of its form."""


def _is_gold(said: str, gold: str, options: Sequence[str]) -> bool | None:
    """Whether an answer is the gold one, by its letter or in the option's words."""
    bare = said.strip(" .!()$").removeprefix("the ").removeprefix("a ").removeprefix("an ")
    letter = gold.strip().upper()
    names = {gold.strip().lower()}
    if options and letter in "ABCDEFGH"[: len(options)]:
        word = options["ABCDEFGH".index(letter)].lower()
        names |= {word, f"{letter.lower()}) {word}", f"{letter.lower()} {word}", f"{letter.lower()})"}
    return bare in names


def _listed(text: str, world: World) -> bool | None:
    """ "The shapes are: yellow triangle, red circle": all of them and no other."""
    listed = re.match(rf"(?:the|there are|there is|(?P<n>{_NUMBER})) ?shapes?(?: (?:are|is))?: (?P<list>.+)$", text)
    if listed is None:
        return _OTHER
    told = [phrase for phrase in phrases(listed["list"]) if phrase.kind or phrase.colour]
    if not told:
        return None
    if listed["n"] and _int(listed["n"]) != len(world.items):
        return False
    return len(told) == len(world.items) and _matched(told, list(world.items))


def _matched(told: list[Phrase], items: list[Item]) -> bool:
    """Whether each phrase has an item of its own."""
    if not told:
        return True
    rest = [i for i, item in enumerate(items) if told[0].fits(item) is not False]
    return any(_matched(told[1:], items[:i] + items[i + 1 :]) for i in rest)


def _compared(text: str, world: World) -> bool | None:
    """ "There are more circles than stars", "3 is more than 2"."""
    sign = {"more": 1, "greater": 1, "larger": 1, "fewer": -1, "less": -1, "smaller": -1, "equal": 0, "same": 0}
    if numbers := re.fullmatch(
        rf"(?P<a>{_NUMBER}) is (?:an? )?(?P<how>more|greater|larger|fewer|less|smaller|equal)(?: than| to)?"
        rf" (?P<b>{_NUMBER})",
        text,
    ):
        return _sign(_int(numbers["a"]) - _int(numbers["b"])) == sign[numbers["how"]]
    how = re.search(r"\b(more|fewer|less|equal|same)\b(?: number of| amount of)?", text)
    if how is None:
        return _OTHER
    told = phrases(text[how.end() :])
    if len(told) != 2 or _NEGATED.search(text):
        return _OTHER if how[1] in {"equal", "same"} else None
    first, second = (len(phrase.of(world)) for phrase in told)
    return _sign(first - second) == sign[how[1]]


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _int(word: str) -> int:
    return _NUMBERS[word] if word in _NUMBERS else int(word)


def _digit(text: str, world: World) -> bool | None:
    """ "The digit is 5", "the digit 5 is at the top", "there is no digit"."""
    if "digit" not in text:
        return _OTHER
    if _NEGATED.search(text):
        return world.digit is None
    said = re.search(rf"\bdigit\b[^\d]*?(?P<n>{_NUMBER})\b", text)
    if said is None:
        return None
    if world.digit is None or _int(said["n"]) != world.digit[0]:
        return False
    where = re.search(rf"(?:at|in|on) the (?P<place>{_PLACE})", text)
    return where is None or where["place"].replace("middle", "center") == place(*world.digit[1:])


_SIDES = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1), "under": (1, 1)}


def _related(text: str, world: World) -> bool | None:
    """ "The red circle is left of the blue star": of some two such items."""
    side = re.search(r"\b(?P<side>left of|right of|left from|right from|above|below|under)\b", text)
    if side is None:
        return _OTHER
    left, right = phrases(text[: side.start()]), phrases(text[side.end() :])
    if not left or not right:
        return None
    axis, direction = _SIDES[side["side"].replace("from", "of")]
    pairs = [(a, b) for a in left[-1].of(world) for b in right[0].of(world) if a is not b]
    if not pairs:
        return False
    holds = any(((b.x, b.y)[axis] - (a.x, a.y)[axis]) * direction < 0 for a, b in pairs)
    return holds != bool(_NEGATED.search(text))


def _counted(text: str, world: World) -> bool | None:
    """ "There are 3 circles", "the number of red shapes is 2", "only one circle"."""
    of = re.search(rf"\bnumber of (?P<what>.+?) (?:is|=|equals) (?P<n>{_NUMBER})\b", text)
    if of is None:
        of = re.search(rf"\b(?P<n>\d+|(?!one\b){_NUMBER}|only one|exactly one) (?P<what>.+)$", text)
    if of is None:
        return _OTHER
    told = phrases(of["what"])
    if not told:
        return None
    return (len(told[0].of(world)) == _int(of["n"].split()[-1])) != bool(_NEGATED.search(text))


def _absent(text: str, world: World) -> bool | None:
    """ "There is no yellow rectangle", "the image does not contain a circle", "no circle is present"."""
    said = re.search(
        r"\bno (?P<a>.+)|\b(?:not|n't) (?:contain|have|show|include|see)s? (?P<b>.+)"
        r"|\b(?:is|are)(?: not|n't) (?P<c>(?:an?|any) .+)|^(?P<d>.+) (?:is|are) not (?:present|there|in)\b",
        text,
    )
    if said is None or (said["c"] and not text.startswith("there")):
        return _OTHER
    told = phrases(next(group for group in said.groups() if group))
    if not told:
        return None
    verdicts = [phrase.there(world) for phrase in told]
    return None if None in verdicts else not any(verdicts)


def _is_so(text: str, world: World) -> bool | None:
    """ "The circle is red", "the color of the star is blue", "the red shape is a circle", "the star is at the left"."""
    said = re.match(
        rf"(?:and |then |here,? |in the image,? )?(?:the )?(?:colou?r of )?(?P<what>{_SUBJECT}) (?:is|are)(?P<no> not)?"
        rf" (?:(?P<colour>{_COLOUR})(?P<more> .+)?|(?:at|in|on) the (?P<place>{_PLACE})|(?P<a>(?:an?|the|also|in) .+|.+))$",
        text,
    )
    if said is None or text.startswith("there "):
        return _OTHER
    about = phrases(said["what"])[0]
    found = about.of(world)
    if said["place"]:
        wanted = Phrase(place=said["place"].replace("middle", "center"))
    elif said["colour"]:
        further = phrases(f"{said['colour']}{said['more'] or ''}")
        wanted = further[0] if further else Phrase(colour=said["colour"].replace("grey", "gray"))
    else:
        told = phrases(said["a"])
        if not told or told[0] == Phrase():
            return _OTHER
        wanted = told[0]
    if not found:
        return False
    fits = [wanted.fits(item) for item in found]
    if said["no"]:
        return None if None in fits else False in fits
    return True if True in fits else None if None in fits else False


def _present(text: str, world: World) -> bool | None:
    """Whatever else names a shape says that it is there."""
    told = [phrase for phrase in phrases(text) if phrase != Phrase()]
    if not told or _NEGATED.search(text):
        return None
    verdicts = [phrase.there(world) for phrase in told]
    return False if False in verdicts else None if None in verdicts else True


# --- a release ----------------------------------------------------------------------------------------------------


def worlds(recipe: dict[str, Any]) -> dict[str, World]:
    """What stands in each scene of the recipe's sources, by the fingerprint of its image."""
    found = {}
    for source in recipe["sources"]:
        if source["type"] == "scenes":
            for scene in iter_scenes(source["split"], source["n"], source["seed"], source["levels"]):
                found[fingerprint(render(scene))] = world_of_scene(scene)
    return found


def examine(release: Path) -> pl.DataFrame:
    """A row an SFT row: `id, dataset, kind, gold, question, thought, false, undecided` (lists of sentences)."""
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    known, types = worlds(manifest["recipe"]), {s["name"]: s["type"] for s in manifest["recipe"]["sources"]}
    rows = []
    for row in pl.read_parquet(release / "sft" / "*.parquet").iter_rows(named=True):
        image = Image.open(BytesIO(row["images"][0]["bytes"]))
        world = world_of_easy(image) if types[row["dataset"]] == "easy_vqa" else known[fingerprint(image)]
        answer = json.loads(row["answer"])
        thought = thought_of(row["completion"][0]["content"])
        findings = judge(thought, world, answer["raw"], row["options"], row["prompt"][-1]["content"])
        rows.append(
            {
                "id": row["id"],
                "dataset": row["dataset"],
                "kind": answer["kind"],
                "gold": answer["raw"],
                "question": row["prompt"][-1]["content"],
                "thought": thought,
                "image": "; ".join(" ".join(filter(None, (i.size, i.colour, i.shape))) for i in world.items),
                "false": [f.sentence for f in findings if f.true is False],
                "undecided": [f.sentence for f in findings if f.true is None],
            }
        )
    return pl.DataFrame(rows)


def thought_of(completion: str) -> str:
    """The reasoning of a completion, without the answer that stands after it."""
    tagged = re.search(r"<think>(.*?)</think>", completion, re.DOTALL)
    return (tagged[1] if tagged else completion).strip()


def share(count: int, total: int) -> dict[str, float | int]:
    """A share with its 95 % Wilson interval."""
    low, high = wilson(Z95)
    ends = pl.DataFrame({"k": [count], "n": [total]}).select(low=low, high=high)
    return {"count": count, "of": total, "low": round(ends["low"][0], 4), "high": round(ends["high"][0], 4)}


def told(share_: dict[str, float | int]) -> str:
    """`3 of 47 = 6.4 % (2.2 to 17.2)`"""
    part = share_["count"] / share_["of"] if share_["of"] else 0.0
    return f"{share_['count']} of {share_['of']} = {part:.1%} ({share_['low']:.1%} to {share_['high']:.1%})"


def summary(rows: pl.DataFrame) -> dict[str, Any]:
    """Shares of false thoughts and the mix of the questions."""
    wrong, unsure = pl.col("false").list.len() > 0, pl.col("undecided").list.len() > 0
    mix = rows.group_by("dataset", "kind").len().sort("dataset", "kind").iter_rows()
    booleans = rows.filter(pl.col("kind") == "boolean")
    return {
        "false": share(rows.filter(wrong).height, rows.height),
        "false_or_undecided": share(rows.filter(wrong | unsure).height, rows.height),
        "mix": {f"{dataset}/{kind}": count for dataset, kind, count in mix},
        "boolean": dict(sorted(Counter(booleans["gold"]).items())),
    }


def lines(rows: pl.DataFrame, figures: dict[str, Any]) -> Iterator[str]:
    """What is printed."""
    for row in rows.sort("id").iter_rows(named=True):
        for name in ("false", "undecided"):
            for sentence in row[name]:
                yield f"{name:>9}  {row['id'][:8]}  {sentence!r}  | image: {row['image']} | {row['question']!r}"
    yield f"false thoughts: {told(figures['false'])}"
    yield f"false or undecided: {told(figures['false_or_undecided'])}"
    yield "mix: " + ", ".join(f"{name} {count}" for name, count in figures["mix"].items())
    yield "yes and no: " + ", ".join(f"{name} {count}" for name, count in figures["boolean"].items())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the false sentences and the shares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    rows = examine(options.release)
    figures = summary(rows)
    print(*lines(rows, figures), sep="\n")  # noqa: T201
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
