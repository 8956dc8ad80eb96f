"""A build on Ray whose workspace lies in an object store, with workers that have working copies of their own."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import released, write_recipe
from object_store import ObjectStore, use

from flows.cluster import connected
from pipelines.remote.places import cache_folder

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
