"""The releases of a workspace: finding one by name, listing all, and what became different between two of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.release.configs import CONFIGS, configs_in, in_order
from pipelines.release.write import released
from pipelines.store.release_damage import MANIFEST
from pipelines.store.release_seal import read_manifest, sound
from pipelines.store.table_files import scan_table, tables_in
from schemas.errors import ConfigError

_VERSION = re.compile(r"@(v[0-9]+)$")


def find_release(name: str, workspace: Path) -> Path:
    """The folder of a release: a path, `recipe/v3`, `recipe@v3`, or `recipe` for its latest.

    Raises ConfigError where there is none.
    """
    spelled = _VERSION.sub(r"/\1", name)
    for path in (Path(name).expanduser(), Path(spelled).expanduser()):
        if (path / MANIFEST).is_file():
            return path
    recipe, _, version = spelled.strip("/").partition("/")
    found = released(workspace / "releases" / recipe)
    if found and not version:
        return found[-1]
    match = next((p for p in found if p.name == version), None)
    if match is not None:
        return match
    known = [f"{p.parent.name}/{p.name}" for p in _all(workspace)]
    here = f"Releases in {workspace}: {', '.join(known)}." if known else f"{workspace} holds no release."
    raise ConfigError(f"There is no release '{name}'. {here}")


def list_releases(workspace: Path) -> tuple[pl.DataFrame, list[str]]:
    """`release, content, <rows of each config>, megabytes`, one row a release, by recipe and version; and a sentence for
    each release whose manifest cannot be read."""
    found, unread = [], []
    for path in _all(workspace):
        try:
            manifest = read_manifest(path, "content", "statistics", "files")
        except ConfigError as error:
            unread.append(str(error))
            continue
        configs = manifest["statistics"]["configs"]
        rows = {name: configs.get(name, {}).get("rows") for name in in_order({**dict.fromkeys(CONFIGS), **configs})}
        size = sum(file["bytes"] for file in manifest["files"]) / 1e6
        found.append(
            {
                "release": f"{path.parent.name}/{path.name}",
                "content": manifest["content"][:12],
                **rows,
                "megabytes": round(size, 1),
            }
        )
    names = in_order(dict.fromkeys(n for row in found for n in row) if found else CONFIGS)
    counted = [name for name in names if name not in ("release", "content", "megabytes")]
    columns = {"release": pl.String, "content": pl.String, **dict.fromkeys(counted, pl.Int64), "megabytes": pl.Float64}
    return pl.DataFrame(found, schema=columns), unread


def _all(workspace: Path) -> Iterator[Path]:
    for recipe in sorted((workspace / "releases").glob("*")):
        yield from released(recipe)


@dataclass(frozen=True)
class Difference:
    """Two releases apart. `rows` is `config, id, change, why`; `settings` the recipe's values that differ."""

    rows: pl.DataFrame
    settings: list[tuple[str, Any, Any]]

    def summary(self) -> pl.DataFrame:
        """How many rows of each config came, went or changed, and why."""
        return (
            self.rows.group_by("config", "change", "why", maintain_order=True)
            .len("rows")
            .sort("config", "change", "rows", "why", descending=[False, False, True, False])
        )


def diff(old: Path, new: Path) -> Difference:
    """What came, what went and what changed from `old` to `new`, each row with its reason.

    Rows are matched by id: of the sample, or of the completion or pair. A row that went says which step dropped it in `new`,
    or where it is now; a row that came, what had dropped it in `old`; a changed row names the columns.
    Raises ConfigError for a damaged release, or one of another format.
    """
    manifests = [sound(path, "recipe", "configs") for path in (old, new)]
    names = in_order(dict.fromkeys([*configs_in(old), *configs_in(new)]))
    tables = {name: (_hashes(old / name), _hashes(new / name)) for name in names if name != "unfiltered"}
    beside = {name for found in manifests for name, facts in found["configs"].items() if facts["holds"] == "pairs"}
    homes = [name for name in tables if name not in {"control", *beside}]
    sides = tuple(_places({name: tables[name][which] for name in homes}) for which in (0, 1))
    drops = tuple(_fates(path / "dropped.parquet") for path in (old, new))
    found = []
    for name, (before, after) in tables.items():
        key = ["id", "row"]
        came, went = after.join(before, on=key, how="anti"), before.join(after, on=key, how="anti")
        found.append(_explained(name, "came", came, sides[0], drops[0], "was dropped: ", "was in ", "is new"))
        found.append(_explained(name, "went", went, sides[1], drops[1], "", "is in ", "is no longer in the sources"))
        found.append(_changed(name, before.join(after, on=key, suffix="__new")))
    return Difference(pl.concat(found), _recipes(*(found["recipe"] for found in manifests)))


def _hashes(folder: Path) -> pl.DataFrame:
    """`id, row` and a hash of every other column, read without the bytes of images (their names are hashes)."""
    import pyarrow.parquet as pq

    found = [pl.DataFrame(schema={"id": pl.String, "row": pl.String})]
    for path in tables_in(folder):
        file = pq.ParquetFile(path)
        leaves = [file.schema.column(i).path for i in range(len(file.schema))]
        for batch in file.iter_batches(columns=[leaf for leaf in leaves if leaf != "images.list.element.bytes"]):
            rows: Any = pl.from_arrow(batch)
            row = pl.col("row") if "row" in rows.columns else pl.col("id")
            found.append(rows.select("id", row.alias("row"), pl.exclude("id", "row").hash()))
    return pl.concat(found, how="diagonal")


def _places(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """`id, place`: the config that a sample is in; of several the first as cards list them."""
    nowhere = pl.DataFrame(schema={"id": pl.String, "place": pl.String})
    found = [table.select("id", place=pl.lit(name)) for name, table in tables.items()]
    return pl.concat([nowhere, *found]).unique("id", keep="first", maintain_order=True)


def _fates(path: Path) -> pl.DataFrame:
    """`id, fate`: the reason for which a sample was dropped, or else the most common one of its parts."""
    if not path.is_file():
        return pl.DataFrame(schema={"id": pl.String, "fate": pl.String})
    rows = scan_table(path).select(id="sample_id", fate="reason", own=pl.col("unit") == "sample")
    counted = rows.group_by("id", "fate").agg(pl.len(), pl.col("own").any())
    ordered = counted.sort("id", "own", "len", "fate", descending=[False, True, True, False])
    return ordered.unique("id", keep="first", maintain_order=True).select("id", "fate").collect()


def _explained(
    config: str, change: str, rows: pl.DataFrame, places: pl.DataFrame, fates: pl.DataFrame, *words: str
) -> pl.DataFrame:
    dropped, present, otherwise = words
    changes = rows.select("id").join(fates, on="id", how="left").join(places, on="id", how="left")
    elsewhere = pl.when(pl.col("place") != config).then(pl.col("place"))
    why = pl.coalesce(pl.lit(present) + elsewhere, pl.lit(dropped) + pl.col("fate"), pl.lit(otherwise))
    own = pl.when(pl.col("place") == config).then(pl.lit("another of its rows is there")).otherwise(why)
    return changes.select(config=pl.lit(config), id="id", change=pl.lit(change), why=own).sort("id")


def _changed(config: str, both: pl.DataFrame) -> pl.DataFrame:
    columns = [c for c in both.columns if f"{c}__new" in both.columns]
    differ = [pl.when(pl.col(c).ne_missing(pl.col(f"{c}__new"))).then(pl.lit(c)) for c in columns]
    names = pl.concat_list(differ).list.drop_nulls().list.join(", ") if differ else pl.lit("")
    changes = both.select(config=pl.lit(config), id="id", change=pl.lit("changed"), why=names)
    return changes.filter(pl.col("why") != "").sort("id")


def _recipes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The values of two recipes that differ, and the order of the steps that both have."""
    before, after = _by_name(old), _by_name(new)
    found = _settings(before, after)
    both = before["steps"].keys() & after["steps"].keys()
    first, second = ([name for name in one["steps"] if name in both] for one in (before, after))
    return found if first == second else [*found, ("order of steps", first, second)]


def _by_name(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe whose steps and sources are found by name, as `--set` does."""
    entries = [entry for step in recipe["steps"] for entry in step.items()]
    steps = {section.get("as") or type_: {"type": type_, **section} for type_, section in entries}
    return {**recipe, "steps": steps, "sources": {source["name"]: source for source in recipe["sources"]}}


def _settings(old: Any, new: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """The values of two recipes that differ, by their keys as `--set` writes them."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for k in keys for d in _settings(old.get(k), new.get(k), f"{where}.{k}".strip("."))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [d for i, (a, b) in enumerate(zip(old, new, strict=True)) for d in _settings(a, b, f"{where}.{i}")]
    return [] if old == new else [(where, old, new)]
