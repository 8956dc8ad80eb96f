"""Render the model card from measured metrics; a metric that is missing raises, it is never filled in."""

from collections.abc import Sequence
from typing import Any

_CARD = """\
# Reference VLM

A vision-language model of {parameters:,} parameters that ships inside the package ({megabytes:.1f} MB), so that
captions, rollouts, pass rates and blind checks are real on a laptop. It looks at images of 64 by 64 pixels with simple
shapes and answers in one or two words. It is a test subject for the pipeline, of no use outside its toy world.

Rendered by `python -m generators.reference.evaluate` from `weights/metrics.json`; do not edit.

## How to ask

One user turn holding the image, then the text; the reply is the bare answer: `red`, `circle`, `3`, `yes`, `left`,
`more`, `B`.

| text | reply |
|---|---|
| `Describe the image.` | `2 shapes: a large red circle at the top left, a small teal star at the right. The digit …` |
| `What color is the circle?` | `red` |
| `What is the red shape?\\nA) star B) circle C) cross` | `B` |

A question followed by an instruction is answered the same way, without reasoning or `\\boxed{{}}`: the model has never
seen a chain of thought. `<think>`, `</think>`, `<answer>` and `</answer>` are single tokens, ready for fine-tuning.

## Architecture

Idefics3: {vision_layers} SigLIP-style layers of width {vision_width} over 64 patches of 8 by 8 pixels, 16 image tokens
after pixel shuffle, {text_layers} Llama layers of width {text_width}, {positions:,} positions, {vocabulary} byte-level
BPE tokens. Weights are stored in bfloat16.

## Training

From random weights, `python -m generators.reference.train --out generators/reference/weights --seed {train_seed}
--batch {batch} --steps {asked_steps}{minutes}`: {steps:,} steps of {batch} images with about nine questions each,
AdamW at {rate:g} with a cosine at the end, torch {torch}. It took {wall:.0f} minutes of wall-clock on two CPU cores that
other work shared ({pace:.1f} steps a second on average, pauses included).{notes}

- 30 % easy-VQA *train* images (MIT), 70 % procedural scenes of `generators/scenes.py`, drawn without end from its train
  split, levels 1 to 5; 3 % of the images are withheld or replaced by grey, so that blind guesses follow the prior.
- An easy phase comes first: levels 1 to 3, short rows, twice the images. Beside its answers the model is trained to tell
  from each image token what lies under it (colour, shape, size, digit); that linear head is not shipped.
- Test and curate scenes are kept apart by the hash of the scene's seed; nothing measured below was trained on.

Licence: Apache-2.0, as the rest of the package. No web data, no people, no third-party weights.

## easy-VQA test

Greedy, exact match.

{easy_vqa}

## Graded scenes, test split

Greedy, exact match, by task and level.

{scenes}

By kind of answer:

{kinds}

## Pass rates

{samples} samples at temperature {temperature:g} for each of {spread_n} questions. Mean pass rate {spread_mean:.1%};
strictly between 0 and 1: {open_share:.1%}; strictly between 1/8 and 7/8: **{middle_share:.1%}**.

{histogram}

| level | mean pass rate | strictly between 1/8 and 7/8 | n |
|---|---|---|---|
{spread_levels}

## Captions

Objects named with the right colour and shape, and with the right place as well.

{captions}

By how many objects there are, levels 1 to 3: the share of captions that name every object with size, colour, shape and
place and no other, and the share of objects with each fact right.

{captions_by_objects}

## Thoughts

Asked to think under the tag schema `think_answer`, on {thoughts_n} questions of levels 1 to 3: replies laid out so, thoughts
without a sentence that is false of the image, and right answers.

{thoughts}

## Without the image, and with instructions

| asked | accuracy | n |
|---|---|---|
{variants}

## Limits

- It knows eleven colours, six shapes, digits and the question forms above, in English; elsewhere it babbles.
- Accuracy falls with the level by design (tables above).
- Captions are of use for one object; with more they miss, misplace and invent, so expect faithfulness checks to fail them.
- An instruction of a kind it never saw after the question costs accuracy (table above): ask the bare question.
- It does not reason: asked to think step by step it still replies with the bare answer.
- Its mistakes are those of a tiny model and do not stand for those of a large one.
"""


def render_card(metrics: dict[str, Any]) -> str:
    """Fill the card; metrics without a training record cannot make one."""
    training, spread, scenes = metrics["training"], metrics["spread"], metrics["scenes"]
    if training is None:
        raise ValueError("the weights have no training.json, so the card cannot say how they were made")
    config, size = training["config"], training["config"]["size"]
    columns = [f"level {level}" for level in range(1, 6)] + ["all"]
    return _CARD.format(
        parameters=metrics["parameters"], megabytes=metrics["bytes"] / 1e6, vocabulary=metrics["vocabulary"],
        vision_layers=size["vision_layers"], vision_width=size["vision_width"], text_layers=size["text_layers"],
        text_width=size["text_width"], positions=size["positions"], train_seed=config["seed"], batch=config["batch"],
        asked_steps=config["steps"], minutes=f" --minutes {config['minutes']:g}" if config["minutes"] else "",
        steps=training["steps"], rate=config["rate"], torch=training["torch"], wall=training["seconds"] / 60,
        pace=training["steps"] / training["seconds"],
        notes="".join(f"\n\n{note}" for note in training["notes"]),
        easy_vqa=_easy_vqa(metrics["easy_vqa"]),
        scenes=_grid("task", scenes, [*(r for r in scenes if r.startswith("task ")), "all"], columns),
        kinds=_grid("kind", scenes, [r for r in scenes if r.startswith("kind ")], columns),
        samples=spread["samples"], temperature=spread["temperature"], spread_n=spread["n"], spread_mean=spread["mean"],
        open_share=spread["strictly_between_0_and_1"]["accuracy"],
        middle_share=spread["strictly_between_1_8_and_7_8"]["accuracy"], histogram=_histogram(spread),
        spread_levels="\n".join(
            f"| {level} | {row['mean']:.1%} | {row['accuracy']:.1%} | {row['n']} |"
            for level, row in spread["by_level"].items()
        ),
        captions=_captions(metrics["captions"], metrics["easy_vqa"]["captions"]), variants=_variants(metrics),
        captions_by_objects=_captions_by_objects(metrics["captions_by_objects"]), thoughts=_thoughts(metrics["thoughts"]),
        thoughts_n=metrics["thoughts"]["n"],
    )  # fmt: skip


def _easy_vqa(scores: dict[str, Any]) -> str:
    rows = [
        f"| {kind} | {scores[kind]['accuracy']:.1%} | {scores[kind]['n']:,} |" for kind in scores if kind != "captions"
    ]
    return "\n".join(["| questions | accuracy | n |", "|---|---|---|", *rows])


def _grid(title: str, scores: dict[str, Any], rows: Sequence[str], columns: Sequence[str]) -> str:
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        cells = (
            f"{scores[row][c]['accuracy']:.0%} ({scores[row][c]['n']})" if c in scores[row] else "" for c in columns
        )
        lines.append(f"| {row.split(' ')[-1]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _histogram(spread: dict[str, Any]) -> str:
    heads = " | ".join(f"{right}/{spread['samples']}" for right in range(spread["samples"] + 1))
    counts = " | ".join(str(count) for count in spread["histogram"])
    return f"| pass rate | {heads} |\n{'|---' * (len(spread['histogram']) + 1)}|\n| questions | {counts} |"


def _captions(levels: dict[str, Any], easy: dict[str, Any]) -> str:
    keys = ("precision", "recall", "precision_with_place", "recall_with_place", "digit", "word_for_word")
    lines = [
        f"| level | scenes | {' | '.join(key.replace('_', ' ') for key in keys)} |",
        "|---" * (len(keys) + 2) + "|",
    ]
    for level, row in levels.items():
        cells = ("" if row[key] is None else f"{row[key]:.0%}" for key in keys)
        lines.append(f"| {level} | {row['n']} | {' | '.join(cells)} |")
    summary = f"On easy-VQA test images {easy['accuracy']:.1%} of {easy['n']:,} captions name colour and shape rightly"
    return "\n".join(lines) + f"\n\n{summary} (as far as the image's questions tell them)."


def _captions_by_objects(groups: dict[str, Any]) -> str:
    keys = ("whole", "size", "colour", "shape", "place")
    lines = [f"| objects | scenes | {' | '.join(keys)} |", "|---" * (len(keys) + 2) + "|"]
    lines += [
        f"| {name} | {row['n']} | {' | '.join(f'{row[key]:.0%}' for key in keys)} |" for name, row in groups.items()
    ]
    return "\n".join(lines)


def _thoughts(scores: dict[str, Any]) -> str:
    lines = ["| asked | laid out | true | right answer |", "|---|---|---|---|"]
    for name, label in (
        ("system", "in a system turn"),
        ("suffix", "behind the question"),
        ("bare", "the question alone"),
    ):
        cells = (f"{scores[name][key]:.1%}" if key in scores[name] else "" for key in ("formed", "true", "accuracy"))
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _variants(metrics: dict[str, Any]) -> str:
    names = {
        ("blind", "none"): "no image", ("blind", "grey"): "grey image", ("suffixed", "none"): "image, question alone",
        ("suffixed", "seen"): "image, question and an instruction seen in training",
        ("suffixed", "unseen"): "image, question and an instruction never seen",
    }  # fmt: skip
    rows = [(label, metrics[group][key]) for (group, key), label in names.items()]
    return "\n".join(f"| {label} | {score['accuracy']:.1%} | {score['n']} |" for label, score in rows)
