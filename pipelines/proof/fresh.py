"""Fresh samples: more of what procedural sources give, under another seed, asked as the release asks.

Nothing of the release knows them, and there are as many as one likes. Sources of published rows have none.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from generators.prompts import places, shown, turns
from generators.template import Template, asked
from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.proof.rows import Rows, drawn, rows_of
from pipelines.sources.source import Source
from pipelines.store.media import MediaStore
from schemas.ids import hash_text

PROCEDURAL = ("scenes", "tasks")
"""Types of sources whose seed decides their rows."""


class Fresh(NamedTuple):
    """Samples, or why there are none."""

    rows: Rows | None
    why: str | None


def fresh_rows(manifest: Mapping[str, Any], most: int) -> Fresh:
    """At most so many samples of the procedural sources of a release, each under a seed that its content decides."""
    measured, sources = manifest.get("measured"), manifest["recipe"]["sources"]
    sections = [source for source in sources if source.get("type") in PROCEDURAL]
    if not most:
        return Fresh(None, "none were asked for")
    if not sections:
        return Fresh(None, "no source of the recipe is procedural")
    if measured is None or not measured.get("prompts_as_asked"):
        return Fresh(None, "the prompts of `rl` are not put as one step asked them")
    prompt, system = Template(measured["prompt"]), Template(measured["system"]) if measured["system"] else None
    known = prompt.references | (system.references if system else frozenset())
    if not known <= {("question",), ("options",)}:
        return Fresh(None, "prompts of the release say more than the question")
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        media = MediaStore(Path(folder))
        for place, section in enumerate(sections):
            share = -(-(most - len(records)) // (len(sections) - place))
            found = _samples(section, manifest["content"], media, share)
            records += [_record(row, prompt, system, measured["tags"], media) for row in found]
    return Fresh(rows_of(records), None) if records else Fresh(None, "procedural sources gave no sample")


def _samples(section: Mapping[str, Any], content: str, media: MediaStore, share: int) -> list[dict[str, Any]]:
    """Samples of one source under another seed, one an image where there are enough."""
    from pydantic import TypeAdapter

    seed = int(hash_text(f"fresh:{content}:{section['seed']}")[:7], 16)
    other = {**section, "seed": seed, "n": max(4, 2 * share), "limit": None}
    if section["type"] == "scenes":
        other["per_scene"] = 1
    source: Any = TypeAdapter(Source).validate_python({k: v for k, v in other.items() if v is not None})
    rows = [row for part in ingest((source,), media, IngestConfig()) for row in part.kept.iter_rows(named=True)]
    return [rows[i] for i in drawn([row["id"] for row in rows], share, "fresh")]


def _record(
    row: Mapping[str, Any], prompt: Template, system: Template | None, tags: str, media: MediaStore
) -> dict[str, Any]:
    """A sample as a release would store it."""
    import io

    from PIL import Image

    messages = asked(row, prompt, system, sees=True)
    return {
        "id": row["id"],
        "prompt": turns(messages),
        "images": [Image.open(io.BytesIO(media.read(part.sha256))).convert("RGB") for part in shown(messages)],
        "image_positions": places(messages),
        "answer": row["answer"]["parsed"],
        "verifier": row["verifier"]["id"],
        "verifier_params": row["verifier"]["params"],
        "options": row["options"] or [],
        "tags": tags,
    }
