"""The system may refuse any operation on a file, at any moment of a build: that is one sentence or no harm, and the same
command then ends as if nothing had been."""

import errno
import itertools
from pathlib import Path

import pytest
from doors import fails_at, watched, watched_writes
from recipe_build import sums, write_recipe
from scripted_engine import MODEL, Scripted, question_of
from tiny import digests

from pipelines.job import Job, compile_recipe, open_job
from schemas.completion import Request
from schemas.errors import CurateError

CODES = (
    errno.EMFILE, errno.ENFILE, errno.ENOLCK, errno.ESTALE, errno.EIO, errno.EDQUOT, errno.ENOSPC, errno.EACCES,
)  # fmt: skip
STEPS = [
    {"rollout": {"model": "m", "n": 2, "sampling": {"temperature": 1.0, "max_tokens": 8}}},
    {"verify": {"of": "rollout"}},
    "difficulty",
    {"release": {"rl": {"of": "sample"}, "allow_empty": ["rl"]}},
]


def says(request: Request, index: int) -> str:
    return f"\\boxed{{{len(question_of(request)) + index}}}"


def job(folder: Path, out: str) -> Job:
    recipe = folder / "recipe.yaml"
    if not recipe.exists():
        models = {"m": {"model": MODEL.model, "engine": "transformers"}}
        write_recipe(folder, STEPS, sums(3), models=models, driver={"workers": 1})
    return open_job(compile_recipe(str(recipe)), folder / out)


def released(found: Job) -> dict[str, str]:
    assert found.release is not None
    return digests(found.release)


@pytest.fixture
def undisturbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], int]:
    """What a build releases that nobody disturbs, and the operations that it takes."""
    Scripted(says).install(monkeypatch)
    whole = job(tmp_path, "whole")
    with watched(tmp_path / "whole", lambda *_: None) as count:
        whole.run()
    return released(whole), count[0]


def law(folder: Path, whole: dict[str, str], number: int, code: int) -> bool:
    """Whether the build was disturbed; what must hold then."""
    out = f"out-{number}-{code}"
    told = False
    try:
        with watched(folder / out, fails_at(number, code)):
            job(folder, out).run()
    except CurateError as error:
        told = True
        assert "\n" not in str(error)
    again = job(folder, out)
    again.run()
    assert released(again) == whole, (number, errno.errorcode[code])
    return told


def test_any_operation_may_fail(tmp_path: Path, undisturbed: tuple[dict[str, str], int]) -> None:
    whole, operations = undisturbed
    moments = range(1, operations + 1, operations // 5)
    told = [law(tmp_path, whole, n, code) for n, code in zip(moments, itertools.cycle(CODES), strict=False)]
    assert any(told)


def test_any_write_and_any_sync_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was not synced never gets its name, and an answer that was not is in a part, or asked again."""
    Scripted(says).install(monkeypatch)
    whole = job(tmp_path, "whole")
    with watched_writes(tmp_path / "whole", lambda *_: None) as count:
        whole.run()
    told = 0
    for number in range(1, count[0] + 1, count[0] // 3):
        code, out = (errno.EIO, errno.ENOSPC, errno.EDQUOT)[number % 3], f"out-{number}"
        try:
            with watched_writes(tmp_path / out, fails_at(number, code)):
                job(tmp_path, out).run()
        except CurateError as error:
            told += 1
            assert "\n" not in str(error)
        again = job(tmp_path, out)
        again.run()
        assert released(again) == released(whole), (number, errno.errorcode[code])
    assert told >= 3, "a failed write or sync is told"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_operation_may_fail(tmp_path: Path, undisturbed: tuple[dict[str, str], int]) -> None:
    whole, operations = undisturbed
    told = sum(law(tmp_path, whole, n, CODES[n % len(CODES)]) for n in range(1, operations + 1))
    print(f"{operations} operations, {told} told in a sentence, the others without harm")  # noqa: T201
    assert told
