"""The words that say what a question is about, without the frame around them.

"How many stars are there?" and "Count the stars in the image." are 0.68 apart for a small sentence encoder, further than
"the car on the shelf" and "the truck on the shelf" (0.82). The words left after the frame is taken off tell them apart.
"""

import polars as pl

_FRAME = (
    "a an the this that these those its it one ones is are was were be been being am do does did has have had "
    "can could may might will would shall should must what which who whom whose where when why how many much "
    "of in on at to from for with by as and or if so than then there here you your we our us i me my they them their "
    "please tell give say name state find identify determine describe report answer question count number amount "
    "total figure out see seen seeing look looking shown show shows showing visible present displayed depicted "
    "depict depicts appear appears appearing contain contains containing include includes located found placed "
    "image images picture pictures photo photos photograph figure diagram illustration scene screen shot kind type "
    "sort object objects thing things item items exactly altogether following given according based know"
)
FRAME = frozenset(_FRAME.split())
"""English words that ask, point at the image or hold a sentence together. Words of other languages all count."""

SPELLINGS = {"colour": "color", "grey": "gray", "centre": "center", "metre": "meter", "litre": "liter"}


def content_words(text: pl.Expr) -> pl.Expr:
    """The distinct words of a normalised text that are not frame, in one spelling, singular, sorted, joined by blanks."""
    words = text.str.extract_all(r"\p{L}+").list.eval(pl.element().filter(~pl.element().is_in(list(FRAME))))
    singular = pl.element().str.replace(r"^(\p{L}{2,}[^su])s$", "${1}").replace(SPELLINGS)
    return words.list.eval(singular).list.unique().list.sort().list.join(" ")
