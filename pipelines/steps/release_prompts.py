"""How the prompts of a release are put: as a step asked them, or by templates of the release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from generators.asking.config import AskConfig
from generators.template import Template, needed
from pipelines.compiler.columns import Node
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.steps.as_asked import ask_of
from pipelines.steps.release_config import ConfigSection
from pipelines.steps.release_measured import rollouts_of
from schemas.step import Read, reads_of


@dataclass(frozen=True)
class Put:
    """How a prompt is put: by the step that asked it, whose section decides every turn; else by templates of the release."""

    asked_by: Step | None = None
    prompt: Template = field(default_factory=lambda: Template("{{ question }}"))
    system: Template | None = None

    @property
    def config(self) -> AskConfig | None:
        return None if self.asked_by is None else ask_of(self.asked_by)

    def reads(self) -> Mapping[str, Read]:
        """What a prompt is rendered from."""
        if self.asked_by is not None:
            return self.asked_by.type.reads(self.asked_by.config, NOTHING).rows
        return {
            name: replace(found, optional=name in ("options", "media"))
            for name, found in reads_of(needed(self.prompt, self.system, sees=True)).items()
        }


def puts(
    section: ConfigSection, holds: str, node: Node, before: Before, measured: Step | None
) -> tuple[Put, Mapping[str, Put]]:
    """How prompts are put, and how those of some steps' rows where they differ: as the student was asked whose replies were
    counted; else, for replies and pairs of them, as each was asked, where the model was shown what the row shows; else the
    bare question.
    """
    steps = {step.name: step for step in before.steps}
    counted = [step for name in rollouts_of(measured) if ask_of(step := steps[name])] if measured is not None else []
    if counted or holds == "prompts":
        return _put(section, counted[0] if counted else None), {}
    makers = {name: steps[name].node.makers if holds == "pairs" else {name} for name in sorted(node.makers)}
    found = {name: _put(section, _asker([steps[one] for one in sorted(mine)])) for name, mine in makers.items()}
    first = next(iter(found.values()))
    return first, ({} if all(put == first for put in found.values()) else found)


def _put(section: ConfigSection, asked: Step | None) -> Put:
    """As an `ask` asked; what the section says of `prompt` or `system` takes the place of that turn."""
    if asked is not None and section.prompt is None and section.system is None:
        return Put(asked)
    config = ask_of(asked) if asked is not None else None
    prompt = section.prompt or (config.prompt if config is not None else "{{ question }}")
    system = section.system if section.system is not None or config is None else config.system
    assert isinstance(prompt, str) and (system is None or isinstance(system, str))
    return Put(None, Template(prompt), Template(system) if system else None)


def _asker(makers: Sequence[Step]) -> Step | None:
    """The step in whose words the replies of `makers` were asked for; None where none showed the row, or words differ."""
    asks = [(step, ask) for step in makers if (ask := ask_of(step)) is not None and _shows_the_row(ask)]
    words = [(ask.system, ask.prompt, ask.shots) for _, ask in asks]
    return asks[0][0] if asks and all(one == words[0] for one in words) else None


def _shows_the_row(config: AskConfig) -> bool:
    """Whether a prompt shows a model the row's images and nothing beside its question."""
    assert isinstance(config.prompt, str)
    return "media" in config.shown and Template(config.prompt).references <= {("question",), ("options",)}


class _Nothing:
    """Asks read by their templates alone, whatever is known before them."""

    def types(self, of: Any) -> Mapping[str, pl.DataType]:
        return {}

    def unit(self, of: Any) -> str:
        return "sample"

    def parent(self, unit: Any) -> str:
        return "sample"

    def parents(self, of: Any) -> Mapping[str, tuple[str, ...]]:
        return {}


NOTHING = _Nothing()
