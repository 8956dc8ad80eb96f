"""Every answer kind that can be verified, by name: the list one can read."""

from filters.verify.kind import Kind
from filters.verify.kinds.boolean import BOOLEAN
from filters.verify.kinds.choice import CHOICE
from filters.verify.kinds.expression import EXPRESSION
from filters.verify.kinds.labels import SET
from filters.verify.kinds.number import NUMBER
from filters.verify.kinds.text import TEXT

KINDS: dict[str, Kind] = {kind.name: kind for kind in (CHOICE, NUMBER, EXPRESSION, BOOLEAN, TEXT, SET)}
