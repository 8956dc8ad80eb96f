"""The reward that goes with an export: our verifier itself, copied beside the file that the trainer imports.

`curate` is an application in an environment of its own and is on no index, so a trainer's environment can neither depend
on it nor have a version of it that differs from the release's. Therefore the export carries the code: the reward and what
it imports, which needs what `requirements.txt` beside it names. It lies in a package named after its content, so that
exports of two versions live side by side in one process.
"""

import importlib.metadata
from pathlib import Path
from typing import Any

from filters.verify.verifiers import VERSION
from pipelines.export.shipped_code import reward_package, write_package

_ALWAYS = {"pydantic": "pydantic>=2.10", "rapidfuzz": "rapidfuzz>=3.10", "scipy": "scipy>=1.11"}
_ENGINES = {"math_verify": "math-verify", "latex2sympy2_extended": "latex2sympy2_extended"}
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
RELEASE = {release!r}
VERIFIER = {verifier}
FORMAT_WEIGHT = 0.0  # the layout's share of a score; at 0 a score is the verdict of curation, to the last digit


def _verifier():
    """The verifier, found from whatever process this function was sent to."""
    if HERE not in sys.path:
        sys.path.append(HERE)
    return importlib.import_module("{package}.filters.verify.reward")


def _held(row, *names):
    """What lies in a row under these names, one in the other; None, which is no gold, where one of them is not there."""
    for name in names:
        row = row.get(name) if hasattr(row, "get") else None
    return row


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
    facts = {"release": release, "package": package, "needs": tuple(needs), "verifier": verifier_facts(verifiers)}
    (folder / file).write_text(_HEAD.format(**facts) + body, "utf-8")
    (folder / "requirements.txt").write_text("\n".join(requirements(verifiers)) + "\n", "utf-8")
    write_package(folder)


def verifier_facts(verifiers: frozenset[str]) -> dict[str, Any]:
    """Which verifier an export carries: its version, the name of its code, whose digits are those of its content, the
    verifiers of the rows, and the versions of the engines that they ask."""
    engines = {name: importlib.metadata.version(name) for name in _ENGINES.values()}
    return {"version": VERSION, "code": reward_package(), "rows": sorted(verifiers), "engines": engines}


def requirements(verifiers: frozenset[str]) -> list[str]:
    """The lines of an export's `requirements.txt`."""
    return list(_needs(verifiers).values())


def _needs(verifiers: frozenset[str]) -> dict[str, str]:
    """What has to be installed, by the module that proves it. The formula engine is pinned: its version decides scores."""
    engine = {module: f"{name}=={importlib.metadata.version(name)}" for module, name in _ENGINES.items()}
    extra = [more for prefix, more in _OPTIONAL.items() if any(v.startswith(prefix) for v in verifiers)]
    return {**_ALWAYS, **engine, **{name: line for more in extra for name, line in more.items()}}
