"""The failures log: nothing that servers refused is lost when its parts are joined."""

from pathlib import Path

from pipelines.store.completions import CompletionsLog
from schemas.completion import ModelIdentity


def test_joining_parts_loses_no_failure_after_a_kill_between_its_two_steps(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path)
    for prompt in ("a", "b"):
        with log.writer(ModelIdentity("m", "r", "t")) as writer:
            writer.unanswered(prompt, [0, 1], "gone")
    parts = {path: path.read_bytes() for path in (tmp_path / "failures").glob("part-*")}
    before = log.failures.scan().collect().sort("key")
    assert log.failures.join_parts(1 << 20) == len(parts) == 2
    for path, data in parts.items():  # the kill: the joined part is there, and the old ones still are
        path.write_bytes(data)
    assert log.failures.scan().collect().sort("key").equals(before), "those that are replaced are passed over"
    assert log.failures.join_parts(1 << 20) == 0 and len(log.failures.files.parts()) == 1
    assert log.failures.scan().collect().sort("key").equals(before) and before.height == 4
    assert log.failures.join_parts(1 << 20) == 0
