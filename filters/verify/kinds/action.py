"""One step in a graphical interface: what is done, where, with which words."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from filters.verify.geometry import SpaceError, contains, enlarged, scale_between
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, wrong
from filters.verify.literal import NotLiteralError, read_literal
from filters.verify.normalise import unprefixed, words
from filters.verify.places import PlaceParams, first, numbers, read_boxes, stated
from schemas.answer import ActionAnswer

_ALIASES = {
    "click": "tap left_click press touch lclick",
    "type": "input_text input text enter_text write",
    "scroll": "swipe drag_scroll",
    "back": "navigate_back press_back go_back",
    "home": "navigate_home press_home",
    "open": "open_app launch open_application",
    "finish": "terminate done complete status",
    "long_press": "longpress long_click",
    "double_click": "left_double",
}
_NAMES = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_DIRECTIONS = ("up", "down", "left", "right")
_CALL = re.compile(r"^(\w+)\s*\((.*)\)$", re.DOTALL)
_NAMED = re.compile(r"\b(\w+)\s*=\s*")


class ActionParams(PlaceParams):
    """What must agree besides the kind of action."""

    metric: Literal["all", "share"] = "all"
    enlarge: float = Field(default=1.0, ge=1, description="target boxes are enlarged by this factor (InfiGUI-R1: 1.2)")
    near: float = Field(default=0.0, ge=0, description="a click also counts within this distance of the gold's point")
    text_match: Literal["exact", "contains"] = Field(
        default="exact", description="contains: the gold's words, and others"
    )


def read_action(text: str) -> ActionAnswer | None:
    """A JSON object, a list of one, or a call such as `click(x=3, y=4)` or `scroll("down")`."""
    text = unprefixed(text)
    try:
        value = read_literal(text)
    except NotLiteralError:
        value = _from_call(text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    inner = first(value, ("arguments", "args", "params"))
    fields = {**value, **inner} if isinstance(inner, dict) else value
    name = first(fields, ("action", "action_type", "type", "name"))
    return _of(text, words(name).replace(" ", "_"), fields) if isinstance(name, str) and name.strip() else None


def _of(raw: str, name: str, fields: dict[str, Any]) -> ActionAnswer:
    point = numbers(first(fields, ("coordinate", "point", "position", "start")), 2)
    if point is None:
        point = numbers([first(fields, ("x",)), first(fields, ("y",))], 2)
    second = numbers(first(fields, ("coordinate2", "end", "to")), 2)
    boxes = read_boxes(str(first(fields, ("bbox", "box", "boxes", "bbox_2d", "gt_bbox")) or "")) or []
    if point is None and not boxes and (corners := numbers(first(fields, ("coordinate",)), 4)):
        boxes = read_boxes(str(corners)) or []
    return ActionAnswer(
        raw=raw,
        action=_NAMES.get(name, name),
        boxes=tuple(boxes),
        point=(point[0], point[1]) if point else None,
        point2=(second[0], second[1]) if second else None,
        text=_word(fields, ("text", "value", "content", "app_name", "app", "input_text")),
        direction=_direction(fields, point, second),
        button=_word(fields, ("button", "key")),
        status=_word(fields, ("status", "goal_status")),
    )


def _word(fields: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    value = first(fields, keys)
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value) else None


def _direction(fields: dict[str, Any], start: list[float] | None, end: list[float] | None) -> str | None:
    named = _word(fields, ("direction", "scroll_direction"))
    if named is not None:
        return words(named)
    if start is None or end is None:
        return None
    dx, dy = end[0] - start[0], end[1] - start[1]
    return ("right" if dx > 0 else "left") if abs(dx) > abs(dy) else ("down" if dy > 0 else "up")


def _from_call(text: str) -> dict[str, Any] | None:
    match = _CALL.match(text.strip())
    if match is None:
        return {"action": text.strip()} if re.fullmatch(r"\w{2,30}", text.strip()) else None
    body, named = _NAMED.subn(r'"\1": ', match.group(2))
    for form in (f"{{{body}}}",) if named else (f"[{body}]",):
        try:
            value = read_literal(form)
        except NotLiteralError:
            continue
        if isinstance(value, dict):
            return {**value, "action": match.group(1)}
        return {"action": match.group(1), **_placed(value)}
    bare = match.group(2).strip(" \"'")
    return {"action": match.group(1), **_placed([bare])} if re.fullmatch(r"[\w .-]*", bare) else None


def _placed(values: list[Any]) -> dict[str, Any]:
    if numbers(values, 2):
        return {"coordinate": values}
    if len(values) == 1 and isinstance(values[0], list):
        return {"coordinate": values[0]}
    if len(values) == 1 and isinstance(values[0], str) and values[0]:
        return {"direction" if words(values[0]) in _DIRECTIONS else "text": values[0]}
    return {}


def read_gold(raw: str, options: Sequence[str], params: ActionParams) -> ActionAnswer:
    """An action; one on a place must say the box or the point."""
    action = read_action(raw)
    if action is None:
        raise GoldUnparseableError(f"not an action: {raw[:80]!r}")
    return action.model_copy(update={"raw": raw, "coord": params.gold_coord()})


def judge(span: str, gold: ActionAnswer, options: Sequence[str], params: ActionParams) -> Outcome:
    """The kind of action decides; then everything that the gold states must be stated, and agree."""
    try:
        scale = scale_between(params.response_coord(gold.coord), gold.coord)
    except SpaceError as error:
        return Outcome(None, str(error))
    action = read_action(span)
    if action is None:
        return wrong("not an action")
    shown = action.model_dump_json(exclude_none=True, exclude_defaults=True, exclude={"raw", "kind"})
    if action.action != gold.action:
        return wrong(f"{action.action} instead of {gold.action}", shown)
    agreed = _agreed(action, gold, scale, params)
    missed = [name for name, good in agreed.items() if not good]
    score = 1 - len(missed) / (len(agreed) + 1) if params.metric == "share" else float(not missed)
    return Outcome(score, f"another {', '.join(missed)}" if missed else "the same action", shown)


def _agreed(
    action: ActionAnswer, gold: ActionAnswer, scale: tuple[float, float], params: ActionParams
) -> dict[str, bool]:
    agreed: dict[str, bool] = {}
    if gold.boxes or gold.point:
        agreed["place"] = _placed_right(action, gold, scale, params)
    if gold.text is not None:
        mine, theirs = words(action.text or ""), words(gold.text)
        agreed["text"] = mine == theirs or (params.text_match == "contains" and bool(theirs) and theirs in mine)
    for name in ("direction", "button", "status"):
        wanted = getattr(gold, name)
        if wanted is not None:
            agreed[name] = words(getattr(action, name) or "") == words(wanted)
    return agreed


def _placed_right(action: ActionAnswer, gold: ActionAnswer, scale: tuple[float, float], params: ActionParams) -> bool:
    point = action.point
    if point is None and len(action.boxes) == 1:
        x1, y1, x2, y2 = action.boxes[0].xyxy
        point = (x1 + x2) / 2, (y1 + y2) / 2
    if point is None:
        return False
    x, y = point[0] * scale[0], point[1] * scale[1]
    if any(contains(enlarged(box.xyxy, params.enlarge), (x, y)) for box in gold.boxes):
        return True
    if gold.point is None:
        return False
    gap = ((x - gold.point[0]) ** 2 + (y - gold.point[1]) ** 2) ** 0.5
    return bool(gap <= params.near)


def state(gold: ActionAnswer, params: ActionParams) -> str:
    """The action as JSON; a target box is answered by its centre, in the space that responses use."""
    sx, sy = scale_between(gold.coord, params.response_coord(gold.coord))
    fields: dict[str, Any] = {"action": gold.action}
    if gold.boxes:
        x1, y1, x2, y2 = gold.boxes[0].xyxy
        fields["coordinate"] = [(x1 + x2) / 2 * sx, (y1 + y2) / 2 * sy]
    elif gold.point:
        fields["coordinate"] = [gold.point[0] * sx, gold.point[1] * sy]
    words_of = {"text": gold.text, "direction": gold.direction, "button": gold.button, "status": gold.status}
    return stated(fields | {name: value for name, value in words_of.items() if value is not None})


ACTION = Kind(
    name="action",
    params=ActionParams,
    read_gold=read_gold,
    judge=judge,
    metrics={
        "all": Metric(
            "1 if the action and everything the gold states agree: the click in a target box (× `enlarge`) or within `near` "
            "of the gold's point, the typed text, direction, button, status. A click without a place is wrong",
            "UI-R1, InfiGUI-R1, with typed text and direction checked",
        ),
        "share": Metric("the share of these that agree; another kind of action is 0", "UI-R1, separate rewards", 0.99),
    },
    gold_forms='`{"action": "click", "bbox": […]}`, `[{"action": …, "coordinate": [x, y]}]`, `scroll("down")`',
    response_forms="the same; swipes without a direction are read from their two points",
    show=lambda gold: gold.model_dump_json(exclude_none=True, exclude_defaults=True, exclude={"raw", "kind", "coord"}),
    state=state,
)
