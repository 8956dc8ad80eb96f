"""A build on Ray whose workspace lies in an object store, with workers that have working copies of their own.

`make test-slow` builds the whole quickstart so; `CURATE_QUICKSTART_ROWS=24` takes so many of its samples.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from clusters import released, write_recipe
from object_store import ObjectStore, use

from flows.cluster import connected
from flows.job import job_of
from pipelines.remote.places import cache_folder, place
from pipelines.store.release_seal import digest_of
from schemas.errors import StoreError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quiet_prefect")]
pytest.importorskip("prefect_ray")
OBJECTS = 80 << 20


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ObjectStore]:
    """The store; processes that start from here on have caches of their own."""
    server = ObjectStore()
    use(server, monkeypatch, tmp_path / "workers")
    yield server
    server.stop()


@pytest.fixture
def nodes(store: ObjectStore) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 1, "object_store_memory": OBJECTS, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield found, found.add_node(num_cpus=1, object_store_memory=OBJECTS)
    finally:
        found.shutdown()


def when(store: ObjectStore, bucket: str, start: str, do: Callable[[], object]) -> threading.Thread:
    """Do something as soon as there is an object whose key begins so."""

    def watch() -> None:
        while not store.keys(bucket, start):
            time.sleep(0.1)
        do()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rows", [int(os.environ.get("CURATE_QUICKSTART_ROWS", "0")) or None])
def test_the_quickstart_goes_on_without_a_node_and_without_its_store(
    nodes: Any, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int | None
) -> None:
    (cluster, second), bucket = nodes, store.bucket()
    recipe = {"name": "quickstart"} | ({} if rows is None else {"limit": rows})
    name, where = "quickstart" if rows is None else "quickstart.trial", f"s3://{bucket}/work"
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "mine"))
    with connected("ray", cluster.address, 1) as found:
        lost = when(store, bucket, f"work/builds/{name}/verify/rows", lambda: cluster.remove_node(second))
        away = when(store, bucket, f"work/builds/{name}/quality/record", store.stop)
        with pytest.raises(StoreError, match=r"cannot be reached .* Nothing is lost"):
            released(recipe, where, found)
        lost.join(60)
        away.join(60)
        assert len(cluster.worker_nodes) == 0
        store.start()
        before = answers(recipe, where)
        there = released(recipe, where, found)
    after = answers(recipe, where)
    assert before.height < after.height
    assert after.join(before, on=after.columns, how="semi").equals(before)  # nothing was lost, and nothing asked twice
    assert after["key"].is_unique().all()
    shutil.copytree(place(where) / "log", tmp_path / "here" / "log")
    assert released(recipe, tmp_path / "here", None, replay=True) == there
    here, away_ = (job_of(recipe, workspace).release for workspace in (str(tmp_path / "here"), where))
    assert here is not None
    assert away_ is not None
    assert digest_of(away_) == digest_of(here)


def answers(recipe: dict[str, Any], workspace: str) -> pl.DataFrame:
    """What the log holds, journals too."""
    log = job_of(recipe, workspace).build.log
    found = [log.scan().select("key", "text").collect(), log.journalled()]
    return pl.concat([table.select("key", "text") for table in found if table.width]).sort("key")


def test_a_node_removed_in_mid_step_costs_its_tasks_there_too(
    nodes: Any, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, (cluster, second) = tmp_path / "recipe", nodes
    recipe, bucket = write_recipe(own), store.bucket()
    expected = released(recipe, tmp_path / "here", None)
    (own / "wait").touch()
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"

    def remove() -> None:
        while not (own / f"at-{second.node_id}").exists():
            time.sleep(0.02)
        cluster.remove_node(second, allow_graceful=False)
        (own / "wait").unlink()

    killer = threading.Thread(target=remove, daemon=True)
    with connected("ray", cluster.address, 1) as found:
        killer.start()
        assert released(recipe, f"s3://{bucket}/work", found) == expected
        killer.join(60)
        assert len(cluster.worker_nodes) == 0
    assert list((tmp_path / "workers").glob("workspaces/*/builds/many/hurt/*.parquet"))
    assert store.keys(bucket, "work/heads/releases/many/v1.json")
