"""Buckets on a real Ray cluster: the same bytes as here, also where a node is removed in the middle, and no noise."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clusters import released, write_recipe

from flows.cluster import connected
from schemas.errors import ConfigError

pytestmark = pytest.mark.usefixtures("quiet_prefect")
pytest.importorskip("prefect_ray")
STORE = 80 << 20


@contextmanager
def two_nodes(*caches: Path) -> Iterator[Any]:
    """A cluster of two nodes, of one CPU each, with folders of caches of their own: it, and the second of them."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # of the workers; `curate` sets it
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    size: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_CACHE", str(caches[0]) if caches else "")
        found = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
        patch.setenv("CURATE_CACHE", str(caches[1]) if caches else "")
        second = found.add_node(**size)
    try:
        yield found, second
    finally:
        found.shutdown()


@contextmanager
def removing(cluster: Any, node: Any, own: Path) -> Iterator[None]:
    """Remove a node of a cluster once it computes a bucket of the recipe in `own`."""
    (own / "wait").touch()

    def remove() -> None:
        while not (own / f"at-{node.node_id}").exists():
            time.sleep(0.02)
        cluster.remove_node(node, allow_graceful=False)
        (own / "wait").unlink()

    killer = threading.Thread(target=remove, daemon=True)
    killer.start()
    yield
    killer.join(60)
    assert len(cluster.worker_nodes) == 0


@pytest.mark.slow
def test_a_node_removed_in_mid_step_costs_its_tasks(tmp_path: Path, capfd: Any) -> None:
    own = tmp_path / "recipe"
    recipe = write_recipe(own)
    expected = released(recipe, tmp_path / "here", None)
    with two_nodes() as (cluster, second):
        capfd.readouterr()
        with connected("ray", cluster.address, 1) as found, removing(cluster, second, own):
            assert found is not None
            assert found.slots() == 2
            assert released(recipe, tmp_path / "there", found) == expected
        assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_workspace_in_an_object_store_is_built_by_two_nodes_of_which_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One works in the folder of the flow; the other has a working copy of its own, and knows what the store holds."""
    pytest.importorskip("moto")
    from object_store import ObjectStore, use

    own = tmp_path / "recipe"
    recipe, store = write_recipe(own), ObjectStore()
    expected = released(recipe, tmp_path / "here", None)
    use(store, monkeypatch, tmp_path / "cache")
    try:
        with (
            two_nodes(tmp_path / "cache", tmp_path / "other") as (cluster, second),
            connected("ray", cluster.address, 1) as found,
            removing(cluster, second, own),
        ):
            assert released(recipe, f"s3://{store.bucket()}/ours", found) == expected
    finally:
        store.stop()
    assert all(any((tmp_path / name).rglob("*.parquet")) for name in ("cache", "other"))


def test_who_is_no_cluster_is_a_sentence() -> None:
    with (
        pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:9 .*HOST:6379"),
        connected("ray", "127.0.0.1:9", 1),
    ):
        pass
