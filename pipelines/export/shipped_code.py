"""The verifier's source as it goes with an export: what a reward imports, in a package named after its content."""

import ast
import importlib.util
from functools import cache
from pathlib import Path

from schemas.ids import content_id

_ENTRIES = ("filters.verify.reward", "filters.verify.worker")
_ROOTS = ("filters", "schemas")


def reward_package() -> str:
    """The name of the shipped package: `curate_reward_` and eight digits of its content."""
    return f"curate_reward_{content_id(_sources())[:8]}"


def write_package(folder: Path) -> None:
    """Write the package into a folder."""
    package = reward_package()
    for module, source in _sources().items():
        path = folder / package / _path(module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_renamed(source, package), "utf-8")
    for parent in {p.parent for p in (folder / package).rglob("*.py")} | {folder / package}:
        if not (parent / "__init__.py").exists():
            (parent / "__init__.py").write_text('"""A part of curate\'s verifier."""\n', "utf-8")


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
