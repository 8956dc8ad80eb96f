"""Writing an export: streamed row by row, in a hidden folder that is renamed when it is whole.

<workspace>/exports/<recipe>/v<N>/<trainer>/
    <sheet>/part-00000.parquet or <sheet>.jsonl      what the trainer reads
    dropped.parquet                                  rows it cannot express: id, sheet, reason, evidence
    <sheet>.yaml, .sh or .py; the reward             by which training starts
    export.json  README.md                           counts; how to load it, with configs for `load_dataset`

Nothing in it is an absolute path: the folder can be moved.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export.becoming import becoming
from pipelines.export.image_folder import ImageFolder
from pipelines.export.lengths import tokens
from pipelines.export.readme import render_readme
from pipelines.export.reward_code import ship_reward, verifier_facts
from pipelines.export.rows import BATCH, Image, Release, UnfitError, read_row
from pipelines.export.sheet import ABOUT_IMAGES, CURRICULUM, Draft, Exported, Exporter, Sheet, curriculum
from pipelines.export.sheets import check_use, kept_back, left_behind, sheets_of, starts_of
from pipelines.export.shipped_code import reward_package
from pipelines.release.parquet_shards import Shards, hub_schema
from pipelines.store.links import check_place
from pipelines.store.release_files import differs, file_entry, is_file_entry
from pipelines.store.sealed_json import read_sealed, write_sealed
from pipelines.store.workspace import read_json, store_errors
from schemas.errors import ConfigError
from schemas.ids import content_id

_DROPPED = pa.schema(dict.fromkeys(("id", "sheet", "reason", "evidence"), pa.string()))


def default_target(release: Release, trainer: str, workspace: Path) -> Path:
    """`<workspace>/exports/<recipe>/v<N>/<trainer>`, and a folder of its own for each selection of rows."""
    target = workspace / "exports" / release.label / f"{trainer}{release.selection.suffix}"
    check_place(workspace, target)
    return target


@cache
def written_by(folder: Path = Path(__file__).parent) -> str:
    """What tells this code of exporters from any other: the content of every file of it."""
    return content_id({path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.py"))})


def export(release: Release, exporter: Exporter, target: Path) -> dict[str, Any]:
    """Write `release` for a trainer into the folder `target` and return what its `export.json` says.

    An export of the same release by the same code is returned as it is, unless a file of it is damaged. Raises
    ConfigError where the trainer has no use for any config of the release or `target` holds something else, StoreError
    where it cannot be written.
    """
    target = target.absolute()
    code = [written_by(), reward_package()]
    key = content_id([code, exporter.name, release.manifest["content"], release.selection.key])
    there = read_sealed(target / "export.json")
    if there is not None and there.get("key") == key and _is_whole(target, there):
        return there
    _refuse_strangers(release, exporter, target, read_json(target / "export.json"))
    sheets = sheets_of(exporter, release)
    check_use(exporter, release, sheets)
    with store_errors(target), becoming(target) as scratch:
        with pq.ParquetWriter(scratch / "dropped.parquet", _DROPPED) as dropped:
            job = _Job(release, ImageFolder(scratch), dropped)
            rows = {sheet.name: job.write(sheet, scratch) for sheet in sheets}
        exported = job.exported([sheet for sheet in sheets if rows[sheet.name]], scratch, rows)
        _write_beside(scratch, exporter, exported)
        summary = {
            "key": key,
            "trainer": exporter.name,
            "release": release.label,
            "content": release.manifest["content"],
        }
        summary |= {"code": package_version("curate-multimodal"), "rows": rows, "dropped": job.reasons}
        summary["kept_back"], summary["left_behind"] = kept_back(release), left_behind(release, sheets)
        if release.selection.key:
            left = {sheet.name: release.left_out(sheet.split) for sheet in sheets}
            summary["selection"] = {**release.selection.key, "left_out": left}
        summary["verifier"] = verifier_facts(exported.verifiers) if exporter.reward else None
        (scratch / "README.md").write_text(render_readme(exporter, sheets, exported, summary), encoding="utf-8")
        summary["files"] = [file_entry(path, scratch) for path in sorted(scratch.rglob("*")) if path.is_file()]
        write_sealed(summary, scratch / "export.json")
    return summary


def _write_beside(folder: Path, exporter: Exporter, exported: Exported) -> None:
    """The reward, the files by which training on each sheet starts, and what else the trainer wants."""
    if exporter.reward is not None:
        reward = exporter.reward
        ship_reward(folder, reward.file, reward.body, exported.release.label, exported.verifiers)
    texts = {file: start.text(sheet, exported) for start, sheet, file in starts_of(exporter, exported)}
    for name, text in {**texts, **exporter.files(exported)}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _is_whole(target: Path, summary: dict[str, Any]) -> bool:
    """Whether an export's files are those that it wrote."""
    files = summary.get("files")
    return isinstance(files, list) and all(
        is_file_entry(file, "beside") and differs(target / file["path"], file) is None for file in files
    )


@dataclass
class _Job:
    """One export in progress: what is common to its sheets."""

    release: Release
    images: ImageFolder
    dropped: pq.ParquetWriter
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    verifiers: set[str] = field(default_factory=set)
    systems: dict[str, str | None] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)

    def exported(self, sheets: Sequence[Sheet], root: Path, rows: Mapping[str, int]) -> Exported:
        """What was written, once all is."""
        parts = {
            sheet.name: tuple(path.relative_to(root).as_posix() for path in sorted(root.glob(sheet.files)))
            for sheet in sheets
        }
        named = {sheet.name: sheet for sheet in sheets}
        return Exported(self.release, named, frozenset(self.verifiers), self.systems, parts, rows, self.longest)

    def write(self, sheet: Sheet, root: Path) -> int:
        """Write a sheet and return its rows; one without rows leaves nothing, because `datasets` refuses such files."""
        draft = _Draft(self.images, self.release, sheet.split, self.release.interleaved(sheet.split))
        with _writer(sheet, root, draft) as write:
            batch: list[dict[str, Any]] = []
            for record in self._records(sheet, draft):
                batch.append(record)
                if len(batch) == BATCH:
                    write(batch)
                    batch = []
            if batch:
                write(batch)
        if not draft.number:
            _remove(sheet, root)
        return draft.number

    def _records(self, sheet: Sheet, draft: "_Draft") -> Iterator[dict[str, Any]]:
        for stored in self.release.records(sheet.split):
            try:
                row = read_row(stored, self.release.path)
                record = {"id": stored["id"]} | sheet.record(row, draft) | curriculum(stored)
            except UnfitError as error:
                self._drop(stored["id"], sheet.name, error)
                continue
            self.verifiers.add(stored["verifier"] or "")
            self.systems.setdefault(sheet.name, row.system)
            self.longest[sheet.name] = max(tokens(row), self.longest.get(sheet.name, 0))
            draft.number += 1
            yield record

    def _drop(self, id_: str, sheet: str, error: UnfitError) -> None:
        reason = f"export:{error.cause}"
        counts = self.reasons.setdefault(sheet, {})
        counts[reason] = counts.get(reason, 0) + 1
        evidence = json.dumps(error.evidence, ensure_ascii=False)
        row = {"id": id_, "sheet": sheet, "reason": reason, "evidence": evidence}
        self.dropped.write_table(pa.Table.from_pylist([row], schema=_DROPPED))


@dataclass
class _Draft:
    images: ImageFolder
    release: Release
    split: str
    interleaved: bool
    number: int = 0

    @property
    def has_images(self) -> bool:
        return self.release.has_images

    @cached_property
    def system(self) -> str | None:
        return self.release.common_system(self.split)

    def place(self, image: Image) -> str:
        return self.images.place(image)


class _Write(Protocol):
    def __call__(self, records: list[dict[str, Any]]) -> None: ...


@contextmanager
def _writer(sheet: Sheet, root: Path, draft: Draft) -> Iterator[_Write]:
    has_images = draft.has_images
    if sheet.fields is not None:
        typed = {"id": pa.string(), **sheet.fields, **(sheet.with_images if has_images else {})}
        typed |= sheet.in_parts if draft.interleaved else {}
        fields = {name: kind for name, kind in typed.items() if has_images or name not in ABOUT_IMAGES} | CURRICULUM
        with Shards(root / sheet.name, hub_schema(fields)) as shards:
            yield shards.write
        return
    with (root / f"{sheet.name}.jsonl").open("w", encoding="utf-8") as file:

        def write(records: list[dict[str, Any]]) -> None:
            for record in records:
                shown = record if has_images else {k: v for k, v in record.items() if k not in ABOUT_IMAGES}
                file.write(json.dumps(shown, ensure_ascii=False) + "\n")

        yield write


def _remove(sheet: Sheet, root: Path) -> None:
    if sheet.fields is None:
        (root / f"{sheet.name}.jsonl").unlink()
    else:
        shutil.rmtree(root / sheet.name)


def _refuse_strangers(release: Release, exporter: Exporter, target: Path, there: Any) -> None:
    """An export is made of a release and may be made again; anything else in its place is not ours to remove."""
    if isinstance(there, dict) and "trainer" in there:
        same = (there.get("trainer"), there.get("release")) == (exporter.name, release.label)
        if same and _key_of(there) == release.selection.key:
            return
        rows = ", of other rows" if same else ""
        raise ConfigError(
            f"{target} holds the export of {there['release']} for {there['trainer']}{rows}. Name another folder with --out."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists and is no export. Name another folder with --out, or empty it.")


def _key_of(summary: dict[str, Any]) -> dict[str, Any]:
    chosen = summary.get("selection")
    return {k: v for k, v in chosen.items() if k in ("where", "configs")} if isinstance(chosen, dict) else {}
