"""A claim counts while its owner lives, and nobody gets what another has claimed."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest
from flips import SLOW, in_turn
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.claims import Claims
from pipelines.store.memory import Memory

HOLDER = """
import sys, time
from pathlib import Path
from pipelines.store.claims import Claims
from pipelines.store.journal import Journal
from pipelines.store.memory import Memory

with Claims(Path(sys.argv[1]), Memory()).claim(Path(sys.argv[2]), lambda: 1) as claimed:
    print(claimed.ours, flush=True)
    time.sleep(600)
"""


def table(path: Path, wanted: dict[str, int]) -> Callable[[], int]:
    """What finds so many samples of each prompt missing."""

    def find() -> int:
        rows = [{"id": p, "prompt_key": p, "indexes": list(range(n))} for p, n in sorted(wanted.items())]
        schema = {"id": pl.String, "prompt_key": pl.String, "indexes": pl.List(pl.Int32)}
        pl.DataFrame(rows, schema=schema).write_parquet(path)
        return sum(wanted.values())

    return find


def prompts(path: Path) -> set[str]:
    return set(pl.read_parquet(path)["prompt_key"])


def test_what_another_claimed_is_left_to_him(tmp_path: Path) -> None:
    log, own, other = Claims(tmp_path / "log", Memory()), tmp_path / "own.parquet", tmp_path / "other.parquet"
    with log.claim(own, table(own, {"a": 2, "b": 1})) as mine:
        assert (mine.ours, mine.elsewhere, mine.owners) == (3, 0, ())
        with log.claim(other, table(other, {"b": 4, "c": 1})) as his:
            assert (his.ours, his.elsewhere) == (1, 4)
            assert (prompts(other), prompts(his.rest)) == ({"c"}, {"b"})
            assert len(his.owners) == 1
    with log.claim(own, table(own, {"a": 2, "b": 1, "c": 1})) as again:
        assert (again.ours, again.owners) == (4, ())
    assert not list((tmp_path / "log").rglob("claim-*"))


def test_a_claim_ends_with_its_owner(tmp_path: Path) -> None:
    own = tmp_path / "own.parquet"
    table(tmp_path / "his.parquet", {"a": 1})()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "log"), str(tmp_path / "his.parquet")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "1\n"
    log, find = Claims(tmp_path / "log", Memory()), table(own, {"a": 3})
    with log.claim(own, find) as left:
        assert (left.ours, left.elsewhere) == (0, 3)
    heard: list[int] = []

    def kill() -> None:
        holder.kill()
        heard.append(holder.wait())

    left.wait(kill)
    assert heard
    with log.claim(own, find) as mine:
        assert (mine.ours, mine.elsewhere) == (3, 0)
        assert len(list((tmp_path / "log" / "claims").glob("claim-*"))) == 1, "that of the dead is gone"
    holder.communicate()


def test_a_journal_that_the_dying_still_hold_is_waited_for(tmp_path: Path) -> None:
    """The kernel lets go of a claim before it lets go of the journal: what that holds is not missing."""
    own, journal = tmp_path / "own.parquet", tmp_path / "log" / "journal-1-x.jsonl"
    journal.parent.mkdir()
    journal.write_text("")
    log, find = Claims(tmp_path / "log", Memory()), table(own, {"a": 1})
    with journal.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with log.claim(own, find) as none:
            assert (none.ours, none.elsewhere, none.owners) == (0, 0, (journal,))
            assert not own.exists()
    with log.claim(own, find) as mine:
        assert (mine.ours, mine.owners) == (1, ())


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 3)), max_size=4))
@settings(max_examples=20, deadline=None)
def test_no_prompt_is_claimed_twice_and_none_by_nobody(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[dict[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("claims")
    log, got = Claims(folder / "log", Memory()), list[str]()
    with ExitStack() as stack:
        for number, one in enumerate(wanted):
            path = folder / f"missing-{number}.parquet"
            claimed = stack.enter_context(log.claim(path, table(path, one)))
            ours = prompts(path) if one else set()
            got += ours
            assert claimed.ours == sum(one[p] for p in ours)
            assert claimed.elsewhere == sum(one[p] for p in set(one) - ours)
    assert sorted(got) == sorted(set().union(*wanted))


def check_flips(folder: Path, number: int) -> None:
    """A claim that is damaged keeps others from asking, as long as its owner lives: nothing is paid twice."""
    log, own, other = Claims(folder / "log", Memory()), folder / "own.parquet", folder / "other.parquet"
    with log.claim(own, table(own, {"a": 2, "b": 1})) as mine:
        assert mine.ours == 3
        [path] = (folder / "log" / "claims").glob("claim-*")
        for _ in in_turn([path], number, "claim", "claim"):
            with log.claim(other, table(other, {"b": 1, "c": 1})) as his:
                assert (his.ours, his.elsewhere, his.owners) == (0, 2, (path,))
        with log.claim(other, table(other, {"b": 1, "c": 1})) as his:
            assert (his.ours, his.elsewhere) == (1, 1)
    with log.claim(other, table(other, {"b": 1, "c": 1})) as his:
        assert (his.ours, his.elsewhere) == (2, 0)


def test_a_flipped_bit_of_a_claim_makes_nobody_ask_twice(tmp_path: Path) -> None:
    check_flips(tmp_path, 5)


@pytest.mark.slow
def test_hundreds_of_flipped_bits_of_a_claim_make_nobody_ask_twice(tmp_path: Path) -> None:
    check_flips(tmp_path, SLOW["claim"])
