"""When a check's numbers become a flag."""

from typing import Literal

from pydantic import Field

from filters.select.rules.share import Share
from schemas.section import Section


class CheckRules(Section):
    """Thresholds of flags. Flags are columns for whoever selects; nothing is ever dropped by them."""

    alpha: float = Field(default=0.05, gt=0, lt=1, description="level of every one-sided test")
    adjust: Literal["none", "bh"] = Field(
        default="none", description="bh: Benjamini-Hochberg over the samples of a check (1995, JRSS B 57)"
    )
    tolerance: Share = Field(
        default="1/4",
        validate_default=True,
        description="as good as before: the pass rate did not fall by more than this, beside the test (unpublished)",
    )
    blind: Literal["family", "binomial"] = Field(
        default="family",
        description="blind by family: the text answers this *kind* of question, or, where too few share its wording, the "
        "question passes a test of its own and surely answered ones are right; or by each question's own binomial test "
        "where most of its blind answers are right, which a confident guess passes whenever it is lucky",
    )
    certain: float = Field(
        default=0.9, gt=0, lt=1, description="family: how sure it must be that a blind right answer was no guess"
    )
    share: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="vote: a majority is one from this share of the answers on (published: 0.8)",
    )
    trust: float = Field(
        default=2 / 3,
        ge=0,
        le=1,
        description="vote: a majority counts against a gold only in families where clear majorities are the gold at least "
        "this often; elsewhere it is the student that is wrong",
    )
    family: int = Field(default=10, ge=1, description="questions of one template that make a family of their own")
