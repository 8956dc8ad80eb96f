"""Which forms the engine of a model can hold replies to, known before anything is loaded or asked."""

import re
from collections.abc import Collection
from dataclasses import replace

from generators.engines.constraints import grammar_fault, strict_fault
from generators.models import known_template
from schemas.completion import Constraint, ConstraintKind, Request
from schemas.engine import ModelConfig

KINDS: tuple[ConstraintKind, ...] = ("choice", "json", "regex")
SERVER_KINDS: tuple[ConstraintKind, ...] = ("json",)
"""What a server is taken to know unless the recipe says more: `response_format` with a schema."""

_SWITCHES = ("enable_thinking", "thinking")
"""Names by which chat templates turn thinking on and off (Qwen3, GLM-4.5; DeepSeek-V3.1)."""

_NAMED_SO = re.compile(r"(?i)(?<![a-z0-9])(?:think(?:ing|er)?|reason(?:er|ing)|r1|qwq|qvq)(?![a-z0-9])")


def thinks(config: ModelConfig) -> bool:
    """Whether a model thinks aloud before it answers, so that no form may be forced on the start of its reply.

    The recipe decides (`thinking`), then the switch in its `chat_template_kwargs`, then whether its chat template speaks of
    thinking at all, then, where no template is known, its name.
    """
    if config.thinking is not None:
        return config.thinking
    switches = config.args.get("chat_template_kwargs") or {}
    chosen = next((switches[name] for name in _SWITCHES if isinstance(switches.get(name), bool)), None)
    if chosen is not None:
        return bool(chosen)
    template = known_template(config)
    if template is not None:
        return "<think>" in template or "enable_thinking" in template
    return _NAMED_SO.search(config.model) is not None


def constrains(config: ModelConfig) -> frozenset[ConstraintKind]:
    """The kinds of constraint that a model's replies are held to; none for models that think: thoughts have no form."""
    return frozenset() if thinks(config) else _possible(config)


def held_to(kinds: Collection[ConstraintKind], request: Request) -> Request:
    """The request as it is put to a model that is held to `kinds`: without its constraint where that is another. The reply
    is then read as it comes."""
    form = request.constraint
    return request if form is None or form.kind in kinds else replace(request, constraint=None)


def form_fault(config: ModelConfig, constraint: Constraint) -> str | None:
    """Why the engine of a model cannot hold a reply to a constraint, as a sentence with the cure; None where it can."""
    if constraint.kind not in _possible(config):
        return _beyond(config, constraint.kind)
    fault = (strict_fault if config.engine == "openai" and constraint.kind == "json" else grammar_fault)(constraint)
    if fault is None:
        return None
    return f"the form of the reply ({constraint.kind}) cannot be enforced for the model '{config.model}': {fault}"


def _possible(config: ModelConfig) -> frozenset[ConstraintKind]:
    by_default = SERVER_KINDS if config.engine == "openai" else KINDS
    return frozenset(by_default if config.structured is None else config.structured)


def _beyond(config: ModelConfig, kind: ConstraintKind) -> str:
    known = ", ".join(sorted(_possible(config))) or "no form"
    cure = f"add {kind} to `structured` of the model"
    if config.engine == "openai":
        cure += " if the server is vLLM" if kind != "json" else ""
    return f"replies of the model '{config.model}' are held to {known}, not to {kind}; {cure}"
