"""The tag schema that replies came in, from the steps that asked for them or scored them."""

from filters.verify.step import VerifyConfig
from pipelines.compiler.columns import Node
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.steps.as_asked import ask_of
from pipelines.steps.release_measured import measured_tags, reads_by, rollouts_of


def tags_of_pairs(node: Node, before: Before, measured: Step | None) -> str:
    """The tag schema of paired replies, which go out as they came: that in which they were scored, or were asked for."""
    steps = {step.name: step for step in before.steps}
    replies = frozenset().union(*(steps[name].node.makers for name in node.makers))
    if measured is not None and replies <= set(rollouts_of(measured)):
        return measured_tags(measured, before)
    scored = {reads_by(step) for step in before.steps if _scores_texts(step) and replies <= step.node.makers}
    if len(scored) == 1:
        return scored.pop()
    return written_in(Node(node.unit, replies), before) or "plain"


def _scores_texts(step: Step) -> bool:
    """Whether a step verifies replies by their texts, of which the reward that goes out says the same."""
    verifies = isinstance(step.config, VerifyConfig)
    return verifies and {column.name for column in step.sources["response"].columns} == {"text"}


def written_in(node: Node, before: Before) -> str | None:
    """The tag schema that all the steps which made these replies asked for; None where they asked for none, or several."""
    steps = {step.name: step for step in before.steps}
    asked = {_form_tags(steps[name]) for name in node.makers}
    return asked.pop() if len(asked) == 1 else None


def _form_tags(step: Step) -> str | None:
    found = getattr(getattr(ask_of(step), "reply", None), "tags", None)
    return found if isinstance(found, str) else None
