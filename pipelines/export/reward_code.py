"""The reward that goes with an export: our verifier itself, copied beside the file that the trainer imports.

`curate` is an application in an environment of its own and is on no index, so a trainer's environment can neither depend
on it nor have a version of it that differs from the release's. Therefore the export carries the code: the reward and what
it imports, about fifty small files that need pydantic, and math-verify and rapidfuzz for formulas and text. They lie in a
package named after their content, so that exports of two versions live side by side in one process.
"""

import ast
import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path

from schemas.ids import content_id

_ENTRIES = ("filters.verify.reward", "filters.verify.worker")
_ROOTS = ("filters", "schemas")
_ALWAYS = {"pydantic": "pydantic>=2.10", "rapidfuzz": "rapidfuzz>=3.10", "scipy": "scipy>=1.11"}
_OPTIONAL = {
    "mask": {"pycocotools": "pycocotools>=2.0.10"},
    "text:rouge": {"rouge_score": "rouge-score>=0.1.2"},
    "text:bleu": {"sacrebleu": "sacrebleu>=2.5"},
}
_HEAD = '''"""The reward of {release}: the verifier that curated it, as it was then. Written by `curate export`.

Its code lies beside this file, in {package}. It needs: pip install -r requirements.txt
"""

import importlib
import sys
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)


def _verifier():
    """The verifier, found from whatever process this function was sent to."""
    if HERE not in sys.path:
        sys.path.append(HERE)
    return importlib.import_module("{package}.filters.verify.reward")


for _name in {needs}:  # without one of these every answer of some kind would go unscored, and nobody would notice
    try:
        importlib.import_module(_name)
    except ImportError as error:
        raise ImportError(f"the reward cannot run: {{error}}. Install: pip install -r {{HERE}}/requirements.txt") from error
'''


def ship_reward(folder: Path, file: str, body: str, release: str, verifiers: frozenset[str]) -> None:
    """Write `file` (a head and `body`), the verifier's package and `requirements.txt` into an export.

    `verifiers` are those of the rows: some need a package that others do not.
    """
    package = reward_package()
    needs = _needs(verifiers)
    (folder / file).write_text(_HEAD.format(release=release, package=package, needs=tuple(needs)) + body, "utf-8")
    (folder / "requirements.txt").write_text("\n".join(needs.values()) + "\n", "utf-8")
    for module, source in _sources().items():
        path = folder / package / _path(module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_renamed(source, package), "utf-8")
    for parent in {p.parent for p in (folder / package).rglob("*.py")} | {folder / package}:
        if not (parent / "__init__.py").exists():
            (parent / "__init__.py").write_text('"""A part of curate\'s verifier."""\n', "utf-8")


def reward_package() -> str:
    """The name of the shipped package: `curate_reward_` and eight digits of its content."""
    return f"curate_reward_{content_id(_sources())[:8]}"


@cache
def _sources() -> dict[str, str]:
    """The source of every module that the reward imports, now or later, by its name."""
    found: dict[str, str] = {}
    todo = list(_ENTRIES)
    while todo:
        module = todo.pop()
        if module in found or (source := _read(module)) is None:
            continue
        found[module] = source
        todo += [name for _, names in _imports(source) for name in names]
    return dict(sorted(found.items()))


def _read(module: str) -> str | None:
    """The source of one of our modules; None where the name is something inside a module."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return (
        Path(spec.origin).read_text("utf-8")
        if spec and spec.origin and spec.submodule_search_locations is None
        else None
    )


@cache
def _imports(source: str) -> tuple[tuple[int, list[str]], ...]:
    """The line of every import of our own packages, and the modules it may mean."""
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module)
    ours = (node for node in found if str(node.module).split(".")[0] in _ROOTS)
    return tuple((n.lineno, [str(n.module), *(f"{n.module}.{alias.name}" for alias in n.names)]) for n in ours)


def _renamed(source: str, package: str) -> str:
    lines = source.splitlines(keepends=True)
    for number, names in _imports(source):
        lines[number - 1] = lines[number - 1].replace(f"from {names[0]}", f"from {package}.{names[0]}", 1)
    return "".join(lines)


def _path(module: str) -> Path:
    return Path(*module.split(".")).with_suffix(".py")


def _needs(verifiers: frozenset[str]) -> dict[str, str]:
    """What has to be installed, by the module that proves it. The formula engine is pinned: its version decides scores."""
    pinned = {"math_verify": "math-verify", "latex2sympy2_extended": "latex2sympy2_extended"}
    engine = {module: f"{name}=={importlib.metadata.version(name)}" for module, name in pinned.items()}
    extra = [more for prefix, more in _OPTIONAL.items() if any(v.startswith(prefix) for v in verifiers)]
    return {**_ALWAYS, **engine, **{name: line for more in extra for name, line in more.items()}}
