"""A compiled pipeline as a Mermaid graph: steps by the unit of their rows, an edge for each step that reads another."""

import re
from collections.abc import Iterator

from pipelines.compiler.pipeline import Pipeline, Step

_ASKS = "fill:#fde8c8,stroke:#b45309"


def mermaid(pipeline: Pipeline) -> str:
    """A flowchart: a subgraph a unit, a rounded node for a step that asks models, an edge from who gives to who reads.

    An edge is labelled with the columns that are read; a dashed one says that rows are dropped or made there, and no column
    read.
    """
    lines = ["flowchart TB"]
    for unit in pipeline.units:
        lines.append(f"  subgraph unit_{_plain(unit)}[{unit}]")
        lines += [f"    {_node(step)}" for step in pipeline.steps if step.unit == unit]
        lines.append("  end")
    lines += [f"  {edge}" for step in pipeline.steps for edge in _edges(pipeline, step)]
    lines.append(f"  classDef asks {_ASKS}")
    asking = [_id(step) for step in pipeline.steps if step.asks]
    if asking:
        lines.append(f"  class {','.join(asking)} asks")
    return "\n".join(lines)


def _node(step: Step) -> str:
    label = step.name if step.name == step.type.name else f"{step.name}<br/>({step.type.name})"
    if not step.asks:
        return f'{_id(step)}["{label}"]'
    most = step.type.asks.most(step.config) if step.type.asks is not None else None
    return f'{_id(step)}(["{label}<br/>{", ".join(step.models)} × {"?" if most is None else most}"])'


def _edges(pipeline: Pipeline, step: Step) -> Iterator[str]:
    read: dict[str, dict[str, None]] = {}
    for column in sorted(step.read):
        read.setdefault(column.step, {})[column.name] = None
    for giver, names in read.items():
        shown = [*names][:3] + (["…"] if len(names) > 3 else [])
        yield f'{_id(pipeline.step(giver))} -->|"{", ".join(shown)}"| {_id(step)}'
    nodes = [step.node, *(beside.node for beside in step.beside.values())]
    makers = sorted({maker for node in nodes for maker in node.makers} - set(read))
    droppers = [
        other.name
        for other in pipeline.before(step)
        if not other.gives and other.makes is None and any(other.node.makers & node.makers for node in nodes)
    ]
    for other in (*makers, *droppers[-1:]):
        if other not in read:
            yield f"{_id(pipeline.step(other))} -.-> {_id(step)}"


def _id(step: Step) -> str:
    return f"step_{_plain(step.name)}"


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)
