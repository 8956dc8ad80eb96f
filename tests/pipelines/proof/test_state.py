"""A run is kept whole or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.proof.state import State
from schemas.errors import ConfigError

RUNS = [{"arm": arm, "seed": seed, "holdout": "0110"} for seed in (0, 1) for arm in ("sft", "rl")]


def kept(folder: Path) -> State:
    state = State(folder)
    for run in RUNS:
        state.add(run)
    return state


@given(data=st.data())
def test_whatever_of_the_last_line_is_there_the_runs_before_it_are_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("state")
    state, path = kept(folder), folder / "runs.jsonl"
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    path.write_bytes(whole[: data.draw(st.integers(last, len(whole) - 2))])
    assert list(state.runs().values()) == RUNS[:-1]
    with state.held():
        state.add(RUNS[-1])
    assert path.read_bytes() == whole


def test_only_one_process_holds_a_proof(tmp_path: Path) -> None:
    with (
        State(tmp_path).held(),
        pytest.raises(ConfigError, match="being run by another process"),
        State(tmp_path).held(),
    ):
        pass
