"""Write a release's report: gather the numbers of everything, choose what to show, stream it into one file."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import polars as pl

from pipelines.report import charts, figures
from pipelines.report.choice import choose
from pipelines.report.details import samples
from pipelines.report.duplicates import duplicates
from pipelines.report.fates import NOT_MEASURED, band_names, census, fates
from pipelines.report.origin import Origin
from pipelines.report.page import packed, write_page
from pipelines.report.thumbnails import inside, thumbnails
from pipelines.store.links import check_place
from pipelines.store.workspace import replacing
from schemas.errors import ConfigError, StoreError

SHOWN = 10_000
"""Samples that a page shows by default."""
CHUNK = 16
"""Samples that the page unpacks at a time."""
_QUESTION = 120
"""Characters of a question by which it can be searched."""
_STEP = ("step", "type", "unit", "in", "kept", "dropped")
"""What the page says of a step."""
_READ_AT_A_TIME = 2_000
"""Samples whose texts are in memory at a time."""


def default_target(origin: Origin) -> Path:
    """`<workspace>/reports/<recipe>-<version>.html`; a release itself never changes."""
    target = origin.workspace.root / "reports" / f"{origin.label.replace('/', '-')}.html"
    check_place(origin.workspace.root, target)
    return target


def write_report(origin: Origin, target: Path, shown: int = SHOWN) -> dict[str, int]:
    """Write the page to `target`, atomically. Returns `samples` (all) and `shown`.

    Raises ConfigError where `shown` is less than 1 or `target` cannot be written, StoreError where a table cannot be read,
    MissingDependencyError without the `report` extra.
    """
    if shown < 1:
        raise ConfigError(f"A report shows at least one sample, not {shown}.")
    charts.load()
    _check_target(target)
    try:
        return _write(origin, target, shown)
    except pl.exceptions.ComputeError as error:
        where = origin.release if origin.build is None else f"{origin.release} or {origin.build}"
        raise StoreError(f"A table of {where} is damaged: {error}. Build it again, or copy it again whole.") from error


def _check_target(target: Path) -> None:
    """Say that a page cannot be written before minutes are spent on what it shows."""
    if target.is_dir():
        raise ConfigError(f"{target} is a folder. Name the file to write, as {target / 'report.html'}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ConfigError(f"Cannot write to {target}: {error.strerror}. Name another file.") from error


def _write(origin: Origin, target: Path, shown: int) -> dict[str, int]:
    rows = fates(origin)
    pairs = duplicates(origin, max(1, shown // 10))
    chosen = choose(rows, shown, pl.concat([pairs["id"], pairs["kept"]]))
    summary = summarize(origin, rows, chosen, pairs)
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        write_page(file, f"{origin.label}: report", summary, _blocks(origin, chosen), charts.scripts())
    return {"samples": rows.height, "shown": chosen.height}


def summarize(origin: Origin, rows: pl.DataFrame, chosen: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, Any]:
    """What the page knows before it unpacks anything: counts of everything, and charts."""
    manifest, selection = origin.manifest, figures.selection(origin)
    gain = figures.vision_gain(origin)
    counts, bands = census(rows), band_names(origin.bands)
    specs = charts.charts(figures.pass_rates(origin), counts, figures.lengths(origin), gain, selection, bands)
    known = chosen.select("id").with_row_index("place")
    side = {name: known.rename({"id": name, "place": f"{name}_place"}) for name in ("id", "kept")}
    placed = pairs.join(side["id"], on="id", how="left", maintain_order="left").join(
        side["kept"], on="kept", how="left", maintain_order="left"
    )
    return {
        "name": origin.label,
        "content": manifest.get("content", ""),
        "code": manifest.get("code", ""),
        "description": manifest["recipe"].get("description", ""),
        "sources": [{k: s.get(k) for k in ("name", "license", "url")} for s in manifest["recipe"].get("sources", ())],
        "models": [{"name": name, "model": m["model"]} for name, m in manifest.get("models", {}).items()],
        "loss": origin.loss,
        "steps": [{name: step[name] for name in _STEP} for step in manifest["steps"]],
        "configs": {name: facts["rows"] for name, facts in manifest["statistics"]["configs"].items()},
        "samples": rows.height,
        "shown": chosen.height,
        "chunk": CHUNK,
        "bands": [*bands, NOT_MEASURED],
        "census": _codes(counts),
        "charts": specs,
        "gain": figures.mean_gain(gain),
        "selection": selection.filter(pl.col("value").is_null()).drop("value").to_dicts(),
        "duplicates": placed.rename({"id": "dropped"}).to_dicts(),
    }


def _codes(rows: pl.DataFrame) -> dict[str, Any]:
    """Columns as lists of codes with the words behind them, which JSON says once."""
    table: dict[str, Any] = {}
    for name in rows.columns:
        if rows.schema[name] == pl.String:
            words = rows[name].unique().sort()
            codes = rows[name].replace_strict(words, pl.int_range(len(words), eager=True), return_dtype=pl.Int32)
            table[name] = {"words": words.to_list(), "codes": codes.to_list()}
        else:
            table[name] = rows[name].to_list()
    return table


def _blocks(origin: Origin, chosen: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """The samples, then the index that finds them, then their images."""
    numbers: dict[str, int] = {}
    questions: list[str] = []
    place = 0
    for start in range(0, chosen.height, _READ_AT_A_TIME):
        for chunk in samples(origin, chosen.slice(start, _READ_AT_A_TIME), CHUNK):
            for sample in chunk:
                questions.append(sample.get("question", "")[:_QUESTION])
                shown = sample.pop("images", ())
                sample["images"] = [numbers.setdefault(name, len(numbers)) for name in shown if name]
            yield f"c{place}", packed(chunk)
            place += 1
    index = chosen.select("id", "outcome", "source", "band", "drops")
    yield "index", packed({**_codes(index.drop("id")), "ids": index["id"].to_list(), "questions": questions})
    for name, image in _images(origin, list(numbers)):
        yield f"p{numbers[name]}", image


def _images(origin: Origin, names: list[str]) -> Iterator[tuple[str, str]]:
    found = set()
    for name, image in thumbnails(origin, names):
        found.add(name)
        yield name, image
    missing = [name for name in names if name not in found]
    if missing:
        yield from inside(origin, missing)
