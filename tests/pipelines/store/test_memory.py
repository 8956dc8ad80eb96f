"""The budget comes from the machine or from the recipe, and says what DuckDB may take."""

from pathlib import Path

import pytest

from pipelines.run.driver_config import DriverConfig
from pipelines.store import memory
from pipelines.store.memory import Memory, free_memory, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 << 30), ("512MiB", 512 << 20), ("1.5 g", 3 << 29), ("64mb", 64 << 20), ("100000000", 100_000_000)],
)
def test_sizes_are_written_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert DriverConfig.model_validate({"memory": text}).memory == size


@pytest.mark.parametrize("text", ["much", "4 gigs", "-1GB", "1MB", "GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"4GB|greater than or equal"):
        DriverConfig.model_validate({"memory": text})


def test_a_control_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of nested groups the tightest one decides; what files take in it could be dropped."""
    own = Path(Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()[-1].split(":", 2)[2].lstrip("/"))
    if Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()[-1][0] != "0":
        pytest.skip("no control groups of version 2 here")
    group = tmp_path / own
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{300 << 20}\n")
    (group / "memory.current").write_text(f"{200 << 20}\n")
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {50 << 20}\n")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    assert free_memory() == 150 << 20
    (group / "memory.max").write_text("max\n")
    assert free_memory() > 150 << 20


def test_threads_and_processes_follow_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 threads with buffers of their own would take a small budget whole."""
    monkeypatch.setattr(memory, "cores", lambda: 64)
    assert Memory(64 << 20).threads == 1
    assert [Memory(size << 30).processes for size in (0, 1, 4, 64)] == [1, 4, 16, 64]
    assert Memory(2 << 30).threads == 8
    assert Memory(64 << 30).threads == 64
    assert Memory(1 << 40).piece <= 256 << 20
