"""Exports as environments: a task of inspect_ai and a package for verifiers, which ask and score as the build did."""

import ast
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tiny
from chat_server import ChatServer, saying
from sealing import resealed
from vlm_server import VlmServer

from filters.verify.form import well_formed
from filters.verify.pool import VerifierPool
from filters.verify.step import judged
from pipelines.export.catalogue import exporter_of
from pipelines.export.rows import open_release, read_row
from pipelines.export.shipped_code import reward_package
from pipelines.export.verifiers_package import module_of
from pipelines.export.write import export

BOTH = ("inspect", "verifiers")
ROOT = Path(__file__).parents[3]
ENVIRONMENTS = Path(os.environ.get("CURATE_TRAINERS", ROOT / ".venv-trainers"))
Stored = Callable[[Path, str], list[dict[str, Any]]]
Lines = Callable[[Path], list[dict[str, Any]]]


def made(release: Path, name: str, target: Path) -> Path:
    export(open_release(str(release), Path()), exporter_of(name), target)
    return target


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("config", ["rl", "holdout", "sft", "preference"])
def test_every_config_is_asked_as_it_was_measured(
    make_release: Callable[..., Path], stored: Stored, lines: Lines, name: str, config: str, tmp_path: Path
) -> None:
    release = make_release(system="Answer in <answer>, not in <image>.")
    home = made(release, name, tmp_path / "out")
    for row, source in zip(lines(home / f"{config}.jsonl"), stored(release, config), strict=True):
        assert row["id"] == source["id"] and row["system"] == source["prompt"][0]["content"]
        texts = [part["text"] for part in row["content"] if part["type"] == "text"]
        assert texts == [source["prompt"][1]["content"]], "to the letter: in messages of parts nothing reads as a mark"
        shown = [(home / part["image"]).read_bytes() for part in row["content"] if part["type"] == "image"]
        assert shown == [image.data for image in read_row(source).images]
        assert row["solution"] == json.loads(source["answer"])["raw"]
        assert json.loads(row["ground_truth"])["answer"] == json.loads(source["answer"])


def functions_of(code: Path, home: Path) -> dict[str, Any]:
    """What an environment's code defines that needs nothing of its project."""
    tree = ast.parse(code.read_text("utf-8"))
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_rows"]
    names = ("CONFIGS", "DEFAULT")
    wanted = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) in names] + wanted
    found: dict[str, Any] = {"HERE": str(home), "Path": Path, "json": json}
    exec(compile(ast.Module(wanted, []), str(code), "exec"), found)  # noqa: S102 - code that we have just written
    return found


@pytest.mark.parametrize(("name", "code"), [("inspect", "task.py"), ("verifiers", "__init__.py")])
def test_a_config_has_its_name_in_the_release_too_and_the_page_names_what_is_there(
    make_release: Callable[..., Path], name: str, code: str, tmp_path: Path
) -> None:
    release = make_release()
    (release / "holdout").rename(release / "hard")
    resealed(release)
    home = made(release, name, tmp_path / "out")
    rows = functions_of(home / code, home)["_rows"]
    assert list(rows("hard")) == list(rows("rl_hard")) != []
    page = (home / "README.md").read_text("utf-8")
    assert "config holdout" not in page and "`holdout` unless" not in page
    assert 0 < page.index("pip install") < page.index("vf-eval" if name == "verifiers" else "bash rl.sh")


CODE = [("inspect", "task.py", "holdout"), ("verifiers", "__init__.py", "rl")]


@pytest.mark.parametrize(("name", "code", "default"), CODE)
def test_a_prompt_of_several_rows_is_asked_once_and_a_config_that_there_is_not_is_a_sentence(
    shapes: Path, name: str, code: str, default: str, tmp_path: Path
) -> None:
    home = made(shapes, name, tmp_path / "out")
    twice = (home / "sft.jsonl").read_text("utf-8")
    (home / "sft.jsonl").write_text(twice + twice, "utf-8")
    found = functions_of(home / code, home)
    assert found["DEFAULT"] == default and found["CONFIGS"] == ("holdout", "preference", "rl", "sft")
    rows = list(found["_rows"]("sft"))
    assert [row["id"] for row in rows] == [json.loads(line)["id"] for line in twice.splitlines()]
    with pytest.raises(ValueError, match="there is no config 'cold' here; there are holdout, preference, rl, sft"):
        next(found["_rows"]("cold"))


@pytest.mark.parametrize(("label", "module"), [("quickstart/v1", "quickstart"), ("My-Set.2/v12", "my_set_2")])
def test_the_name_of_a_package_is_one_that_python_imports(label: str, module: str) -> None:
    assert module_of(label) == f"curate_{module}" and module_of(label).isidentifier()


def wheel(home: Path, out: Path) -> Path:
    """What `pip install` makes of the export, without an environment of its own for it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=home)
    return next(out.glob("*.whl"))


def test_verifiers_installs_the_export_as_a_package(shapes: Path, tmp_path: Path) -> None:
    home = made(shapes, "verifiers", tmp_path / "out")
    project = tomllib.loads((home / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["version"]) == ("curate-shapes", "1")
    assert set((home / "requirements.txt").read_text().split()) < set(project["dependencies"])
    names = zipfile.ZipFile(wheel(home, tmp_path / "dist")).namelist()
    inside = {name.split("/")[1] for name in names if name.startswith("curate_shapes/")}
    rows = {f"{config}.jsonl" for config in ("rl", "holdout", "sft", "preference")}
    assert inside == {"__init__.py", "requirements.txt", "images", reward_package(), *rows}
    images = {path.relative_to(home).as_posix() for path in (home / "images").rglob("*.png")}
    assert {f"curate_shapes/{path}" for path in images} < set(names)


def test_what_training_with_verifiers_starts_from_names_the_package(shapes: Path, tmp_path: Path) -> None:
    """The keys are those of PrimeIntellect-ai/prime-rl 559b4477, configs/basic/reverse-text/rl.toml and docs/advanced.md."""
    home = made(shapes, "verifiers", tmp_path / "out")
    training = tomllib.loads((home / "rl.toml").read_text("utf-8"))
    for side, config in (("train", "rl"), ("eval", "holdout")):
        source = training["orchestrator"][side]["source"][0]
        assert source["env"]["taskset"] == {"id": "curate-shapes", "config": config}
    assert training["model"]["vlm"]["vision_encoder_attr"] == "model.visual"
    evaluation = tomllib.loads((home / "holdout.toml").read_text("utf-8"))
    assert evaluation["env"]["taskset"] == {"id": "curate-shapes", "config": "holdout"}


def run(name: str, release: Path, config: str, url: str, folder: Path) -> Any:
    """A model behind `url`, evaluated by the project itself on its export of a release."""
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing; `make test-trainers` makes it")
    home = made(release, name, folder / name)
    script = Path(__file__).parent / "loaders" / f"in_{name}.py"
    environment = {**os.environ, "HOME": str(folder), "NO_PROXY": "127.0.0.1"}
    environment.pop("PYTHONPATH", None)
    if name == "verifiers":
        zipfile.ZipFile(wheel(home, folder / "dist")).extractall(folder / "site")
        environment["PYTHONPATH"] = str(folder / "site")
    command = [str(python), str(script), str(home), config, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def verdicts(rows: list[dict[str, Any]], replies: dict[str, str]) -> dict[str, tuple[float, bool]]:
    """Score and layout of replies to a release's rows as the steps of a build find them."""
    found: dict[str, tuple[float, bool]] = {}
    with VerifierPool(workers=1) as pool:
        for row in rows:
            gold = json.loads(row["answer"])
            facts = {
                "id": [row["id"]],
                "response": [replies[row["id"]]],
                "finish_reason": ["stop"],
                "answer": [{"kind": gold["kind"], "raw": gold["raw"], "parsed": row["answer"]}],
                "verifier": [{"id": row["verifier"], "params": row["verifier_params"] or "{}"}],
                "options": [row["options"] or []],
            }
            told = judged(pl.DataFrame(facts), pool, row["tags"])
            found[row["id"]] = told["score"][0], well_formed([replies[row["id"]]], row["tags"])[0]
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose rows the reference VLM was measured on."""
    folder = tmp_path_factory.mktemp("environments")
    tiny.write_source(folder, 30)
    return tiny.release(tiny.built(folder))


@pytest.fixture(scope="module")
def vlm() -> Iterator[VlmServer]:
    with VlmServer() as server:
        yield server


@pytest.mark.trainers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("config", ["rl", "holdout"])
def test_the_reference_vlm_is_scored_as_a_build_scores_it(
    measured: Path, stored: Stored, vlm: VlmServer, name: str, config: str, tmp_path: Path
) -> None:
    found = run(name, measured, config, vlm.url, tmp_path)
    rows = stored(measured, config)
    wanted = verdicts(rows, {row["id"]: row["reply"] for row in found["rows"]})
    assert {row["id"]: (row["scores"]["accuracy"], bool(row["scores"]["format"])) for row in found["rows"]} == wanted
    scores = [score for score, _ in wanted.values()]
    assert 0 < sum(scores) < len(scores) or config == "holdout", "some right, some wrong"
    if name == "inspect":
        assert found["means"]["accuracy"] == pytest.approx(sum(scores) / len(scores))


LAST = 5
"""The row whose reply has its thought behind its answer."""


@pytest.mark.trainers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BOTH)
def test_replies_with_thoughts_are_scored_whole(
    make_release: Callable[..., Path], stored: Stored, name: str, tmp_path: Path
) -> None:
    """Thoughts in the text, thoughts in a field of the server, none, one behind its answer, and wrong answers; one image,
    several, none: each is scored as a trainer scores it."""
    release = make_release(system="Think, then answer.")
    rows = stored(release, "holdout")
    golds = {row["prompt"][1]["content"]: json.loads(row["answer"])["raw"] for row in rows}

    def speak(prompt: str) -> dict[str, Any]:
        turns = json.loads(prompt)
        asked = next(part["text"] for part in turns[-1]["content"] if part["type"] == "text")
        gold, row = golds[asked], list(golds).index(asked)
        place = row % 4
        if row == LAST:
            return {"content": f"<answer>\\boxed{{{gold}}}</answer><think>\n {gold}</think>"}
        answer = f"<answer>\\boxed{{{gold if place else 'seventeen'}}}</answer>"
        if place == 1:
            return {"content": answer, "reasoning_content": "so it is"}
        return {"content": answer if place == 2 else f"<think>{gold}</think>\n{answer}"}

    with ChatServer(saying(speak)) as server:
        found = run(name, release, "holdout", server.url, tmp_path)
        asked = {json.dumps(call["messages"]): call for call in server.calls}
    assert len(asked) == len(rows) and all(json.loads(turns)[0]["role"] == "system" for turns in asked)
    targets = {row["id"]: golds[row["prompt"][1]["content"]] for row in rows}
    assert {row["id"]: row["target"] for row in found["rows"]} == targets
    scores = {row["id"]: row["scores"] for row in found["rows"]}
    for place, row in enumerate(rows[:LAST]):
        assert scores[row["id"]] == {"accuracy": float(place % 4 != 0), "format": float(place % 4 != 2)}
    behind = f"<answer>\\boxed{{{golds[rows[LAST]['prompt'][1]['content']]}}}</answer><think>\n "
    replies = {row["id"]: row["reply"] for row in found["rows"]}
    assert name != "inspect" or replies[rows[LAST]["id"]].startswith(behind)
    [(accuracy, _)] = verdicts([rows[LAST]], replies).values()
    assert scores[rows[LAST]["id"]] == {"accuracy": accuracy, "format": 0.0}
    if name == "verifiers":
        assert found["types"] == ["CurateEnv", "CurateTaskset", "SubprocessConfig"]
        assert found["rows"][0]["weights"] == {"accuracy": 1.0, "format": 0.0}
        images = {row["id"]: len(row["images"]) + 1 for row in rows}
        assert found["asked"] == {id_: [parts, "Think, then answer."] for id_, parts in images.items()}
