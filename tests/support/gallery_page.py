"""The pages of the gallery of recipes: what a recipe is, from what it compiles to, and what came of its demo."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.explain.expected import configs
from pipelines.explain.mermaid import mermaid
from pipelines.explain.overview import Asked, Overview, overview, sum_or_none
from pipelines.job import Compiled, Job
from pipelines.release.card_text import render
from pipelines.store.table_files import scan_table

TEMPLATES = Path(__file__).with_name("gallery_templates")
SAMPLES, ROWS = 1_000, 5
LONGEST = 200
"""Characters of a text that are shown."""


def recipe_page(compiled: Compiled) -> str:
    """The part of a recipe's page that needs no model: it is the same wherever it is written."""
    one, document = overview(compiled), compiled.document
    names = {
        "name": one.path.stem,
        "description": document.description,
        "about": document.about.model_dump(mode="json"),
        "one": one,
        "graph": mermaid(compiled.pipeline),
        "bill": _bill(one.asks),
    }
    return _rendered("recipe", names)


def demo_part(job: Job, card: str | None) -> str:
    """The rest of the page, of a demo that was built; `card` is where the card of its release lies."""
    compiled = job.compiled
    demo = compiled.document.to_json()["demo"]
    names = {
        "name": compiled.document.path.stem,
        "demo": demo,
        "card": card,
        "steps": job.records(),
        "tokens": list(_tokens(job)),
        "configs": list(_shown(job)),
    }
    return _rendered("demo", names)


def index_page(found: Iterable[Overview]) -> str:
    """The list of all recipes, by family; what lies in none comes first."""
    families: dict[str, list[Overview]] = {"": []}
    for one in found:
        families.setdefault(one.family, []).append(one)
    count = sum(map(len, families.values()))
    return _rendered("index", {"families": {k: v for k, v in families.items() if v}, "count": count})


def _rendered(template: str, names: Mapping[str, Any]) -> str:
    return render((TEMPLATES / f"{template}.md.jinja").read_text(encoding="utf-8"), names)


def _bill(asks: Sequence[Asked]) -> list[dict[str, str]]:
    """What is asked of each model by each step for so many samples, and in all."""
    rows = [{"step": a.step, "role": a.role, "calls": a.calls, "tokens": _times(a.calls, a.tokens)} for a in asks]
    counts = Counter(asked.role for asked in asks)
    rows += [_total(rows, role) for role, count in counts.items() if count > 1]
    return [
        {
            "step": str(row["step"]),
            "role": str(row["role"]),
            "completions": _counted(_times(row["calls"], SAMPLES)),
            "tokens": _counted(_times(row["tokens"], SAMPLES)),
        }
        for row in rows
    ]


def _total(rows: Sequence[Mapping[str, Any]], role: str) -> dict[str, Any]:
    own = [row for row in rows if row["role"] == role]
    return {"step": "*all*", "role": role} | {key: sum_or_none(row[key] for row in own) for key in ("calls", "tokens")}


def _times(count: Any, each: int | None) -> int | None:
    return None if count is None or each is None else count * each


def _counted(count: int | None) -> str:
    return "as many as answers call for" if count is None else f"{count:,}"


def _tokens(job: Job) -> Iterator[dict[str, str]]:
    """What each step sent to its models and got from them, for each sample that the sources gave."""
    records, models = job.records(), job.compiled.document.models
    samples = records[0]["kept"]
    for record in records:
        for role, asked in record.get("asked", {}).items():
            counts = {
                "completions": asked["samples"],
                "sent": asked["prompt_tokens"],
                "received": asked["completion_tokens"],
            }
            shares = {name: "–" if n is None else f"{n / samples:,.1f}" for name, n in counts.items()}
            yield {"step": record["step"], "model": models[role].model, **shares}


def _shown(job: Job) -> Iterator[dict[str, Any]]:
    """A few rows of each config that the recipe names, by the smallest ids, as the card has them."""
    if job.releasing is None:
        return
    files = configs(job)
    for name, section in job.releasing.config.configs.items():
        if name in files:
            table = scan_table(files[name])
            rows = table.sort("id").head(ROWS).collect()
            carried = (*(column.replace(".", "_") for column in section.columns), *section.with_)
            texts = [_texts(row, carried) for row in rows.to_dicts()]
            columns = [column for column in (texts[0] if texts else ()) if any(text[column] for text in texts)]
            total = table.select(pl.len()).collect().item()
            yield {
                "name": name,
                "total": total,
                "columns": columns,
                "rows": [[text[column] for column in columns] for text in texts],
            }


def _texts(row: Mapping[str, Any], carried: Iterable[str]) -> dict[str, str]:
    """What is shown of a row of a release, as short texts; `carried` are the columns that the recipe adds."""
    found = {"prompt": _cut(_said(row.get("prompt"))), "gold": _cut(row.get("solution"))}
    found |= {name: _cut(_said(row.get(name))) for name in ("completion", "chosen", "rejected")}
    found["k of n"] = "" if row.get("k") is None else f"{row['k']} of {row['n']}"
    for name in carried:
        value = row.get(name)
        found[name] = _cut(f"{value:.3g}" if isinstance(value, float) else value)
    found["images"] = ", ".join(_named(image["path"]) for image in row.get("images") or ())
    return found


def _said(messages: Any) -> str:
    """The last of the messages; a text is itself."""
    return messages if isinstance(messages, str) else messages[-1]["content"] if messages else ""


def _named(path: str) -> str:
    name = Path(path)
    return f"{name.stem[:12]}…{name.suffix}" if len(name.stem) > 12 else name.name


def _cut(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
