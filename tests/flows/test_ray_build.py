"""Whole builds whose models answer in replicas on a real cluster of two nodes: the release is that of one process."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from ray_cluster import two_nodes

from pipelines.job import Job

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

ROWS = 24
RAY = ("models.vlm.engine=ray", "models.vlm.ray={engine: transformers}", "models.vlm.concurrency=8")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The build in one process."""
    folder = tmp_path_factory.mktemp("alone")
    tiny.write_source(folder, ROWS)
    return tiny.built(folder)


def source_of(job: Job) -> Path:
    return Path(job.build.workspace.root).parent


def processes() -> list[int]:
    """The replicas on this machine."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"ray::EngineActor" in title:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_release_is_the_same_for_any_number_of_replicas(
    cluster: Any, alone: Job, tmp_path: Path, replicas: int
) -> None:
    job = tiny.built(source_of(alone), *RAY, f"models.vlm.ray.replicas={replicas}", out=tmp_path)
    assert tiny.digests(tiny.release(job)) == tiny.digests(tiny.release(alone))


def test_answers_of_one_process_are_found_by_replicas_and_the_other_way_round(alone: Job) -> None:
    """In a replay, which would fail where one is missing; no cluster is joined."""
    again = tiny.job(source_of(alone), *RAY, replay=True)
    again.run()
    assert sum(tiny.asked(again).values()) == 0


def test_a_killed_replica_and_a_node_that_leaves_cost_nothing(cluster: Any, alone: Job, tmp_path: Path) -> None:
    """A replica dies while one step asks, a node is removed while the next does."""
    node, lost = cluster.add_node(num_cpus=1), list[str]()

    def disturb(step: str, receipt: Any) -> None:
        if step not in ("distill", "rollout") or step in lost or receipt.in_flight < 3:
            return
        lost.append(step)
        if step == "distill":
            os.kill(processes()[0], signal.SIGKILL)
        else:
            threading.Thread(target=cluster.remove_node, args=(node,)).start()

    changed = (*RAY, "models.vlm.ray.replicas={min: 1, max: 3}")
    job = tiny.job(source_of(alone), *changed, out=tmp_path, progress=disturb)
    job.run()
    assert lost == ["distill", "rollout"]
    assert tiny.digests(tiny.release(job)) == tiny.digests(tiny.release(alone))
    assert tiny.logged(tmp_path) == tiny.logged(alone.build.workspace.root)
