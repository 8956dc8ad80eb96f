"""The answer: a tagged union of what a question can ask for. `raw` always keeps the string as it was published."""

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from schemas.ids import canonical_json
from schemas.remembered import remembered

Space = Literal["pixel", "norm1", "norm1000"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Coord(_Part):
    """What coordinates count: pixels of an image of `width` × `height`, fractions of it (0–1), or thousandths of it.

    Two pixel spaces with different sizes (the original and a resized image) are different spaces.
    """

    space: Space = "pixel"
    width: float | None = Field(default=None, gt=0)
    height: float | None = Field(default=None, gt=0)


class Box(_Part):
    """Corners `x1, y1, x2, y2` in the answer's `coord`."""

    xyxy: tuple[float, float, float, float]
    label: str | None = None
    score: float | None = None


class Point(_Part):
    """`x, y` in the answer's `coord`."""

    xy: tuple[float, float]
    label: str | None = None


class Frame(_Part):
    """One step of a track: a box at time (or frame number) `t`."""

    t: float
    xyxy: tuple[float, float, float, float]


class Call(_Part):
    """One function of a list: its name and its literal arguments."""

    fn: str
    args: tuple[JsonValue, ...] = ()


class _Answer(_Part):
    raw: str


class ChoiceAnswer(_Answer):
    """One or more options, by letter (upper case, sorted), with their texts where the options are known."""

    kind: Literal["choice"] = "choice"
    letters: tuple[str, ...]
    texts: tuple[str, ...] = ()


class NumberAnswer(_Answer):
    """An exact rational. `percent`: it was written with a percent sign (50 % is value 50)."""

    kind: Literal["number"] = "number"
    value: Fraction
    unit: str | None = None
    percent: bool = False


class ExpressionAnswer(_Answer):
    """A formula, as LaTeX without its dollar signs."""

    kind: Literal["expression"] = "expression"
    latex: str


class BooleanAnswer(_Answer):
    """One truth value, or one for each statement, in order."""

    kind: Literal["boolean"] = "boolean"
    values: tuple[bool, ...]


class TextAnswer(_Answer):
    """Words. Any of the aliases is as good as the value."""

    kind: Literal["text"] = "text"
    value: str
    aliases: tuple[str, ...] = ()


class SetAnswer(_Answer):
    """Labels without order; the empty set is an answer."""

    kind: Literal["set"] = "set"
    labels: tuple[str, ...]


class BoxesAnswer(_Answer):
    """Boxes; none at all (`[]`, "None") is an answer and means that the target is absent."""

    kind: Literal["boxes"] = "boxes"
    boxes: tuple[Box, ...]
    coord: Coord = Coord()


class PointsAnswer(_Answer):
    """Points; none at all is an answer."""

    kind: Literal["points"] = "points"
    points: tuple[Point, ...]
    coord: Coord = Coord()


class MaskAnswer(_Answer):
    """A binary mask: COCO run lengths (`size` is height, width), or polygons of x, y, x, y, …"""

    kind: Literal["mask"] = "mask"
    size: tuple[int, int] | None = None
    counts: str | tuple[int, ...] | None = None
    polygons: tuple[tuple[float, ...], ...] = ()


class SpansAnswer(_Answer):
    """Stretches of time, `start, end` in seconds."""

    kind: Literal["spans"] = "spans"
    spans: tuple[tuple[float, float], ...]
    duration: float | None = Field(default=None, gt=0)


class TrackAnswer(_Answer):
    """One box a time step."""

    kind: Literal["track"] = "track"
    frames: tuple[Frame, ...]
    coord: Coord = Coord()


class OrderAnswer(_Answer):
    """Items in their right order."""

    kind: Literal["order"] = "order"
    items: tuple[str, ...]


class GridAnswer(_Answer):
    """Rows of cells, all of one length."""

    kind: Literal["grid"] = "grid"
    rows: tuple[tuple[str, ...], ...]


class ActionAnswer(_Answer):
    """One step in a graphical interface. `boxes`: where a click is right; `point`: where it was clicked."""

    kind: Literal["action"] = "action"
    action: str
    boxes: tuple[Box, ...] = ()
    point: tuple[float, float] | None = None
    point2: tuple[float, float] | None = None
    text: str | None = None
    direction: str | None = None
    button: str | None = None
    status: str | None = None
    coord: Coord = Coord()


class FunctionsAnswer(_Answer):
    """A list of calls, such as the transformations between two images."""

    kind: Literal["functions"] = "functions"
    calls: tuple[Call, ...]


class JsonAnswer(_Answer):
    """Any JSON value."""

    kind: Literal["json"] = "json"
    value: JsonValue


class CodeAnswer(_Answer):
    """Program text."""

    kind: Literal["code"] = "code"
    text: str
    language: str | None = None


class OpenAnswer(_Answer):
    """A reference for free prose that only a judge can grade."""

    kind: Literal["open"] = "open"
    reference: str
    rubric: str | None = None


class CompositeAnswer(_Answer):
    """Named parts, each an answer of its own."""

    kind: Literal["composite"] = "composite"
    parts: "dict[str, Answer]"


class AbstainAnswer(_Answer):
    """The right answer is to say that the question cannot be answered."""

    kind: Literal["abstain"] = "abstain"


Answer = Annotated[
    ChoiceAnswer
    | NumberAnswer
    | ExpressionAnswer
    | BooleanAnswer
    | TextAnswer
    | SetAnswer
    | BoxesAnswer
    | PointsAnswer
    | MaskAnswer
    | SpansAnswer
    | TrackAnswer
    | OrderAnswer
    | GridAnswer
    | ActionAnswer
    | FunctionsAnswer
    | JsonAnswer
    | CodeAnswer
    | OpenAnswer
    | CompositeAnswer
    | AbstainAnswer,
    Field(discriminator="kind"),
]

CompositeAnswer.model_rebuild()
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Answer)


def dump_answer(answer: Answer) -> str:
    """The answer as canonical JSON: one spelling per value, so that it can be hashed and compared."""
    return canonical_json(answer.model_dump(mode="json", exclude_none=True))


@remembered()
def load_answer(text: str) -> Answer:
    """The inverse of `dump_answer`. Raises `pydantic.ValidationError` (a `ValueError`) on anything else."""
    answer: Answer = _ADAPTER.validate_json(text)
    return answer
