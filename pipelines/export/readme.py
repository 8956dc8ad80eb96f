"""The README of an export: configs for `datasets.load_dataset`, how the trainer loads it, rows and drops."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.export.readme_parts import selection_lines, starts_lines, verifier_lines
from pipelines.export.sheet import Exported, Exporter, Sheet

_TEXT = """---
configs:
{configs}
---
# {release} for {trainer}

Made from the release `{release}` by `curate export`; the release's own card says where the rows come from, under which
licences, and what was dropped on the way.

{selection}{starts}{usage}
{absent}{kept_back}{left}
Rows are in the release's order. {order}
Every row has the columns `order`, `band`, `value`, `weight`, `k` and `n` of the release, to sort, filter or weigh by.
{verifier}

| dataset | rows | rows that {trainer} cannot express (`dropped.parquet` names them) |
|---|---|---|
{rows}
"""


_ABSENT = """
There are no rows for {}, so there are no such files here.
"""


_KEPT_BACK = """
Of {} there is nothing here: their completions come with what was found of them, right and wrong, and are not there to be
imitated. The release has them, for a reward model or a critic.
"""


_LEFT = """
The release has more configs, of which nothing is here: {}.
"""


def render_readme(exporter: Exporter, sheets: Sequence[Sheet], exported: Exported, summary: Mapping[str, Any]) -> str:
    """Markdown with the front matter by which `load_dataset(folder, "<sheet>")` works."""
    absent = [f"`{sheet.name}`" for sheet in exporter.sheets if sheet.name not in exported.sheets]
    return _TEXT.format(
        configs="\n".join(f"- config_name: {s.name}\n  data_files: {s.files}" for s in exported.sheets.values())
        or "[]",
        release=summary["release"],
        trainer=exporter.name,
        order=exporter.keeps_order,
        absent=_ABSENT.format(", ".join(absent)) if absent else "",
        kept_back=_KEPT_BACK.format(", ".join(f"`{name}`" for name in summary["kept_back"]))
        if summary["kept_back"]
        else "",
        left=_LEFT.format(", ".join(f"`{name}`" for name in summary["left_behind"])) if summary["left_behind"] else "",
        selection=selection_lines(summary.get("selection", {})),
        starts=starts_lines(exporter, exported),
        usage=(exporter.usage if isinstance(exporter.usage, str) else exporter.usage(exported)).strip(),
        verifier=verifier_lines(summary["verifier"]),
        rows="\n".join(
            f"| {sheet.name} | {summary['rows'][sheet.name]} | {_reasons(summary['dropped'].get(sheet.name, {}))} |"
            for sheet in sheets
        ),
    )


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "0"
