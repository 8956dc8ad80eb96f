"""How faithful the reference model is to an image: in captions, object by object, and in thoughts that it is asked for."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

from generators.reference.architecture import CAPTION_PROMPT
from generators.reference.replies import Reader
from generators.scenes import Scene, SceneQuestion, caption, iter_scenes, render
from generators.thought_checks import untrue
from generators.thoughts import facts_of
from schemas.tags import TAG_SCHEMAS, parse_tags

THINK = "Think between <think> and </think>, then answer between <answer> and </answer>."
"""The instruction behind a question, or in a system turn, that asks for thoughts under the tag schema `think_answer`."""
LEVELS = (1, 2, 3)
FACTS = ("size", "colour", "shape", "place")
_OBJECT = re.compile(
    r"(small|medium|large) (\w+) (\w+) at the (center|(?:top|bottom)(?: (?:left|right))?|left|right)(?=[,.])"
)

Objects = Sequence[tuple[str, ...]]


def objects_in(text: str) -> Objects:
    """The objects that a caption names: size, colour, shape and place of each, in its order."""
    return _OBJECT.findall(text)


def captions_by_objects(reader: Reader, seed: int, scenes: int) -> dict[str, Any]:
    """Captions of scenes of levels 1 to 3, by how many objects there are (`"1"`, …, and `"up to 4"`).

    `whole` is the share of captions that name every object with all four facts and no other; the facts are shares of the
    objects, each compared with the named one that is most like it.
    """
    shown = [s for s in iter_scenes("test", scenes, f"captions-{seed}", LEVELS) if s.objects]
    replies = reader.reply([(render(scene), CAPTION_PROMPT) for scene in shown], tokens=160)
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    for scene, (text,) in zip(shown, replies, strict=True):
        number, named, there = len(scene.objects), objects_in(text), objects_in(caption(scene))
        found = {"scenes": 1, "objects": number, "whole": Counter(named) == Counter(there), **facts_right(named, there)}
        for group in (str(number), *(["up to 4"] if number <= 4 else [])):
            tallies[group].update(found)
    return {
        group: {"n": tally["scenes"], "whole": round(tally["whole"] / tally["scenes"], 4)}
        | {fact: round(tally[fact] / tally["objects"], 4) for fact in FACTS}
        for group, tally in sorted(tallies.items())
    }


def facts_right(named: Objects, there: Objects) -> dict[str, int]:
    """How many objects have each of their facts right; each named object stands for one that is there, the likest first."""
    left, free = set(range(len(there))), set(range(len(named)))
    right = Counter[str]()
    pairs = [(i, j) for i in left for j in free]
    for i, j in sorted(pairs, key=lambda p: (-_alike(there[p[0]], named[p[1]]), p)):
        if i in left and j in free:
            left.remove(i)
            free.remove(j)
            right.update(fact for fact, a, b in zip(FACTS, there[i], named[j], strict=True) if a == b)
    return {fact: right[fact] for fact in FACTS}


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


def thoughts(reader: Reader, asked: Sequence[tuple[Scene, SceneQuestion]], seed: int) -> dict[str, Any]:
    """Questions asked with the instruction to think, in a system turn and behind the question, beside the bare answer.

    `formed`: replies laid out under the tag schema. `true`: thoughts in them without a sentence that is false of the image,
    as a share of all replies. `accuracy`: right answers in the right place; for `bare`, right answers to the question alone.
    """
    easy = [pair for pair in asked if pair[1].level in LEVELS]
    sample = Random(f"{seed}:thoughts").sample(easy, min(300, len(easy)))
    images = [render(scene) for scene, _ in sample]
    bare = reader.reply([(image, q.question) for image, (_, q) in zip(images, sample, strict=True)])
    right = [text.strip().lower() == q.answer.lower() for (text,), (_, q) in zip(bare, sample, strict=True)]
    scores: dict[str, Any] = {"n": len(sample), "bare": {"accuracy": round(sum(right) / len(right), 4)}}
    for name, before, behind in (("system", THINK, ""), ("suffix", "", f"\n\n{THINK}")):
        queries = [(image, q.question + behind) for image, (_, q) in zip(images, sample, strict=True)]
        replies = reader.reply(queries, tokens=128, system=before)
        judged = [judge(text, scene, q) for (text,), (scene, q) in zip(replies, sample, strict=True)]
        scores[name] = {
            part: round(sum(one[k] for one in judged) / len(judged), 4)
            for k, part in enumerate(("formed", "true", "accuracy"))
        }
    return scores


def judge(text: str, scene: Scene, question: SceneQuestion) -> tuple[bool, bool, bool]:
    """Whether a reply is laid out as asked, its thought is true of the scene, and its answer is right."""
    parsed = parse_tags(text, TAG_SCHEMAS["think_answer"])
    formed = parsed.violation is None
    thought = parsed.sections.get("think", "")
    true = formed and bool(thought) and not untrue(facts_of(scene), thought, question.options)
    return formed, true, formed and (parsed.answer_span or "").lower() == question.answer.lower()
