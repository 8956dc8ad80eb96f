"""Text-only ablation: the same prompt without its images. What is answered then was not seen.

The blind half of RAP's causal discrepancy ("Truth in the Few", arXiv 2506.04755: p_img - p_txt, images removed, text
unchanged), and what BeMyEyes and M3CoT drop rows by.
"""

from collections.abc import Iterator
from typing import Literal

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.material import Material


class TextOnly(Check):
    """The question without its images."""

    type: Literal["text_only"] = "text_only"

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of a sample with media."""
        if sample.media:
            yield Change(media=())
