"""Lists of function calls, such as the changes between two images."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from filters.verify.geometry import best_pairs
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import NotLiteralError, read_literal, unfenced
from filters.verify.normalise import unprefixed, words
from schemas.answer import Call, FunctionsAnswer

MOST = 100
MAX_CHARS = 20_000
_CALL = re.compile(r"([A-Za-z_]\w{0,60})\s*\(([^()]{0,400})\)")
_BETWEEN = " \t\r\n,;[]\"'"
_BEFORE = _BETWEEN + ".)-0123456789"


class FunctionsParams(Params):
    """How calls are matched."""

    metric: Literal["exact", "share", "partial"] = "exact"
    ordered: bool = Field(default=False, description="the calls must come in the gold's order")


def read_calls(text: str) -> list[Call] | None:
    """Calls with literal arguments, bare words being texts; nothing else may be between them."""
    if len(text) > MAX_CHARS:
        return None
    text = unfenced(unprefixed(text))
    if words(text) in ("none", "[]", "no change"):
        return []
    try:
        value = read_literal(text)
    except NotLiteralError:
        value = None
    if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        return _from_objects(value)
    calls = [_call(name, body) for name, body in _CALL.findall(text)[: MOST + 1]]
    rest = _CALL.sub(" ", text)
    found = [call for call in calls if call is not None]
    return found if found and len(found) == len(calls) <= MOST and _nothing(rest) else None


def _nothing(rest: str) -> bool:
    """Whether what is left of a list without its calls is only marks, numbers of its lines, and one "and"."""
    return rest.rstrip(_BETWEEN).removesuffix("and").strip(_BEFORE) == ""


def _from_objects(value: list[Any]) -> list[Call] | None:
    calls = []
    for item in value[: MOST + 1]:
        name = item.get("fn") or item.get("name") or item.get("function")
        args = item.get(
            "args", item.get("arguments", [v for k, v in item.items() if k not in ("fn", "name", "function")])
        )
        if not isinstance(name, str):
            return None
        calls.append(
            Call(fn=words(name), args=tuple(_argument(v) for v in (args if isinstance(args, list) else [args])))
        )
    return calls if len(calls) <= MOST else None


def _call(name: str, body: str) -> Call | None:
    parts = [part.strip() for part in body.split(",")] if body.strip() else []
    return Call(fn=words(name), args=tuple(_argument(_literal(part)) for part in parts)) if all(parts) else None


def _literal(text: str) -> Any:
    try:
        return read_literal(text)
    except NotLiteralError:
        return text


def _argument(value: Any) -> Any:
    return words(value) if isinstance(value, str) else value


def read_gold(raw: str, options: Sequence[str], params: FunctionsParams) -> FunctionsAnswer:
    """A list of calls; "none" is the empty list."""
    calls = read_calls(raw)
    if calls is None:
        raise GoldUnparseableError(f"not a list of calls: {raw[:80]!r}")
    return FunctionsAnswer(raw=raw, calls=tuple(calls))


def judge(span: str, gold: FunctionsAnswer, options: Sequence[str], params: FunctionsParams) -> Outcome:
    """Both empty: 1; one of them empty: 0."""
    calls = read_calls(span)
    if calls is None:
        return wrong("not a list of calls")
    shown = _show(calls)
    if not calls or not gold.calls:
        return Outcome(float(not calls and not gold.calls), f"{len(calls)} calls against {len(gold.calls)}", shown)
    table = [[_likeness(a, b) for b in gold.calls] for a in calls]
    pairs = list(zip(range(len(calls)), range(len(gold.calls)), strict=False)) if params.ordered else best_pairs(table)
    exact = sum(table[i][j] == 1.0 for i, j in pairs)
    longest = max(len(calls), len(gold.calls))
    scores = {
        "exact": float(exact == longest),
        "share": exact / longest,
        "partial": sum(table[i][j] for i, j in pairs) / longest,
    }
    return Outcome(scores[params.metric], f"{exact} of {len(gold.calls)} calls, {len(calls) - exact} others", shown)


def _likeness(a: Call, b: Call) -> float:
    """1 for the same call; ½ with the same function and the same object or the same value; ¼ for the function alone."""
    if a.fn != b.fn:
        return 0.0
    if a.args == b.args:
        return 1.0
    if a.args and b.args and (a.args[0] == b.args[0] or a.args[1:] == b.args[1:]):
        return 0.5
    return 0.25


def _show(calls: Sequence[Call]) -> str:
    return ", ".join(f"{c.fn}({', '.join(str(a) for a in c.args)})" for c in calls) or "none"


FUNCTIONS = Kind(
    name="functions",
    params=FunctionsParams,
    read_gold=read_gold,
    judge=judge,
    metrics={
        "exact": Metric("1 if both lists hold the same calls (in order when `ordered`)", "Reason-RFT, exact variant"),
        "share": Metric("calls in both over the longer list, one to one", "Reason-RFT, set match"),
        "partial": Metric(
            "as share; the same function with the same first argument or the same others counts ½, the function alone ¼",
            "Reason-RFT, train/stage_rl/reward.py",
            0.99,
        ),
    },
    gold_forms='`change_color(2, \'red\'), change_size(1, large)`, `[{"fn": …, "args": […]}]`; `none` is the empty list',
    response_forms="the same; prose between the calls is no list",
    show=lambda gold: _show(gold.calls),
    symmetric=True,
)
