# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Step types of one's own: from a file beside the recipe and from a real installed package."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from pipelines.recipe.document import Document
from pipelines.recipe.extensions import load_uses
from pipelines.recipe.typed import typed_steps
from schemas.errors import ConfigError

Load = Callable[..., Document]

CODE = '''\
"""A step type of one's own."""
from schemas.step import Gives, Out, Reads, StepConfig, StepType


class Config(StepConfig):
    words: int = 3


STEP = StepType(
    name="NAME",
    summary="Counts words.",
    version=4,
    config=Config,
    reads=lambda config, known: Reads(),
    gives=lambda config, known: Gives(),
    body=lambda tables, config, context: Out(),
)
'''


def test_a_step_type_cannot_be_named_like_a_folder(load: Load, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(CODE.replace("NAME", "../own"))
    with pytest.raises(ConfigError, match=r"r\.yaml:2: uses: 'own\.py' brings the step type '\.\./own'; a name has"):
        load_uses(load(f"name: tiny\nuses: [own.py]\n{SOURCES}steps: [verify]", whole=True, trust=True))


SOURCES = "sources: [{type: scenes, name: drawn}]\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution `curate-shouting` that offers `shout`, and `broken`, which cannot be imported."""
    site = tmp_path / "site"
    (site / "shouting").mkdir(parents=True)
    (site / "shouting" / "__init__.py").write_text("")
    (site / "shouting" / "steps.py").write_text(CODE.replace("NAME", "shout"))
    (site / "shouting" / "broken.py").write_text("raise RuntimeError('imported')")
    info = site / "curate_shouting-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: curate-shouting\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[curate.steps]\nshout = shouting.steps:STEP\nbroken = shouting.broken:STEP\nother = shouting.steps:STEP\n"
        "config = shouting.steps:Config\nabsent = shouting.steps:NOTHING\n"
    )
    empty = site / "nosteps-1.0.dist-info"
    empty.mkdir()
    (empty / "METADATA").write_text("Metadata-Version: 2.1\nName: nosteps\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    invalidate_caches()
    yield site
    for name in [name for name in sys.modules if name.partition(".")[0] == "shouting"]:
        del sys.modules[name]


def recipe(uses: str, *types: str) -> str:
    steps = "".join(f"- {type_}\n" for type_ in types)
    return f"name: t\nsources: [{{type: scenes, name: a}}]\nuses: {uses}\nsteps:\n{steps}"


def told(load: Load, folder: Path, text: str, **options: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_uses(load(text, whole=True, trust=True), **options)  # type: ignore[arg-type]
    return str(caught.value).replace(f"{folder}/", "")


def test_a_file_beside_the_recipe_brings_its_step_types(load: Load, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(CODE.replace("NAME", "count"))
    document = load(recipe("[my.py]", "count: {words: 5}"), whole=True, trust=True)
    found = load_uses(document)
    assert list(found) == ["count"]
    (step,) = typed_steps(document, found)
    assert step.config.model_dump(include={"words"}) == {"words": 5}
    assert type(step.config).__module__.startswith("_curate_uses_")


def test_the_version_of_a_file_is_its_hash(load: Load, tmp_path: Path) -> None:
    versions = []
    for code in (CODE, CODE, CODE + "# edited\n"):
        (tmp_path / "my.py").write_text(code.replace("NAME", "count"))
        versions.append(load_uses(load(recipe("[my.py]", "count"), whole=True, trust=True))["count"].version)
    first = hashlib.sha256(CODE.replace("NAME", "count").encode()).hexdigest()
    assert versions[0] == versions[1] == int(first[:15], 16)
    assert versions[2] != versions[0]


def test_a_file_is_run_once_a_version(load: Load, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(
        f"with open({str(tmp_path / 'runs')!r}, 'a') as f:\n    f.write('x')\n" + CODE.replace("NAME", "once")
    )
    for _ in range(3):
        load_uses(load(recipe("[my.py]", "once"), whole=True, trust=True))
    assert (tmp_path / "runs").read_text() == "x"


def test_nothing_is_run_without_trust(load: Load, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ConfigError, match=r"this recipe runs code of its own \(my\.py\)"):
        load(recipe("[my.py]", "count"), whole=True)
    load(recipe("[my.py]", "count"), whole=True, trust=True)
    assert not (tmp_path / "ran").exists()


def test_a_package_brings_the_types_that_the_recipe_names(load: Load, package: Path) -> None:
    found = load_uses(load(recipe("[curate-shouting]", "shout"), whole=True, trust=True))
    assert {name: step.version for name, step in found.items()} == {"shout": 4}
    assert "shouting.broken" not in sys.modules
    assert load_uses(load(recipe("[curate_shouting]", "verify"), whole=True, trust=True)) == {}
    assert "shouting.steps" in sys.modules


@pytest.mark.parametrize(
    ("uses", "type_", "sentence"),
    [
        ("[curate-shoutin]", "shout", "r.yaml:3: uses: no package 'curate-shoutin' is installed. Did you mean 'curate-shouting'?"),
        ("[zzz-no-such]", "shout", "r.yaml:3: uses: no package 'zzz-no-such' is installed. Install it with: pip install zzz-no-such"),
        ("[./zzz]", "shout", "r.yaml:3: uses: no package './zzz' is installed. Name an installed package, or a file that ends in .py."),
        ("[nosteps]", "shout", "r.yaml:3: uses: the package 'nosteps' offers no step types (entry points of the group curate.steps)."),
        ("[curate-shouting]", "broken", "r.yaml:3: uses: 'curate-shouting' could not be imported: RuntimeError: imported."),
        ("[curate-shouting]", "absent", "r.yaml:3: uses: 'curate-shouting' could not be imported: AttributeError: module 'shouting.steps' has no attribute 'NOTHING'."),
        ("[curate-shouting]", "other", "r.yaml:3: uses: 'curate-shouting': the entry point 'other' holds a step type of another name, 'shout'."),
        ("[curate-shouting]", "config", "r.yaml:3: uses: 'curate-shouting': the entry point 'config' (shouting.steps:Config) is no StepType."),
        ("[no.py]", "a", "r.yaml:3: uses: 'no.py' cannot be read: no such file or directory."),
        ("[empty.py]", "a", "r.yaml:3: uses: 'empty.py' holds no StepType; a step type is a variable of the file."),
        ("[exit.py]", "a", "r.yaml:3: uses: 'exit.py' could not be imported: SystemExit: 3."),
        ("[syntax.py]", "a", "r.yaml:3: uses: 'syntax.py' could not be imported: SyntaxError: invalid syntax (syntax.py, line 1)."),
        ("[helper.py]", "a", "r.yaml:3: uses: 'helper.py' could not be imported: ModuleNotFoundError: No module named 'empty'."),
        ("[my.py]", "verify", "r.yaml:3: uses: 'my.py' brings the step type 'verify', which is there already."),
        ("[mine.py, again.py]", "mine", "r.yaml:3: uses: 'again.py' brings the step type 'mine', which is there already."),
    ],
)  # fmt: skip
def test_code_that_cannot_be_used_is_one_sentence(
    load: Load, tmp_path: Path, package: Path, uses: str, type_: str, sentence: str
) -> None:
    for name, code in {
        "empty.py": "", "exit.py": "raise SystemExit(3)", "syntax.py": "a b", "helper.py": "import empty",
        "my.py": CODE.replace("NAME", "verify"), "mine.py": CODE.replace("NAME", "mine"),
        "again.py": CODE.replace("NAME", "mine") + "\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(code)
    assert told(load, tmp_path, recipe(uses, type_), known={"verify"}) == sentence
