"""Croissant metadata of a release: the card for machines (MLCommons Croissant 1.0, http://mlcommons.org/croissant/1.0)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.release.card import loadable
from pipelines.release.configs import schema_in

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_TYPES = {pa.string(): "sc:Text", pa.int32(): "sc:Integer", pa.float64(): "sc:Float", pa.bool_(): "sc:Boolean",
          pa.int64(): "sc:Integer", pa.int16(): "sc:Integer", pa.int8(): "sc:Integer", pa.uint32(): "sc:Integer",
          pa.uint64(): "sc:Integer", pa.float32(): "sc:Float"}  # fmt: skip
_DESCRIPTIONS = {
    "correct": "what a rollout counts as: right, wrong, or null for no evidence",
    "id": "content hash of the sample: the same sample has the same id in every release",
    "prompt": "the turns that the model is given",
    "completion": "a reply to it",
    "chosen": "the preferred response",
    "rejected": "the rejected response",
    "images": "the images, in the order of the prompt",
    "image_positions": "where each image is in the last user turn, in characters; empty: all before the text",
    "solution": "the gold answer as trainers' graders read it",
    "answer": "the gold answer as a tagged union, in JSON",
    "verifier": "the rule that scores an answer",
    "verifier_params": "its parameters, in JSON",
    "options": "the options of a choice question",
    "tags": "the tag schema of the reply",
    "dataset": "the source that the sample came from",
    "source_row": "the row of that source",
    "license": "the licence of that source",
    "group": "what must stay on one side of a split",
    "model": "the model whose rollouts were counted",
    "k": "rollouts that were right",
    "n": "rollouts that count",
    "band": "difficulty: never, hard, medium, easy, always",
    "index": "which of the sample's traces or pairs this is",
    "chosen_model": "the model that gave the preferred response",
    "rejected_model": "the model that gave the rejected response",
    "caption": "how the image was put into words",
    "gold_visible": "whether the reasoner was shown the gold answer",
    "value": "what the selection's rule gave",
    "weight": "what the selection's rule multiplies the row by in training, or how often a mixture drew it",
    "order": "place of the row in the curriculum, 0 first",
    "control": "whether the random control holds the row too",
    "sample_id": "the sample that was answered: the `id` of its rows",
    "text": "the reply",
    "finish_reason": "how the reply ended: stop, or length where it was cut off",
    "verdict": "what the reply came to: right, wrong, no_answer, truncated or unscored",
    "score": "what the reward gives for the text; the judge's score where a judge decided; null where nobody can tell",
    "tier": "who decided: string, rule, math, judge, or none, timeout, crash",
    "reason": "why",
    "side": "the side of the split that the sample is on",
    "released": "whether it is in a config to train on (sft, rl, preference)",
}


def describe(manifest: Mapping[str, Any], release: Path) -> dict[str, Any]:
    """Croissant JSON-LD: every parquet file with its hash, and a record set for each config that has rows."""
    recipe = manifest["recipe"]
    configs = list(loadable(manifest))
    files = [f for f in manifest["files"] if f["path"].split("/")[0] in configs]
    licences = sorted({source.get("license") or "not stated" for source in manifest["sources"]})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{manifest['name']}-{manifest['version']}",
        "description": recipe["description"] or f"Release {manifest['version']} of the recipe {manifest['name']}.",
        "version": f"{manifest['version'].removeprefix('v')}.0.0",
        "license": licences[0] if len(licences) == 1 else licences,
        "url": next((s["url"] for s in recipe["sources"] if s.get("url")), "https://pypi.org/project/datasets"),
        "distribution": [_file(file) for file in files],
        "recordSet": [
            _record_set(release, name, [f["path"] for f in files if f["path"].startswith(f"{name}/")])
            for name in configs
        ],
    }


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file["path"],
        "name": file["path"],
        "contentUrl": file["path"],
        "encodingFormat": "application/x-parquet",
        "contentSize": f"{file['bytes']} B",
        "sha256": file["sha256"],
    }


def _record_set(release: Path, config: str, paths: list[str]) -> dict[str, Any]:
    fields = schema_in(release, config)
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "description": f"The rows of the config {config} ({len(paths)} files; the fields are read from the first).",
        "field": [_field(config, field, paths[0]) for field in fields],
    }


def _field(config: str, field: pa.Field, path: str) -> dict[str, Any]:
    repeated = pa.types.is_list(field.type)
    inner = field.type.value_type if repeated else field.type
    source = {"fileObject": {"@id": path}, "extract": {"column": field.name}}
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{config}/{field.name}",
        "name": field.name,
        "description": _DESCRIPTIONS.get(field.name, f"the column `{field.name}` of the recipe"),
        "dataType": "sc:Text" if pa.types.is_struct(inner) else _TYPES.get(inner, "sc:Text"),
        "source": source,
    }
    if pa.types.is_struct(inner):
        part = (
            "bytes"
            if field.name == "images"
            else "content"
            if repeated and inner.get_field_index("content") >= 0
            else None
        )
        found |= {"source": {**source, "transform": {"jsonPath": part}}} if part else {}
        found |= {"dataType": "sc:ImageObject" if part == "bytes" else "sc:Text"}
    return found | ({"repeated": True} if repeated else {})
