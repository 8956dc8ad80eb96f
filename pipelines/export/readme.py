"""The README of an export: configs for `datasets.load_dataset`, how the trainer loads it, rows and drops."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.export.sheet import Exporter, Sheet

_TEXT = """---
configs:
{configs}
---
# {release} for {trainer}

Made from the release `{release}` by `curate export`; the release's own card says where the rows come from, under which
licences, and what was dropped on the way.

{usage}
{absent}{kept_back}
Rows are in the release's order. {order}
Every row has the columns `order`, `band`, `value`, `weight`, `k` and `n` of the release, to sort, filter or weigh by.
{verifier}

| dataset | rows | rows that {trainer} cannot express (`dropped.parquet` names them) |
|---|---|---|
{rows}
"""


_ABSENT = """
This release has no rows for {}, so there are no such files here: leave out what names them above, or put the name of
another dataset of the table below in their place.
"""


_VERIFIER = "The reward is version {version} of curate's verifier, in `{code}` ({engines}).\n"


_KEPT_BACK = """
Of {} there is nothing here: their completions come with what was found of them, right and wrong, and are not there to be
imitated. The release has them, for a reward model or a critic.
"""


def render_readme(exporter: Exporter, sheets: Sequence[Sheet], summary: Mapping[str, Any], home: Path) -> str:
    """Markdown with the front matter by which `load_dataset(folder, "<sheet>")` works."""
    written = [sheet for sheet in sheets if summary["rows"][sheet.name]]
    absent = [f"`{sheet.name}`" for sheet in exporter.sheets if sheet not in written]
    return _TEXT.format(
        configs="\n".join(f"- config_name: {s.name}\n  data_files: {_files(s)}" for s in written) or "[]",
        release=summary["release"],
        trainer=exporter.name,
        order=exporter.keeps_order,
        absent=_ABSENT.format(", ".join(absent)) if absent else "",
        kept_back=_KEPT_BACK.format(", ".join(f"`{name}`" for name in summary["kept_back"]))
        if summary["kept_back"]
        else "",
        usage=exporter.usage.replace("{home}", str(home)).strip(),
        verifier=_verifier(summary["verifier"]),
        rows="\n".join(
            f"| {sheet.name} | {summary['rows'][sheet.name]} | {_reasons(summary['dropped'].get(sheet.name, {}))} |"
            for sheet in sheets
        ),
    )


def _verifier(facts: Mapping[str, Any] | None) -> str:
    if facts is None:
        return ""
    engines = ", ".join(f"{name} {version}" for name, version in facts["engines"].items())
    return _VERIFIER.format(version=facts["version"], code=facts["code"], engines=engines)


def _files(sheet: Sheet) -> str:
    return f"{sheet.name}.jsonl" if sheet.fields is None else f"{sheet.name}/*.parquet"


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "0"
