"""The rows of a release: one Arrow schema a config, the same for every source, and the record behind each row.

Lists are `[]`, never null, because loaders that infer types from a first null row fail on the second. `<image>` in a text
would be taken for a picture, so it is written `[image]`, as exports do. `image_positions` says where each picture stands
in the last user turn, in characters; it is empty where all stand before the text.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field, field_validator

from filters.verify.graders import GRADERS
from generators.prompts import Prompt, asked, places, shown, turns
from pipelines.release.parquet_shards import IMAGES, TURNS, hub_schema
from schemas.engine import MediaReader
from schemas.marks import MARK, SPOKEN
from schemas.section import Section

CONFIGS = ("sft", "rl", "preference", "holdout", "control", "unfiltered")
"""The configs of a release, in the order in which cards list them."""


class ReleaseConfig(Section):
    """What the rows of a release look like."""

    system: str | None = Field(
        default=None,
        description="a system turn in front of every prompt; null: as the student was asked, an empty text: none",
    )
    trainer: str | None = Field(
        default="trl",
        description="whose own grader must agree with ours about every gold, and every trace whose tags it can read; null "
        "asks none",
    )
    suffix: str | None = Field(
        default=None,
        description="every prompt is the question and this text; null: the prompt that the student was asked",
    )
    images: Literal["embed", "reference"] = Field(
        default="embed",
        description="inside the parquet, or beside it in images/, each once, named by `path`; `datasets` then opens them "
        "only from inside the release's folder, exports from anywhere",
    )
    card: Path | None = Field(default=None, description="a Jinja template of your own for the data card")
    extras: tuple[Literal["control", "unfiltered"], ...] = Field(
        default=("control", "unfiltered"),
        description="configs beside the splits: the random control, all that was there",
    )

    allow_empty: tuple[Literal["sft", "rl", "holdout", "preference"], ...] = Field(
        default=(), description="configs that may come out empty; any other that the recipe gives is an error then"
    )

    @field_validator("trainer")
    @classmethod
    def _known(cls, trainer: str | None) -> str | None:
        if trainer is not None and trainer not in GRADERS:
            raise ValueError(f"no grader '{trainer}'; there are {', '.join(GRADERS)}")
        return trainer

    def prompt(self, measured: Prompt) -> Prompt:
        """How prompts are put, where rollouts (or nobody, then it is the bare question) were asked as `measured`."""
        system = measured.system if self.system is None else self.system
        return replace(measured, system=system) if self.suffix is None else Prompt(system, suffix=self.suffix)


def record(
    name: str, row: Mapping[str, Any], prompt: Prompt, config: ReleaseConfig, media: MediaReader
) -> dict[str, Any]:
    """One row of config `name`, put as `prompt` says, as trainers read it."""
    messages = asked(row, prompt)
    answer = row["answer"]
    found = {
        "id": row["id"],
        "prompt": [{**turn, "content": _no_marks(turn["content"])} for turn in turns(messages)],
        "images": [_image(picture.sha256, config, media) for picture in shown(messages)],
        "image_positions": places(messages),
        "solution": row["solution"] or f"${answer['raw']}$",
        "answer": answer["parsed"],
        "verifier": row["verifier"]["id"],
        "verifier_params": row["verifier"]["params"],
        "options": row["options"] or [],
        "tags": row["tags"],
        "dataset": row["source"]["dataset"],
        "source_row": row["source"]["row"],
        "license": row["source"]["license"],
        "group": row["group"],
    }
    replies = {"sft": {"completion": "text"}, "preference": {"chosen": "chosen_text", "rejected": "rejected_text"}}
    for column, text_column in replies.get(name, {}).items():
        found[column] = [{"role": "assistant", "content": _no_marks(row[text_column])}]
    return found | {column: row[column] for column in _FACTS[name]}


def _image(sha256: str, config: ReleaseConfig, media: MediaReader) -> dict[str, Any]:
    name = media.path(sha256).name
    if config.images == "reference":
        return {"bytes": None, "path": f"images/{name}"}
    return {"bytes": media.read(sha256), "path": name}


def _no_marks(text: str) -> str:
    """Marks in brackets of the same length, so that positions in the text hold."""
    return text.replace(MARK, SPOKEN)


_MEASURED: dict[str, pa.DataType] = {
    "model": pa.string(),
    "k": pa.int32(),
    "n": pa.int32(),
    "band": pa.string(),
}
_CHOSEN: dict[str, pa.DataType] = {
    "value": pa.float64(),
    "weight": pa.float64(),
    "order": pa.int32(),
    "control": pa.bool_(),
}
_FACTS: dict[str, dict[str, pa.DataType]] = {
    "sft": {**_MEASURED, "index": pa.int32(), "caption": pa.string(), "gold_visible": pa.bool_()},
    "rl": {**_MEASURED, **_CHOSEN},
    "preference": {**_MEASURED, "index": pa.int32(), "chosen_model": pa.string(), "rejected_model": pa.string()},
    "holdout": _MEASURED,
    "control": _MEASURED,
    "unfiltered": {**_MEASURED, "split": pa.string(), "released": pa.bool_()},
}
"""What a row of each config says beside prompt, answer and pictures."""


def schema(name: str) -> pa.Schema:
    """The Arrow schema of a config, with the metadata by which `datasets` knows that `images` are images."""
    fields: dict[str, pa.DataType] = {"id": pa.string(), "prompt": TURNS}
    fields |= {"sft": {"completion": TURNS}, "preference": {"chosen": TURNS, "rejected": TURNS}}.get(name, {})
    text = ("solution", "answer", "verifier", "verifier_params")
    fields |= {"images": IMAGES, "image_positions": pa.list_(pa.int32())}
    fields |= {**dict.fromkeys(text, pa.string()), "options": pa.list_(pa.string())}
    facts = ("tags", "dataset", "source_row", "license", "group")
    fields |= {**dict.fromkeys(facts, pa.string()), **_FACTS[name]}
    return hub_schema(fields)
