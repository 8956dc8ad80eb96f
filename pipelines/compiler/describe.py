"""A compiled pipeline in words that outlive the recipe: what `curate why` and `curate query` know a build by."""

from typing import Any

from pipelines.compiler.columns import NameFault, Node
from pipelines.compiler.names import Names
from pipelines.compiler.pipeline import Pipeline, Step


def describe(pipeline: Pipeline) -> dict[str, Any]:
    """The steps in order, and for each unit the columns that its rows have at the end, as JSON.

    `units[unit]` lists `{name, column, steps}`: the last of the steps that wrote a row gives its value. `name` is the short
    name, or the address where the short name is ambiguous or outdated.
    """
    steps = [_step(step) for step in pipeline.steps]
    return {"steps": steps, "units": {unit: _columns(pipeline.names, unit) for unit in pipeline.units}}


def _step(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "type": step.type.name,
        "unit": step.unit,
        "makes": step.makes is not None or step.number == 0,
        "of": {"unit": step.node.unit, "makers": sorted(step.node.makers)},
        "where": getattr(step.config, "where", None),
        "reads": sorted(f"{column.step}.{column.name}" for column in step.read),
        "gives": {name: str(dtype) for name, dtype in step.gives.items()},
        "models": list(step.models),
        "gold_visible": step.gold_visible,
    }


def _columns(names: Names, unit: str) -> list[dict[str, Any]]:
    node = Node(unit, frozenset(names.makers[unit]))
    found = []
    for name in dict.fromkeys(c.name for c in names.facts if c.unit == unit):
        givers = names.columns(node, name)
        try:
            steps = [column.step for column in names.find(node, (name,)).columns]
        except NameFault:
            found += [{"name": f"{c.step}.{name}", "column": name, "steps": [c.step]} for c in givers]
        else:
            found.append({"name": name, "column": name, "steps": steps})
            outdated = (c.step for c in givers if c.step not in steps)
            found += [{"name": f"{step}.{name}", "column": name, "steps": [step]} for step in outdated]
    return found
