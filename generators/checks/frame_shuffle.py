"""Frame shuffle: the same question about the same frames in another order. What is answered then needs no order.

Video-R1 (tulerfeng/Video-R1, T-GRPO) rewards answers that are better with ordered frames; for curation the plain
difference of the two pass rates is kept.
"""

from collections.abc import Iterator
from typing import Literal

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.material import Material
from schemas.ids import seeded


class FrameShuffle(Check):
    """The images of a sample with two or more of them, in another order."""

    type: Literal["frame_shuffle"] = "frame_shuffle"

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant; a sample whose images are all the same has no other order."""
        frames = list(sample.images)
        order = list(range(len(frames)))
        if len({m["sha256"] for m in frames}) < 2:
            return
        rng = seeded(setting.seed, f"frame_shuffle:{sample.id}")
        while [frames[i]["sha256"] for i in order] == [m["sha256"] for m in frames]:
            rng.shuffle(order)
        yield Change(media=tuple(frames[i] for i in order), detail={"order": order})
