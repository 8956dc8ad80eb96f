"""Sections of a recipe that name encoders or evaluation sets; they know nothing of the stages that read them."""

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from filters.assign import AssignConfig
from filters.decontaminate.benchmarks import known_benchmarks
from filters.decontaminate.contaminated import DecontaminateConfig
from filters.dedup.embedding import NearConfig
from filters.dedup.exact import ExactConfig
from filters.dedup.image_hash import ImageHashConfig
from filters.dedup.minhash import MinHashConfig
from filters.select.select import SelectConfig, clusters_wanted
from generators.encoders import EncoderConfig
from pipelines.sources.source import Source
from schemas.section import Section


class DedupConfig(Section):
    """What counts as a twin, level by level; null leaves a level out. Meanings are compared where there is an encoder."""

    exact: ExactConfig = ExactConfig()
    minhash: MinHashConfig | None = Field(default=MinHashConfig(), description="nearly the same words, the same media")
    image_hash: ImageHashConfig | None = Field(
        default=ImageHashConfig(), description="the same question about the same picture in another encoding or size"
    )
    text: EncoderConfig | None = Field(
        default=None, description="encoder of questions; null: meanings are not compared"
    )
    image: EncoderConfig | None = Field(default=None, description="encoder of images; needed where rows have images")
    near: NearConfig = NearConfig()


class DecontaminateSection(Section):
    """Against which evaluation sets, by name or as sources of one's own, and what counts as a hit."""

    against: tuple[str, ...] = Field(default=(), description="ready entries, such as MathVista or MMMU")
    sources: tuple[Source, ...] = Field(default=(), description="other evaluation sets: files, folders or hub ids")
    rule: DecontaminateConfig = DecontaminateConfig()
    text: EncoderConfig | None = Field(default=None, description="encoder of questions; dedup's where not given")
    image: EncoderConfig | None = Field(default=None, description="encoder of images; dedup's where not given")
    embeddings: bool = Field(default=True, description="compare meanings, where there is an encoder of questions")

    @model_validator(mode="after")
    def _named(self) -> Self:
        for name in self.against:
            if name not in known_benchmarks():
                raise ValueError(f"no evaluation set '{name}'; ready entries: {', '.join(known_benchmarks())}")
        names = [*self.against, *(source.name for source in self.sources)]
        if not names:
            raise ValueError("name evaluation sets in 'against', or give 'sources' of your own")
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two evaluation sets are named '{twice[0]}'")
        return self


class Encoders(NamedTuple):
    """The encoders that meanings are compared by, if any."""

    text: EncoderConfig | None
    image: EncoderConfig | None


class NearQuestions(NearConfig):
    """When two questions are so near that one side must hold both; they need not have the same answer."""

    match_answer: bool = False


class SplitSection(AssignConfig):
    """The shares of the sides, and what ties rows together beside a shared medium, group or parent."""

    near_questions: NearQuestions | None = Field(
        default=NearQuestions(), description="near questions share a group, where `dedup` has a `text` encoder"
    )
    same_pictures: ImageHashConfig | None = Field(
        default=ImageHashConfig(), description="pictures that differ in encoding or size only share a group"
    )


class VectorsSection(Section):
    """What makes two candidates alike, for coverage and for clusters."""

    by: tuple[Literal["text", "image"], ...] | None = Field(
        default=None, min_length=1, description="compare questions, pictures or both; null: all that has an encoder"
    )
    text: EncoderConfig | None = Field(default=None, description="encoder of questions; dedup's where not given")
    image: EncoderConfig | None = Field(default=None, description="encoder of images; dedup's where not given")
    text_share: float = Field(default=0.5, ge=0, le=1, description="weight of the question where both are compared")


class SelectSection(SelectConfig):
    """What is worth training on, how much of it, and what makes two samples alike."""

    vectors: VectorsSection = VectorsSection()


def reader(config: SelectConfig) -> str | None:
    """The part of a selection that compares vectors, by its place in the recipe; None where none does."""
    if config.coverage is not None:
        return "select.coverage"
    return "select.quotas.by: [cluster]" if clusters_wanted(config) else None


def select_encoders(config: SelectSection | None, dedup: DedupConfig | None) -> Encoders:
    """The encoders of what selection compares: its own, else those of `dedup`; none where it compares nothing."""
    if config is None or reader(config) is None:
        return Encoders(None, None)
    by = config.vectors.by or ("text", "image")
    text = config.vectors.text or (dedup.text if dedup else None)
    image = config.vectors.image or (dedup.image if dedup else None)
    return Encoders(text if "text" in by else None, image if "image" in by else None)
