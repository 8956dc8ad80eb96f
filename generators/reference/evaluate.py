"""Measure the reference model and write its card: `python -m generators.reference.evaluate`.

Nothing measured here was trained on: easy-VQA's test images, and scenes of the test split. The card is rendered from
`metrics.json` alone, so it can hold no number that was not measured.
"""

import argparse
import hashlib
import json
import logging
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import easy_vqa
import torch
from PIL import Image

from generators.reference.architecture import CAPTION_PROMPT
from generators.reference.card import render_card
from generators.reference.examples import SUFFIXES
from generators.reference.faithful import captions_by_objects, thoughts
from generators.reference.replies import Query, Reader
from generators.scenes import LEVELS, Scene, SceneQuestion, caption, iter_scenes, questions, render

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parent / "weights"
CARD = Path(__file__).parent / "MODEL_CARD.md"
SAMPLES = 8
_OBJECT = re.compile(r"(?:small|medium|large) (\w+) (\w+) at the ((?:top|bottom)? ?(?:left|right)?|center)(?=[,.])")

Metrics = dict[str, Any]


def share(hits: Iterable[bool]) -> Metrics:
    """Accuracy with the number it rests on."""
    marks = list(hits)
    return {"accuracy": round(sum(marks) / len(marks), 4) if marks else None, "n": len(marks)}


def is_right(reply: str, answer: str) -> bool:
    """The model replies with the bare answer, so nothing but case may differ."""
    return reply.strip().lower() == answer.lower()


def measure(folder: Path, *, seed: int, scenes: int, limit: int | None) -> Metrics:
    """Run every measurement; `scenes` counts test scenes a level, `limit` caps the easy-VQA questions."""
    torch.manual_seed(seed)
    reader, began = Reader(folder), time.monotonic()
    shown = list(iter_scenes("test", scenes * len(LEVELS), f"evaluate-{seed}"))
    asked = [(scene, q) for scene in shown for q in questions(scene)]
    record = folder / "training.json"
    metrics: Metrics = {
        "seed": seed,
        "parameters": sum(p.numel() for p in reader.model.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "vocabulary": len(reader.processor.tokenizer),
        "training": json.loads(record.read_text()) if record.exists() else None,
    }
    parts: dict[str, Callable[[], Metrics]] = {
        "easy_vqa": lambda: easy_vqa_accuracy(reader, seed, limit),
        "scenes": lambda: scene_accuracy(reader, asked),
        "suffixed": lambda: suffixed_accuracy(reader, asked, seed),
        "blind": lambda: blind_accuracy(reader, asked, seed),
        "spread": lambda: pass_rates(reader, asked, seed),
        "captions": lambda: caption_faithfulness(reader, shown),
        "captions_by_objects": lambda: captions_by_objects(reader, seed, 5 * scenes),
        "thoughts": lambda: thoughts(reader, asked, seed),
    }
    for name, part in parts.items():
        metrics[name] = part()
        log.info("%s after %.0f s: %s", name, time.monotonic() - began, metrics[name])
    return metrics


def easy_vqa_accuracy(reader: Reader, seed: int, limit: int | None) -> Metrics:
    """Greedy accuracy on easy-VQA test by kind of answer, and captions of its images judged by colour and shape."""
    paths = easy_vqa.get_test_image_paths()
    rows = list(zip(*easy_vqa.get_test_questions(), strict=True))
    if limit is not None and limit < len(rows):
        rows = Random(f"{seed}:easy-vqa").sample(rows, limit)
    images = {number: Image.open(paths[number]).convert("RGB") for _, _, number in rows}
    replies = reader.reply([(images[number], question) for question, _, number in rows])
    hits: dict[str, list[bool]] = defaultdict(list)
    facts: dict[int, set[str]] = defaultdict(set)
    for (_, answer, number), (reply,) in zip(rows, replies, strict=True):
        shape, boolean = answer in ("circle", "rectangle", "triangle"), answer in ("yes", "no")
        hits["boolean" if boolean else "shape" if shape else "color"].append(is_right(reply, answer))
        if not boolean:
            facts[number].add(answer)
    spoken = reader.reply([(images[number], CAPTION_PROMPT) for number in facts], tokens=120)
    captioned = [facts[number] <= set(re.findall(r"\w+", text)) for number, (text,) in zip(facts, spoken, strict=True)]
    by_kind = {kind: share(marks) for kind, marks in sorted(hits.items())}
    return {"overall": share(m for marks in hits.values() for m in marks), **by_kind, "captions": share(captioned)}


def scene_accuracy(reader: Reader, asked: Sequence[tuple[Scene, SceneQuestion]]) -> Metrics:
    """Greedy accuracy on test scenes by task and level, by level, and by kind of answer."""
    replies = reader.reply(_queries(asked))
    table: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for (_, q), (reply,) in zip(asked, replies, strict=True):
        for row in (f"task {q.task}", f"kind {q.kind}", "all"):
            for column in (f"level {q.level}", "all"):
                table[row][column].append(is_right(reply, q.answer))
    return {row: {column: share(table[row][column]) for column in sorted(table[row])} for row in sorted(table)}


def suffixed_accuracy(reader: Reader, asked: Sequence[tuple[Scene, SceneQuestion]], seed: int) -> Metrics:
    """Accuracy when the question carries an instruction of the kinds seen in training, or one never seen."""
    sample = Random(f"{seed}:suffixed").sample(list(asked), min(500, len(asked)))
    unseen = "Look at the picture carefully before you respond, then write the result on the last line."
    forms = {"none": "", "seen": f"\n{SUFFIXES[5]}", "unseen": f"\n{unseen}"}
    scores = {}
    for name, suffix in forms.items():
        replies = reader.reply([(render(scene), q.question + suffix) for scene, q in sample])
        scores[name] = share(is_right(reply, q.answer) for (_, q), (reply,) in zip(sample, replies, strict=True))
    return scores


def blind_accuracy(reader: Reader, asked: Sequence[tuple[Scene, SceneQuestion]], seed: int) -> Metrics:
    """Accuracy without an image and with a grey one: what the questions give away by themselves."""
    sample = Random(f"{seed}:blind").sample(list(asked), min(500, len(asked)))
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    scores = {}
    for name, image in (("none", None), ("grey", grey)):
        replies = reader.reply([(image, q.question) for _, q in sample])
        scores[name] = share(is_right(reply, q.answer) for (_, q), (reply,) in zip(sample, replies, strict=True))
    return scores


def pass_rates(reader: Reader, asked: Sequence[tuple[Scene, SceneQuestion]], seed: int) -> Metrics:
    """How the share of right answers among eight samples at temperature 1 spreads over questions."""
    sample = Random(f"{seed}:spread").sample(list(asked), min(800, len(asked)))
    replies = reader.reply(_queries(sample), samples=SAMPLES, temperature=1.0)
    counts = [sum(is_right(r, q.answer) for r in texts) for (_, q), texts in zip(sample, replies, strict=True)]
    by_level: dict[int, list[int]] = defaultdict(list)
    for (_, q), right in zip(sample, counts, strict=True):
        by_level[q.level].append(right)
    return {
        "samples": SAMPLES, "temperature": 1.0, "n": len(counts),
        "histogram": [Counter(counts)[right] for right in range(SAMPLES + 1)],
        "mean": round(sum(counts) / SAMPLES / len(counts), 4),
        "strictly_between_0_and_1": share(0 < c < SAMPLES for c in counts),
        "strictly_between_1_8_and_7_8": share(1 < c < SAMPLES - 1 for c in counts),
        "by_level": {
            str(level): {"mean": round(sum(c) / SAMPLES / len(c), 4), **share(1 < x < SAMPLES - 1 for x in c)}
            for level, c in sorted(by_level.items())
        },
    }  # fmt: skip


def caption_faithfulness(reader: Reader, shown: Sequence[Scene]) -> Metrics:
    """Objects named and there: precision and recall of (colour, shape), and with the place, by level; and digits."""
    replies = reader.reply([(render(scene), CAPTION_PROMPT) for scene in shown], tokens=160)
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    for scene, (text,) in zip(shown, replies, strict=True):
        tally = tallies[str(scene.level)]
        spoken, gold = Counter(_OBJECT.findall(text)), Counter(_OBJECT.findall(caption(scene)))
        kinds = (Counter(k[:2] for k in spoken.elements()), Counter(k[:2] for k in gold.elements()))
        tally.update(spoken=spoken.total(), gold=gold.total(), placed=(spoken & gold).total(), scenes=1)
        tally.update(named=(kinds[0] & kinds[1]).total(), exact=int(text == caption(scene)))
        if scene.digit is not None:
            tally.update(digits=1, digits_right=int(f"The digit {scene.digit.value} " in text))
    return {
        level: {
            "n": tally["scenes"], "objects": tally["gold"],
            "precision": _ratio(tally["named"], tally["spoken"]), "recall": _ratio(tally["named"], tally["gold"]),
            "precision_with_place": _ratio(tally["placed"], tally["spoken"]),
            "recall_with_place": _ratio(tally["placed"], tally["gold"]),
            "digit": _ratio(tally["digits_right"], tally["digits"]),
            "word_for_word": _ratio(tally["exact"], tally["scenes"]),
        }
        for level, tally in sorted(tallies.items())
    }  # fmt: skip


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _queries(asked: Sequence[tuple[Scene, SceneQuestion]]) -> list[Query]:
    images = {scene.id: render(scene) for scene, _ in asked}
    return [(images[scene.id], q.question) for scene, q in asked]


def main() -> None:
    """Parse the arguments, measure, and write metrics and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the model; gets metrics.json")
    parser.add_argument("--card", type=Path, default=CARD)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=60, help="test scenes a level")
    parser.add_argument("--limit", type=int, help="ask no more than so many easy-VQA questions (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    metrics = measure(args.weights, seed=args.seed, scenes=args.scenes, limit=args.limit)
    (args.weights / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    args.card.write_text(render_card(metrics))


if __name__ == "__main__":
    main()
