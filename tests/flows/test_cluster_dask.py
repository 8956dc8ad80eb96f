"""Buckets on a real Dask cluster: the same bytes as here, also where a worker is killed in the middle, and no noise."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import released, write_recipe

from flows import cluster_dask, worker_facts
from flows.cluster import connected
from flows.runners import check_runner
from schemas.errors import ConfigError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("quiet_prefect")
pytest.importorskip("prefect_dask")


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """A scheduler with two workers of one thread."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # of the workers; `curate` sets it
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as found:
        yield found


def test_a_worker_killed_in_mid_step_costs_its_task(local: Any, tmp_path: Path, capfd: Any) -> None:
    recipe = write_recipe(tmp_path / "recipe")
    expected = released(recipe, tmp_path / "here", None)
    (tmp_path / "recipe" / "kill").touch()
    capfd.readouterr()
    with connected("dask", local.scheduler_address, 1) as cluster:
        assert cluster is not None
        assert cluster.slots() == 2
        assert released(recipe, tmp_path / "there", cluster) == expected
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "recipe" / "kill").exists()
    assert len(list((tmp_path / "recipe").glob("ran-*"))) > 1, "the killed one, and who did its task"


def test_who_is_no_scheduler_is_a_sentence() -> None:
    with (
        pytest.raises(ConfigError, match=r"no Dask cluster answers at 127\.0\.0\.1:9 .*tcp://HOST:8786"),
        connected("dask", "tcp://127.0.0.1:9", 1),
    ):
        pass


@pytest.mark.parametrize("runner", ["dask", "ray"])
@pytest.mark.parametrize(
    "address",
    ["tcp://me:s3cret@127.0.0.1:9", "me:s3cret@127.0.0.1:9", "127.0.0.1:9?t=s3cret", "tcp://me:s3cret@[::", "s3cret@"],
)
def test_a_secret_in_an_address_is_not_shown(runner: str, address: str) -> None:
    pytest.importorskip(f"prefect_{runner}")
    with pytest.raises(ConfigError) as raised, connected(runner, address, 1):
        pass
    assert "s3cret" not in str(raised.value)
    with pytest.raises(ConfigError) as raised:
        check_runner("dask", f"ray://{address}")
    assert "s3cret" not in str(raised.value)


def test_workers_of_another_kind_are_a_sentence(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = worker_facts.facts()
    monkeypatch.setattr(cluster_dask, "facts", lambda *api: {**ours, "api": None} if api else {**ours, "python": "2.7"})
    with (
        pytest.raises(ConfigError, match=r"has Python \d.* and this machine Python 2\.7"),
        connected("dask", local.scheduler_address, 1),
    ):
        pass
