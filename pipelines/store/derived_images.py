"""Images made from stored images: each made once, stored by its content, and known by what it was made from."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from pipelines.store.media import MediaStore
from schemas.ids import canonical_json

REMEMBERED = 65_536
"""Derived images whose hash is kept at hand; one that was forgotten is made again, to the same bytes."""


class DerivedImages:
    """Derives images into a media store. The same operation on the same image gives the same bytes (PNG)."""

    def __init__(self, media: MediaStore) -> None:
        self._media = media
        self._known: OrderedDict[str, str] = OrderedDict()

    def derive(
        self, media: Mapping[str, Any], op: str, params: Mapping[str, Any], make: Callable[[Image.Image], Image.Image]
    ) -> dict[str, Any]:
        """The media item of `make(image)`, whose size must be the image's own."""
        origin = canonical_json({"media": media["sha256"], "op": op, "params": dict(params)})
        sha256 = self._known.get(origin)
        if sha256 is None:
            sha256 = self._known[origin] = self._store(str(media["sha256"]), make)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return {**media, "sha256": sha256, "derived_from": origin}

    def _store(self, sha256: str, make: Callable[[Image.Image], Image.Image]) -> str:
        with Image.open(BytesIO(self._media.read(sha256))) as file:
            image = file.convert("RGB")
        out = BytesIO()
        make(image).save(out, "PNG")
        return self._media.put(out.getvalue(), "png")
