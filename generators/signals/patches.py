"""Which patches of a image a signal hides."""

from pydantic import Field

from schemas.section import Section


class PatchConfig(Section):
    """Black squares on a image (PAPO, arXiv 2507.06448), placed by the seed and the image's hash."""

    patch: int = Field(default=14, ge=1, description="side of a square in pixels of the stored image")
    p: float = Field(default=0.6, ge=0, le=1, description="chance of each square to be black")
    seed: int = Field(default=0, description="another seed, other squares")
