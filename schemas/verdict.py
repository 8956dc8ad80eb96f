"""What a verifier says about one response. *Unscored* (`score is None`) is not wrong: nobody could tell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Tier = Literal["string", "rule", "math", "judge", "none", "timeout", "crash"]
"""What settled it: equal strings, the kind's own rule, the symbolic engine, a model; `none` could not be scored;
`timeout` spent its budget; `crash` took its process with it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`score` in [0, 1] or None for unscored; `correct` is the score held against the kind's threshold.

    `extracted` is the answer span that was judged (None: the response holds none), the two `parsed_*` are what was
    read from the gold and from the span, and `explanation` says in a sentence why.
    """

    score: float | None
    correct: bool | None
    extracted: str | None
    explanation: str
    tier: Tier
    parsed_gold: str | None = None
    parsed_response: str | None = None

    def __post_init__(self) -> None:
        # What was read in a JSON reply may hold half of a surrogate pair, and no table can hold that.
        for name in ("extracted", "explanation", "parsed_gold", "parsed_response"):
            text = getattr(self, name)
            if text is not None and not text.isascii():
                object.__setattr__(self, name, text.encode("utf-8", "replace").decode())


def unscored(explanation: str, tier: Tier = "none", extracted: str | None = None) -> Verdict:
    """The verdict of whoever could not tell."""
    return Verdict(None, None, extracted, explanation, tier)


def __getattr__(name: str) -> "pl.Schema":
    # Trainers import the verdict inside their reward loop; they should not have to load a table engine for it.
    if name != "VERDICT":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import polars as pl

    return pl.Schema(
        {
            "score": pl.Float64,
            "correct": pl.Boolean,
            "extracted": pl.String,
            "explanation": pl.String,
            "tier": pl.String,
            "parsed_gold": pl.String,
            "parsed_response": pl.String,
        }
    )
