"""The data card of a release, rendered from its manifest alone."""

from collections.abc import Mapping
from typing import Any

_HEAD = """---
pretty_name: {name} {version}
configs:
{configs}
---
# {name} {version}

{description}

```python
from datasets import load_dataset

sft = load_dataset("path/to/{version}", "sft", split="train")      # prompt, completion, images: TRL's SFTTrainer
rl = load_dataset("path/to/{version}", "rl", split="train")        # prompt, images, solution: TRL's GRPOTrainer
```

| split | rows |
|---|---|
{splits}

## Sources

| name | licence | url |
|---|---|---|
{sources}

## Models

| name | model | revision |
|---|---|---|
{models}

## Funnel

Every row that came in is here, kept or dropped with its reason.

| stage | rows | in | kept | dropped, by reason |
|---|---|---|---|---|
{funnel}
{kept_out}"""

_KEPT_OUT = """
## Evaluation sets kept out

Rows that share a picture, a run of words or the meaning of a question of these sets were dropped.

| evaluation set | questions | our rows that hit it |
|---|---|---|
{sets}

{hits}
"""

_HITS = """| our row | evaluation set | its row | found by | score |
|---|---|---|---|---|
{hits}

{said}"""


def render_card(manifest: Mapping[str, Any]) -> str:
    """The README.md of a release: front matter with its configs, sources, models and the funnel."""
    recipe = manifest["recipe"]
    rows: dict[str, int] = {}
    for file in manifest["files"]:
        split = file["path"].split("/")[0]
        rows[split] = rows.get(split, 0) + file["rows"]
    return _HEAD.format(
        name=manifest["name"],
        version=manifest["version"],
        description=recipe["description"],
        # `datasets` refuses to load a split without rows, so an empty one is no config.
        configs="\n".join(f"- config_name: {n}\n  data_files: {n}/*.parquet" for n, count in rows.items() if count),
        splits="\n".join(f"| {name} | {count} |" for name, count in rows.items()),
        sources="\n".join(
            f"| {s['name']} | {s.get('license') or 'not stated'} | {s.get('url') or ''} |" for s in recipe["sources"]
        ),
        models="\n".join(f"| {name} | {m['model']} | {m['revision']} |" for name, m in manifest["models"].items()),
        funnel="\n".join(
            f"| {s['stage']} | {s['unit']} | {s['rows_in']} | {s['kept']} | {reasons(s['dropped'])} |"
            for s in manifest["stages"]
        ),
        kept_out=_kept_out(manifest.get("evaluation_sets")),
    )


def _kept_out(found: Mapping[str, Any] | None) -> str:
    """Against which evaluation sets the rows were held, and which of them hit one."""
    if not found:
        return ""
    sets = "\n".join(f"| {name} | {s['questions']} | {s['rows']} |" for name, s in found["sets"].items())
    lines = [
        f"| {h['id']} | {h['benchmark']} | {h['row']} | {h['by']} | {h['score']} |".replace("\n", " ")
        for h in found["hits"]
    ]
    rest = found["count"] - len(lines)
    said = f"{rest} more stand in dropped.parquet." if rest else ""
    hits = _HITS.format(hits="\n".join(lines), said=said).rstrip() if lines else "No row hit one."
    return _KEPT_OUT.format(sets=sets, hits=hits)


def reasons(dropped: Mapping[str, int]) -> str:
    """`12 verify:wrong, 3 verify:timeout`."""
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())
