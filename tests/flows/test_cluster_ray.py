"""Buckets on a real Ray cluster: the same bytes as here, also where a node is removed in the middle, and no noise."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import released, write_recipe

from flows.cluster import connected
from schemas.errors import ConfigError

pytestmark = pytest.mark.usefixtures("quiet_prefect")
pytest.importorskip("prefect_ray")
STORE = 80 << 20


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes, of one CPU each: it, and the second of them."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # of the workers; `curate` sets it
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield found, found.add_node(num_cpus=1, object_store_memory=STORE)
    finally:
        found.shutdown()


def test_a_node_removed_in_mid_step_costs_its_tasks(nodes: Any, tmp_path: Path, capfd: Any) -> None:
    own, (cluster, second) = tmp_path / "recipe", nodes
    recipe = write_recipe(own)
    expected = released(recipe, tmp_path / "here", None)
    (own / "wait").touch()

    def remove() -> None:
        while not (own / f"at-{second.node_id}").exists():
            time.sleep(0.02)
        cluster.remove_node(second, allow_graceful=False)
        (own / "wait").unlink()

    killer = threading.Thread(target=remove, daemon=True)
    capfd.readouterr()
    with connected("ray", cluster.address, 1) as found:
        assert found is not None
        assert found.slots() == 2
        killer.start()
        assert released(recipe, tmp_path / "there", found) == expected
        killer.join(60)
        assert len(cluster.worker_nodes) == 0
    assert capfd.readouterr() == ("", "")


def test_who_is_no_cluster_is_a_sentence() -> None:
    with (
        pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:9 .*HOST:6379"),
        connected("ray", "127.0.0.1:9", 1),
    ):
        pass
