"""Pairs of bare answers are refused unless they are asked for: they teach nothing of how to reason."""

import re
from collections.abc import Iterator

from filters.pair import PairConfig
from filters.pair_texts import VERDICTS
from filters.sql.expression import Condition
from generators.asking.config import AskConfig
from generators.engines.capability import thinks
from pipelines.compiler.pipeline import Step
from pipelines.job import Compiled
from pipelines.steps.as_asked import ask_of
from schemas.tags import TAG_SCHEMAS, thoughts


def pairs_thoughts(compiled: Compiled, step: Step) -> Iterator[str]:
    """A sentence for a step `pair` of which a side is no more than an answer."""
    config = step.config
    if not isinstance(config, PairConfig) or config.bare:
        return
    asked = {name: ask_of(compiled.pipeline.step(name)) for name in sorted(step.node.makers)}
    if config.column is not None and config.column.rpartition(".")[2] == "final":
        yield f"column: `{config.column}` is the bare answer of a reply; pair whole replies, or say `bare: true`."
        return
    bare = asked and all(_asks_no_thought(compiled, ask) for ask in asked.values())
    if bare and config.column is None and _by_answers(config):
        named = " and ".join(f"'{name}'" for name in asked)
        yield (
            f"both sides of its pairs are bare answers, as no prompt of {named} asks for a thought; ask for one "
            "(`tags: think_answer` and a `system` or `prompt` that wants it), or say `bare: true`."
        )


def _by_answers(config: PairConfig) -> bool:
    """Whether answers are right or wrong decides the sides, and not what a judge thinks of a text."""
    texts = [text for text in (config.chosen, config.rejected) if text is not None]
    return any(last in VERDICTS for text in texts for *_, last in Condition(text).references)


def _asks_no_thought(compiled: Compiled, found: AskConfig | None) -> bool:
    """Whether a prompt is no more than the question, models do not think unasked, and the tags have no thought."""
    if found is None or found.system or found.shots or found.prefix or not isinstance(found.prompt, str):
        return False
    words = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", found.prompt, flags=re.DOTALL).strip()
    schema = None if found.sections is None else TAG_SCHEMAS[found.sections]
    thinking = any(thinks(compiled.document.models[name]) for name in found.models)
    return not (words or thinking or schema is None or thoughts(schema))
