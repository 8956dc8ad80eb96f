"""Two machines that want the same: the second asks only what the first has not claimed, and all of it once he is gone."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from object_store import machine, working_copy

from pipelines.remote import head as head_module
from pipelines.store import claims as claims_module
from pipelines.store.claims import Claims
from pipelines.store.memory import Memory


def table(path: Path, wanted: str) -> Callable[[], int]:
    """What finds a sample of each prompt missing; each letter is one."""

    def find() -> int:
        rows = [{"id": p, "prompt_key": p, "indexes": [0]} for p in wanted]
        schema = {"id": pl.String, "prompt_key": pl.String, "indexes": pl.List(pl.Int32)}
        pl.DataFrame(rows, schema=schema).write_parquet(path)
        return len(wanted)

    return find


def claims(address: str) -> Claims:
    log = working_copy(address).root / "log" / "completions"
    log.mkdir(parents=True, exist_ok=True)
    return Claims(log, Memory())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"BEAT": 0.2, "LEASE": 1.0, "LOOK_SECONDS": 0.05}.items():
        monkeypatch.setattr(head_module, name, seconds)
    monkeypatch.setattr(claims_module, "POLL_SECONDS", 0.05)


def test_what_another_machine_claimed_is_left_to_it(tmp_path: Path, address: str) -> None:
    own, other = tmp_path / "own.parquet", tmp_path / "other.parquet"
    with claims(address).claim(own, table(own, "ab")) as mine:
        assert (mine.ours, mine.elsewhere) == (2, 0)
        with machine(tmp_path / "there"):
            with claims(address).claim(other, table(other, "bc")) as his:
                assert (his.ours, his.elsewhere) == (1, 1)
                assert pl.read_parquet(other)["prompt_key"].to_list() == ["c"]
            with claims(address).claim(other, table(other, "b")) as his:
                assert (his.ours, his.elsewhere, len(his.owners)) == (0, 1, 1)
    with machine(tmp_path / "there"):
        his.wait(lambda: pytest.fail("it waits for one who is done"))
        with claims(address).claim(other, table(other, "ab")) as his:
            assert (his.ours, his.elsewhere) == (2, 0)
    assert not [name for name in working_copy(address).objects.list("claims") if name != "door.json"]


def test_a_claim_of_a_dead_machine_ends_with_its_lease(tmp_path: Path, address: str) -> None:
    other = tmp_path / "other.parquet"
    objects = working_copy(address).objects
    claim = tmp_path / "claim-gone-1-x-y.parquet"
    pl.DataFrame({"prompt_key": ["b"]}).write_parquet(claim)
    head = head_module.Head(objects, f"claims/{claim.stem}.json")
    objects.send(f"claims/{claim.name}", claim)
    head.take("gone-1-x", "token")
    head._ended.set()
    head_module._HELD.discard("token")
    with claims(address).claim(other, table(other, "bc")) as his:
        assert (his.ours, his.elsewhere) == (2, 0)
    assert list(objects.list("claims")) == ["door.json"]
