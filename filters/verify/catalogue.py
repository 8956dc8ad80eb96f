"""Every verifier, by name: the list one can read. All but `equation` have the name of the answer kind they judge."""

from filters.verify.kind import Kind
from filters.verify.kinds.abstain import ABSTAIN
from filters.verify.kinds.action import ACTION
from filters.verify.kinds.boolean import BOOLEAN
from filters.verify.kinds.boxes import BOXES
from filters.verify.kinds.choice import CHOICE
from filters.verify.kinds.code import CODE
from filters.verify.kinds.composite import composite
from filters.verify.kinds.equation import EQUATION
from filters.verify.kinds.expression import EXPRESSION
from filters.verify.kinds.functions import FUNCTIONS
from filters.verify.kinds.grid import GRID
from filters.verify.kinds.json_value import JSON
from filters.verify.kinds.labels import SET
from filters.verify.kinds.mask import MASK
from filters.verify.kinds.number import NUMBER
from filters.verify.kinds.order import ORDER
from filters.verify.kinds.points import POINTS
from filters.verify.kinds.prose import OPEN
from filters.verify.kinds.spans import SPANS
from filters.verify.kinds.text import TEXT
from filters.verify.kinds.track import TRACK
from filters.verify.verifiers import Verifiers

_ALONE = (
    CHOICE, NUMBER, EXPRESSION, EQUATION, BOOLEAN, TEXT, SET, BOXES, POINTS, MASK, SPANS, TRACK, ORDER, GRID, ACTION,
    FUNCTIONS, JSON, CODE, OPEN,
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALONE}
VERIFIERS = Verifiers(KINDS)
# A part of a composite may be a composite: it is judged by the same catalogue, which holds it from here on.
KINDS |= {kind.name: kind for kind in (composite(VERIFIERS), ABSTAIN)}
