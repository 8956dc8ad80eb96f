"""Checks that change images: grey ones, masks over patches, over the evidence, over as much of something else."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from PIL import Image
from pydantic import Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.masks import Xyxy, box_mask, grey, patch_mask, random_boxes
from generators.checks.material import Material
from schemas.answer import AbstainAnswer, BoxesAnswer, Coord


class GreyImage(Check):
    """Neutral grey images of equal size: "no image" changes the shape of a prompt, this does not."""

    type: Literal["grey_image"] = "grey_image"

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of a sample with images."""
        if sample.images:
            yield Change(media=tuple(setting.images.derive(m, "grey", {}, grey) for m in sample.images))


class PatchMask(Check):
    """Patches of every image blackened by chance: PAPO's masking (arXiv 2507.06448) in its rollout form."""

    type: Literal["patch_mask"] = "patch_mask"
    patch: int = Field(default=14, ge=1, description="side of a patch in pixels")
    p: float = Field(default=0.6, ge=0, le=1, description="share of patches that are blackened")

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of a sample with images; a image has the same mask in every sample that shows it."""
        if not sample.images:
            return
        media = []
        for item in sample.images:
            seed = f"{setting.seed}:{item['sha256']}"
            params = {"patch": self.patch, "p": self.p, "seed": setting.seed}
            media.append(setting.images.derive(item, "patch_mask", params, self._make(seed)))
        yield Change(media=tuple(media))

    def _make(self, seed: str) -> Any:
        return lambda image: patch_mask(image, self.patch, self.p, seed)


class _BoxCheck(Check):
    boxes_key: str = Field(default="evidence", description="the key of `meta` with boxes [x1, y1, x2, y2] in pixels")
    image: int = Field(default=0, ge=0, description="which of the sample's images they are in")

    def evidence(self, sample: Material) -> list[Xyxy]:
        """The boxes of evidence in pixels: those of `meta`, else those of a boxes answer; none where there are none."""
        if self.image >= len(sample.images):
            return []
        given = sample.meta.get(self.boxes_key)
        if isinstance(given, list):
            return [(float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in given if _is_box(b)]
        if isinstance(sample.answer, BoxesAnswer):
            item = sample.images[self.image]
            return [_to_pixels(box.xyxy, sample.answer.coord, item) for box in sample.answer.boxes]
        return []

    def masked(self, sample: Material, setting: Setting, op: str, boxes: list[Xyxy]) -> tuple[Any, ...]:
        """The sample's images with boxes blackened in one of them."""
        media: list[Any] = list(sample.images)
        make = _masking(boxes)
        media[self.image] = setting.images.derive(media[self.image], op, {"boxes": [list(b) for b in boxes]}, make)
        return tuple(media)


class EvidenceMask(_BoxCheck):
    """The evidence blackened. DeFacto (tinnel123666888/defacto) wants "unknown" then; `expect: gold` asks whether the
    old answer still comes, which the evidence then did not decide."""

    type: Literal["evidence_mask"] = "evidence_mask"
    expect: Literal["gold", "abstain"] = "gold"

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of a sample with evidence."""
        boxes = self.evidence(sample)
        if not boxes:
            return
        media = self.masked(sample, setting, "evidence_mask", boxes)
        if self.expect == "abstain":
            yield Change(media=media, answer=AbstainAnswer(raw="unknown"), verifier="abstain")
        else:
            yield Change(media=media)


class RandomMask(_BoxCheck):
    """Boxes as large as the evidence, but elsewhere: the answer must not change (DeFacto's `random` row)."""

    type: Literal["random_mask"] = "random_mask"

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of a sample with evidence. Refusal: `no_room` where the evidence leaves none."""
        evidence = self.evidence(sample)
        if not evidence:
            return
        item = sample.images[self.image]
        boxes = random_boxes((item["width"], item["height"]), evidence, f"{setting.seed}:{sample.id}")
        if boxes is None:
            yield Refusal("", "no_room", {"boxes": [list(b) for b in evidence]})
        else:
            yield Change(media=self.masked(sample, setting, "random_mask", boxes))


def _masking(boxes: list[Xyxy]) -> Any:
    def make(image: Image.Image) -> Image.Image:
        return box_mask(image, boxes)

    return make


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(v, int | float) for v in value)


def _to_pixels(xyxy: tuple[float, float, float, float], coord: Coord, item: Mapping[str, Any]) -> Xyxy:
    width, height = float(item["width"]), float(item["height"])
    if coord.space == "pixel":
        across, down = width / (coord.width or width), height / (coord.height or height)
    else:
        unit = 1.0 if coord.space == "norm1" else 1000.0
        across, down = width / unit, height / unit
    x1, y1, x2, y2 = xyxy
    return x1 * across, y1 * down, x2 * across, y2 * down
