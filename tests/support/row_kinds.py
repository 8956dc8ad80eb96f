"""The kinds of rows, which of them each trainer's export holds, and the tables of that and of how each trainer keeps the
order of rows in `docs/trainers.md`: `python tests/support/row_kinds.py` writes them.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from export_readers import READERS, Seen, pixels
from sealing import resealed
from shaped_release import make_release

from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.image_tokens import escape
from pipelines.export.rows import open_release
from pipelines.export.write import export
from schemas.marks import MARK, cut

PAGE = Path(__file__).parents[2] / "docs" / "trainers.md"
START, END = "<!-- rows x trainers: python tests/support/row_kinds.py -->\n", "<!-- end -->\n"
ORDER = "<!-- order x trainers: python tests/support/row_kinds.py -->\n"
SETS = {"sft": "SFT", "rl": "RL", "preference": "pairs"}
AMONG = "Is  left of ?"
ROWS: dict[str, tuple[Any, ...]] = {
    "text only": ("What is six times seven?", 0, "number", "42", [], "6 · 7 = 42."),
    "one image": ("What color is the shape?", 1, "text", "blue", [], "It is blue."),
    "several images": ("Which picture has more shapes?", 2, "choice", "B", ["one", "two"], "Counting both."),
    "images among words": (AMONG, 2, "boolean", "yes", [], "The first is left.", 3, 12),
    "names a mark": ("Does <image> mean <video> here?", 1, "boolean", "no", [], "A tag such as <audio>."),
    "another system turn": ("What is one and one?", 0, "number", "2", [], "Two."),
    "only a judge can grade": ("Describe it.", 1, "open", "A shape.", [], "A shape."),
}
ALONE = "no image in the release"
UNLIKE = "another system turn"


def release_of_kinds(folder: Path) -> Path:
    """A release of a row of each kind in each split."""
    release = make_release(folder, list(ROWS.values()), system="Think.")
    place = list(ROWS).index(UNLIKE)
    for split in ("sft", "rl", "preference", "holdout"):
        path = release / split / "part-00000.parquet"
        table = pq.read_table(path)
        rows = table.to_pylist()
        rows[place]["prompt"][0]["content"] = "Do not think."
        pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    resealed(release)
    return release


def expected(stored: Mapping[str, Any]) -> Seen:
    """What a reader is to find of a row of the release."""
    places = stored["image_positions"] or [0] * len(stored["images"])
    question = MARK.join(map(escape, cut(stored["prompt"][-1]["content"], places)))
    replies = [stored[name][0]["content"] for name in ("completion", "chosen", "rejected") if name in stored]
    return Seen(question, [pixels(image["bytes"]) for image in stored["images"]], list(map(escape, replies)))


def agree(found: Seen, wanted: Seen) -> bool:
    """Whether a reader finds what it is to find; one of prompts alone finds no replies."""
    return found == (wanted if found.replies is not None else wanted._replace(replies=None))


def outcomes(release: Path, trainer: str, folder: Path) -> Iterator[tuple[str, str, str | None]]:
    """For each dataset of an export, moved after it was made, and each row of it: the split, the row's question as it is
    stored, and why it was dropped. Raises AssertionError for a row that is there and is not what the release says."""
    from datasets import load_dataset

    made, home = folder / "made", folder / "moved"
    export(open_release(str(release), Path()), exporter_of(trainer), made)
    made.rename(home)
    dropped = {(row["sheet"], row["id"]): row["reason"] for row in pq.read_table(home / "dropped.parquet").to_pylist()}
    for sheet in EXPORTERS[trainer].sheets:
        data = load_dataset(str(home), sheet.name, split="train", cache_dir=str(folder / "cache"))
        read = {row["id"]: READERS[trainer](row, home) for row in data}
        for row in pq.read_table(release / sheet.split).to_pylist():
            reason = dropped.get((sheet.name, row["id"]))
            assert (reason is None) == (row["id"] in read)
            assert reason is not None or agree(read[row["id"]], expected(row)), (trainer, sheet.name)
            yield sheet.split, row["prompt"][-1]["content"], reason


def cells(trainer: str, release: Path, alone: Path, folder: Path) -> list[str]:
    """A line of the table: the sets of a trainer, and for each kind of rows whether they are there, or why in which not."""
    kinds = {row[0]: kind for kind, row in ROWS.items()}
    why: dict[str, dict[str, None]] = {kind: {} for kind in (*ROWS, ALONE)}
    for number, (made, name_of) in enumerate(((release, kinds.__getitem__), (alone, lambda question: ALONE))):
        (folder / str(number)).mkdir(parents=True)
        for split, question, reason in outcomes(made, trainer, folder / str(number)):
            if reason is not None and split in SETS:
                why[name_of(question)][f"{SETS[split]}: `{reason.removeprefix('export:')}`"] = None
    held = {SETS[sheet.split] for sheet in EXPORTERS[trainer].sheets if sheet.split in SETS}
    sets = [name for name in SETS.values() if name in held]
    return [f"`{trainer}`", ", ".join(sets), *("; ".join(reasons) or "yes" for reasons in why.values())]


def alone_in(folder: Path) -> Path:
    """A release without a single image."""
    return make_release(folder, [ROWS["text only"]])


def table() -> str:
    """The table, from exports of both releases for every trainer."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        release, alone = release_of_kinds(home / "kinds"), alone_in(home / "alone")
        lines = [["trainer", "sets", *ROWS, ALONE]]
        lines += [cells(trainer, release, alone, home / trainer) for trainer in EXPORTERS]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def order_table() -> str:
    """How each trainer keeps the order of its rows, or that it cannot: what the README of its export says."""
    lines = [("trainer", "the order"), ("---", "---")]
    lines += [(f"`{name}`", exporter.keeps_order) for name, exporter in EXPORTERS.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def on_page(start: str = START) -> str:
    """A table that is on the page, by the mark that it begins with."""
    return PAGE.read_text("utf-8").split(start)[1].split(END)[0]


if __name__ == "__main__":
    for start, made in ((START, table()), (ORDER, order_table())):
        PAGE.write_text(PAGE.read_text("utf-8").replace(start + on_page(start), start + made), encoding="utf-8")
