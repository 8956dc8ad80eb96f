"""What a release was made of and by: its sources' content, the encoders, the code and the libraries that decide tables."""

import hashlib
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.road.decontaminate import encoders as away_encoders
from pipelines.road.dedup import encoder_identities
from pipelines.road.selection import encoder_identities as selection_encoders
from pipelines.steps.vectors import image_identity, text_identity

if TYPE_CHECKING:
    from pipelines.road.stage import Build
from pipelines.release.provenance import made_by, source_content


def provenance(build: "Build", samples: pl.LazyFrame) -> dict[str, Any]:
    """For the manifest: `sources`, `encoders`, `commit`, `code_hash`, `libraries`. `samples` are those that were ingested.

    Nothing in it depends on the machine's paths or clock: the same sources, code and libraries give the same.
    """
    return {
        "sources": _sources(build, samples),
        "encoders": _encoders(build),
        **made_by(),
    }


def _sources(build: "Build", samples: pl.LazyFrame) -> list[dict[str, Any]]:
    read = {name: (rows, content) for name, rows, content in source_content(samples).iter_rows()}
    found = []
    for source in build.recipe.sources:
        rows, content = read.get(source.name, (0, hashlib.sha256().hexdigest()))
        found.append(
            {"name": source.name, "license": source.license, "url": source.url, "rows": rows, "content": content}
        )
    return found


def _encoders(build: "Build") -> list[dict[str, str]]:
    """The identities of all encoders, each once; loads none."""
    found = [*encoder_identities(build), *(selection_encoders(build) or [])]
    if build.recipe.decontaminate is not None:
        text, image = away_encoders(build)
        found += [text_identity(text).to_json()] if text else []
        found += [image_identity(build, image).to_json()] if image else []
    return [one for place, one in enumerate(found) if one not in found[:place]]
