"""Answers of several parts: weighted sums, products, minima, and gates that zero the whole."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import NotLiteralError, read_literal
from filters.verify.verifiers import LONGEST_RESPONSE, Verifiers, VerifyItem
from schemas.answer import Answer, CompositeAnswer
from schemas.answer_span import answer_span, section
from schemas.ids import canonical_json
from schemas.section import Section
from schemas.verdict import Verdict


class PartParams(Section):
    """One part."""

    verifier: str | None = Field(default=None, description="verifier of the part; unset: its kind's")
    params: dict[str, Any] = Field(default_factory=dict, description="parameters of that verifier")
    weight: float = Field(default=1.0, ge=0, description="weight in a sum")
    gate: float | None = Field(default=None, ge=0, le=1, description="a score below this zeroes the whole")


class CompositeParams(Params):
    """How parts make a whole."""

    metric: Literal["sum", "product", "min"] = "sum"
    layout: Literal["tags", "json"] = Field(
        default="tags", description="tags: part `name` is the text of `<name>`; json: the answer is an object of parts"
    )
    parts: dict[str, PartParams] = Field(
        default_factory=dict, description="settings by part; unnamed parts use defaults"
    )


def read_gold(verifiers: Verifiers, raw: str, options: Sequence[str], params: CompositeParams) -> CompositeAnswer:
    """A JSON object of parts, each `{"kind": …, "raw": …}`."""
    try:
        value = read_literal(raw)
    except NotLiteralError as error:
        raise GoldUnparseableError("not a JSON object of parts") from error
    if not isinstance(value, dict) or not value or not all(_is_part(part) for part in value.values()):
        raise GoldUnparseableError('not a JSON object of parts {"kind": …, "raw": …}')
    parts: dict[str, Answer] = {}
    for name, part in value.items():
        parts[name] = verifiers.parse_gold(part["kind"], part["raw"], options, _settings(params, name).params)
    return CompositeAnswer(raw=raw, parts=parts)


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("kind"), str) and isinstance(part.get("raw"), str)


def _settings(params: CompositeParams, name: str) -> PartParams:
    return params.parts.get(name, PartParams())


def judge(
    verifiers: Verifiers, response: str, gold: CompositeAnswer, options: Sequence[str], params: CompositeParams
) -> Outcome:
    """Each part is judged by its own verifier; one that is unscored leaves the whole unscored."""
    spans = _spans(response, gold, params)
    return _together(spans, {n: verifiers.verify(_item(n, spans, gold, options, params)) for n in gold.parts}, params)


def settle(
    verifiers: Verifiers, response: str, gold: CompositeAnswer, options: Sequence[str], params: CompositeParams
) -> Outcome | None:
    """None as soon as one part has to be judged where it can be stopped."""
    spans = _spans(response, gold, params)
    verdicts: dict[str, Verdict] = {}
    for name in gold.parts:
        verdict = verifiers.settle(_item(name, spans, gold, options, params))
        if verdict is None:
            return None
        verdicts[name] = verdict
    return _together(spans, verdicts, params)


def _item(
    name: str, spans: Mapping[str, str], gold: CompositeAnswer, options: Sequence[str], params: CompositeParams
) -> VerifyItem:
    setting = _settings(params, name)
    return VerifyItem(spans.get(name, ""), gold.parts[name], setting.verifier, setting.params, options, "plain")


def _together(spans: Mapping[str, str], verdicts: Mapping[str, Verdict], params: CompositeParams) -> Outcome:
    if not spans:
        return wrong("holds none of the parts")
    shown = canonical_json(spans)[:300]
    scores: dict[str, float] = {}
    for name, verdict in verdicts.items():
        if verdict.score is None:
            return Outcome(None, f"{name}: {verdict.explanation}", shown, verdict.tier)
        scores[name] = verdict.score
    about = "; ".join(f"{name} {v.score:.3g} ({v.explanation})" for name, v in verdicts.items())[:400]
    closed = [n for n, s in scores.items() if (gate := _settings(params, n).gate) is not None and s < gate]
    if closed:
        return Outcome(0.0, f"{about}; the gate of {', '.join(closed)} is closed", shown)
    return Outcome(_whole(scores, params), about, shown)


def _spans(response: str, gold: CompositeAnswer, params: CompositeParams) -> dict[str, str]:
    if params.layout == "tags":
        found = {name: answer_span(response) if name == "answer" else section(response, name) for name in gold.parts}
        return {name: text for name, text in found.items() if text}
    try:
        value = read_literal(answer_span(response) or "")
    except NotLiteralError:
        return {}
    fields = value if isinstance(value, dict) else {}
    return {n: v if isinstance(v, str) else canonical_json(v) for n, v in fields.items() if n in gold.parts}


def _whole(scores: Mapping[str, float], params: CompositeParams) -> float:
    if params.metric == "min":
        return min(scores.values())
    if params.metric == "product":
        product = 1.0
        for score in scores.values():
            product *= score
        return product
    weights = {name: _settings(params, name).weight for name in scores}
    total = sum(weights.values())
    return sum(weights[name] * score for name, score in scores.items()) / total if total else 0.0


def state(verifiers: Verifiers, gold: CompositeAnswer, params: CompositeParams) -> str:
    """A response that states every part."""
    stated = {
        n: verifiers.state(p, _settings(params, n).verifier, _settings(params, n).params) for n, p in gold.parts.items()
    }
    if params.layout == "json":
        return f"<answer>{canonical_json(stated)}</answer>"
    return "\n".join(f"<{name}>{text}</{name}>" for name, text in stated.items())


def prepare(verifiers: Verifiers, gold: CompositeAnswer, options: Sequence[str], params: CompositeParams) -> None:
    """What each part needs of its own gold."""
    for name in gold.parts:
        verifiers.prepare(_item(name, {}, gold, options, params))


def composite(verifiers: Verifiers) -> Kind:
    """The kind whose parts are judged by `verifiers`, which may come to hold this one too: a part may have parts."""
    return Kind(
        name="composite",
        params=CompositeParams,
        read_gold=partial(read_gold, verifiers),
        judge=partial(judge, verifiers),
        longest=LONGEST_RESPONSE,
        settle=partial(settle, verifiers),
        metrics={
            "sum": Metric("Σ weight · score / Σ weight, 0 when a gate is closed", "VideoChat-R1, letter and spans"),
            "product": Metric("product of the scores, 0 when a gate is closed", "PixelThink, length × accuracy"),
            "min": Metric("smallest score, 0 when a gate is closed", "all parts must be right"),
        },
        gold_forms='`{"answer": {"kind": "choice", "raw": "B"}, "glue": {"kind": "spans", "raw": "[3, 9]"}}`',
        response_forms="one tagged section a part (`<answer>` for the part `answer`), or a JSON object of parts",
        show=lambda gold: canonical_json({name: part.raw for name, part in gold.parts.items()})[:300],
        state=partial(state, verifiers),
        prepare=partial(prepare, verifiers),
        whole=True,
    )
