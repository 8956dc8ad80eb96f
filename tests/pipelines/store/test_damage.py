"""What comes back from a log is what was written, or is missing: bits that flip, files that are cut, swapped or strange."""

import io
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from flips import SLOW, flip
from PIL import Image

from filters.dedup.image_hash import HASHES
from pipelines.store import part_folder
from pipelines.store.completions import WANTED, CompletionsLog, wanted_rows
from pipelines.store.embeddings import EmbeddingsLog
from pipelines.store.image_hashes import HashLog
from pipelines.store.keyed_log import KeyedLog
from pipelines.store.prompts import PromptsLog
from schemas.completion import Completion, Message, ModelIdentity, Request, prompt_key

MODELS = [ModelIdentity(name, "r", "t") for name in ("one", "two")]
Found = dict[str, Any]


def requests(rows: int) -> list[Request]:
    return [Request(f"row-{i:03d}", (Message("user", (f"What is {i} plus {i}?",)),)) for i in range(rows)]


class Encoder:
    def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
        return np.array([[float(ord(character)) for character in item[:8]] for item in items])


class Media:
    def path(self, sha256: str) -> Path:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (16, 16), sha256).save(out, "PNG")
        return out.getvalue()


@dataclass
class Log:
    """A log below a folder: how it is filled, and what can be read of it, by key, as a build reads it."""

    fill: Callable[[Path, int], None]
    read: Callable[[Path], Found]
    where: str = "part-*.parquet"

    def parts(self, root: Path) -> list[Path]:
        """The names of its parts below the folder."""
        found = sorted(path.relative_to(root) for path in root.glob(self.where))
        assert len(found) > 1
        return found


def answer_all(root: Path, rows: int) -> None:
    for model in MODELS:
        with CompletionsLog(root).writer(model) as writer:
            for request in requests(rows):
                text = f"<think>\n{request.id} for {model.model}\n</think>\n<answer>{request.id[4:]}</answer>"
                writer.append(
                    request, prompt_key(model, request), [Completion(0, text, "stop", 9, 7, "thought", (-0.5,))]
                )
                writer.unanswered(prompt_key(model, request), [1], f"nobody was there for {request.id}")


def answers(root: Path) -> Found:
    """What is wanted and not missing, with all that is known of it."""
    log, rows = CompletionsLog(root), root / ".rows.parquet"
    every = requests(40)
    pl.DataFrame({"id": [request.id for request in every]}).write_parquet(rows)
    wanted, missing = root / ".wanted.parquet", root / ".missing.parquet"
    keys = [row for model in MODELS for one in every for row in wanted_rows(one, prompt_key(model, one))]
    pl.DataFrame(keys, schema=WANTED, orient="row").write_parquet(wanted)
    log.missing(wanted, missing)
    gone = set(pl.read_parquet(missing)["prompt_key"])
    found = {row["prompt_key"]: row for piece in log.answers(wanted, rows) for row in piece.iter_rows(named=True)}
    for key, row in found.items():
        assert (row["finish_reason"] is None) == (key in gone), "asked again, or answered"
    return {key: row for key, row in found.items() if key not in gone}


def failures(root: Path) -> Found:
    rows = CompletionsLog(root).failures.scan().drop("created_at").collect()
    return {row["key"]: row for row in rows.iter_rows(named=True)}


def ask_all(root: Path, rows: int) -> None:
    with PromptsLog(root).writer() as writer:
        for request in requests(rows):
            writer.append(request, prompt_key(MODELS[0], request))


def prompts(root: Path) -> Found:
    keys = [prompt_key(MODELS[0], request) for request in requests(40)]
    log = PromptsLog(root)
    found = {row["prompt_key"]: row for row in log.messages(keys).iter_rows(named=True)}
    assert log.known(keys) == set(found) - set(log.journalled()["key"])
    return found


KEYS = pl.Series("key", [f"{i:08d}" for i in range(40)])


def encode_all(root: Path, rows: int) -> None:
    EmbeddingsLog(root).vectors(MODELS[0], KEYS.head(rows), list, Encoder, root.parent / "matrix.npy")


def vectors(root: Path) -> Found:
    log = EmbeddingsLog(root)
    keys = KEYS.filter(~KEYS.is_in(log.missing(MODELS[0], KEYS).to_list()))
    matrix = log.vectors(MODELS[0], keys, list, Encoder, root.parent / "matrix.npy", replay=True)
    return {key: matrix.take(np.array([i])).tobytes() for i, key in enumerate(keys)}


def signals(root: Path) -> KeyedLog:
    shape = pl.Schema({"key": pl.String(), "sums": pl.List(pl.Float64()), "error": pl.String()})
    return KeyedLog(root, "signals/attention/m", lambda found: found == shape)


def measure_all(root: Path, rows: int) -> None:
    table = {"key": KEYS.head(rows), "sums": [[i / 7, i / 9] for i in range(rows)], "error": [None] * rows}
    signals(root).append(pl.DataFrame(table, schema_overrides={"error": pl.String}))


def signalled(root: Path) -> Found:
    log = signals(root)
    return {row["key"]: row for piece in log.rows(KEYS) for row in piece.iter_rows(named=True)}


COLOURS = ["red", "blue", "green", "white", "black", "pink", "gray", "gold"]


def hash_all(root: Path, rows: int) -> None:
    HashLog(root).hashes(pl.Series(COLOURS[:rows]), Media())


def hashes(root: Path) -> Found:
    log, nothing = HashLog(root)._log, pl.DataFrame(schema=HASHES)
    found = pl.concat([nothing, *log.rows(pl.Series(COLOURS))])
    return {row["sha256"]: row for row in found.iter_rows(named=True)}


LOGS = {
    "completions": Log(answer_all, answers),
    "failures": Log(answer_all, failures, "failures/part-*.parquet"),
    "prompts": Log(ask_all, prompts),
    "embeddings": Log(encode_all, vectors, "*/part-*.parquet"),
    "signals": Log(measure_all, signalled),
    "hashes": Log(hash_all, hashes, "*/part-*.parquet"),
}


@pytest.fixture(scope="module", params=LOGS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Log, Path]:
    """A log and the folder that it was written to, in two parts or more."""
    log, root = LOGS[request.param], tmp_path_factory.mktemp(request.param) / "log"
    log.fill(root, 5)
    log.fill(root, 40)
    return log, root


def copy_of(root: Path, folder: Path) -> Path:
    part_folder._PROOFS.clear()  # as in a process of its own
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root, folder / "log")
    return folder / "log"


def harmless(log: Log, root: Path, whole: Found, caplog: pytest.LogCaptureFixture) -> int:
    """Read a damaged log: nothing of it is other than it was, and where something is missing, that was told. Returns how
    many keys are missing."""
    caplog.clear()
    found = log.read(root)
    assert {key: whole[key] for key in found} == found
    aside = list(root.rglob("aside-*"))
    told = [record for record in caplog.records if "is damaged" in record.getMessage()]
    assert len(told) == len(aside)
    assert found == whole or aside
    return len(whole) - len(found)


def flip_parts(filled: tuple[Log, Path], folder: Path, caplog: pytest.LogCaptureFixture, number: int) -> None:
    """`number` single bits flip, over all parts."""
    log, root = filled
    whole, names = log.read(root), log.parts(root)
    for name in names:
        chance = random.Random(str(name))
        for _ in range(number // len(names)):
            damaged = copy_of(root, folder / "copy")
            (damaged / name).write_bytes(flip((root / name).read_bytes(), chance, "part of a log"))
            harmless(log, damaged, whole, caplog)


def test_a_bit_of_a_part_that_flips_is_never_used(
    filled: tuple[Log, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip_parts(filled, tmp_path, caplog, 8)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_bit_of_a_part_that_flips_is_ever_used(
    filled: tuple[Log, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip_parts(filled, tmp_path, caplog, SLOW["part of a log"] // len(LOGS))


def test_whatever_else_lies_where_a_part_was_is_not_used(
    filled: tuple[Log, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A part that is cut anywhere or empty, one that lies under the name of another, a table of other columns."""
    log, root = filled
    whole = log.read(root)
    name, other = log.parts(root)[:2]
    data, strange = (root / name).read_bytes(), io.BytesIO()
    pl.DataFrame({"key": ["k"], "other": [1]}).write_parquet(strange)
    cuts = [data[:at] for at in (0, 1, 4, 11, 12, len(data) // 3, len(data) - 8, len(data) - 1)]
    for instead in (
        *cuts,
        data + b"\0",
        data[:-4] + b"PAR2",
        b"PAR1" * 9,
        strange.getvalue(),
        (root / other).read_bytes(),
    ):
        damaged = copy_of(root, tmp_path / "copy")
        (damaged / name).write_bytes(instead)
        harmless(log, damaged, whole, caplog)
        assert not (damaged / name).exists()
        assert any(path.read_bytes() == instead for path in damaged.rglob(f"aside-{name.stem}-*"))


def test_parts_that_were_swapped_are_not_used(
    filled: tuple[Log, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, root = filled
    damaged = copy_of(root, tmp_path / "copy")
    one, two = (damaged / name for name in log.parts(root)[:2])
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    harmless(log, damaged, log.read(root), caplog)
    assert len(log.read(damaged)) < len(log.read(root)) and len(caplog.records) == 2, "once set aside, it is over"
    assert {path.name for path in damaged.rglob("aside-*")} == {f"aside-{p.stem}-name.parquet" for p in (one, two)}
