"""The recipe: one YAML file that tells the whole story of a data set, checked to the last key before anything starts."""

from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr, model_validator

from filters.checks.rules import CheckRules
from filters.difficulty import DifficultyConfig
from filters.preference import PreferenceConfig
from filters.select.trace_choice import TracesConfig
from filters.trace_quality import QualityConfig
from filters.trace_verdicts import VerifyConfig
from filters.verify.judge import JudgeConfig
from generators.caption import CaptionConfig
from generators.checks.catalogue import CheckConfig, ChecksConfig
from generators.checks.reverify import Reverify
from generators.distill import DistillConfig
from generators.rewrite import RewriteConfig
from generators.rollouts import RolloutsConfig
from generators.signals.section import SignalsConfig
from pipelines.ingest.ingest import IngestConfig
from pipelines.recipe.mistakes import Places, place_of
from pipelines.recipe.sections import DecontaminateSection, DedupConfig, SelectSection, SplitSection
from pipelines.release.rows import ReleaseConfig
from pipelines.run.driver import DriverConfig
from pipelines.sources.source import Source
from pipelines.store.workspace import BUILD_NAME
from schemas.engine import ModelConfig
from schemas.errors import nearest
from schemas.section import Section


class Recipe(Section):
    """All that decides a release, but for the sources' bytes and the log. A stage without its section is left out."""

    name: str = Field(pattern=f"^{BUILD_NAME}$", max_length=100, description="names the build and its releases")
    description: str = ""
    seed: int = Field(default=0, description="all chance in the build; sampling has a seed of its own")
    limit: int | None = Field(default=None, ge=1, description="at most so many samples, spread over the sources")
    models: dict[str, ModelConfig] = Field(default_factory=dict, description="the models, by the name that stages use")
    driver: DriverConfig = DriverConfig()
    sources: tuple[Source, ...] = Field(min_length=1)
    ingest: IngestConfig = IngestConfig()
    caption: CaptionConfig | None = None
    distill: DistillConfig | None = None
    verify: VerifyConfig = VerifyConfig()
    judge: JudgeConfig | None = Field(default=None, description="a model for the answers that no rule can score")
    rewrite: RewriteConfig | None = Field(default=None, description="mend traces that mention the caption")
    quality: QualityConfig | None = Field(
        default=QualityConfig(), description="limits on traces; null measures nothing"
    )
    traces: TracesConfig = Field(default=TracesConfig(), description="which right traces are trained on")
    rollouts: RolloutsConfig | None = None
    difficulty: DifficultyConfig = DifficultyConfig()
    checks: tuple[CheckConfig, ...] = Field(default=(), description="what samples are asked once more, changed")
    check_rules: CheckRules = CheckRules()
    dedup: DedupConfig | None = None
    decontaminate: DecontaminateSection | None = Field(default=None, description="evaluation sets to keep out")
    signals: SignalsConfig | None = Field(default=None, description="what the student's insides say of each sample")
    split: SplitSection = SplitSection()
    select: SelectSection | None = None
    preference: PreferenceConfig | None = Field(default=None, description="pairs of a right and a wrong response")
    release: ReleaseConfig = ReleaseConfig()

    _places: tuple[Places, Path] | None = PrivateAttr(default=None)

    def placed(self, message: str) -> str:
        """A sentence that starts with a key, with the file and line of that key before it, where they are known."""
        return f"{place_of(message, *self._places)}: {message}" if self._places else message

    def place(self, places: Places, path: Path) -> None:
        """Remember where each key stands in the recipe's file."""
        self._places = places, path

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for stage in ("caption", "distill", "rewrite", "rollouts", "judge", "signals"):
            section = getattr(self, stage)
            named = () if section is None else section.models if stage in {"rollouts", "signals"} else (section.model,)
            if stage == "rewrite" and named == (None,):
                continue  # a table of phrases does it
            for model in named:
                if model not in self.models:
                    raise ValueError(f"{stage}.model: no model named '{model}'.{nearest(model, self.models)}")
                if named.count(model) > 1:
                    raise ValueError(f"{stage}.model: '{model}' is named twice.")
        self._signals_of_students()
        told = {"rollouts": self.rollouts, "traces": self.distill}
        if self.preference is not None and told[self.preference.responses] is None:
            part = {"rollouts": "rollouts", "traces": "distill"}[self.preference.responses]
            raise ValueError(f"preference: pairs of {self.preference.responses} need a `{part}` section.")
        self._consistent_checks()
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"sources: two sources are named '{name}'; give each a name of its own.")
        return self

    @property
    def teacher(self) -> DistillConfig | None:
        """`distill`, with what its teacher sees decided by whether captions are written."""
        return None if self.distill is None else self.distill.seeing(captions=self.caption is not None)

    @property
    def sides(self) -> SplitSection:
        """`split`, as samples are dealt: without traces nothing can stand in `sft`, so its share is `rl`'s."""
        if self.distill is not None:
            return self.split
        return self.split.model_copy(update={"sft": 0.0, "rl": self.split.rl + self.split.sft})

    def _signals_of_students(self) -> None:
        if self.signals is None:
            return
        if self.rollouts is None:
            raise ValueError("signals: signals are read on rollouts, so the recipe needs a `rollouts` section too.")
        for model in self.signals.models if self.signals.reads_replies else ():
            if model not in self.rollouts.models:
                raise ValueError(f"signals.model: '{model}' has no rollouts to read; name it in rollouts.model too.")

    def _consistent_checks(self) -> None:
        if not self.checks:
            return
        if self.rollouts is None:
            raise ValueError("checks: they are variants of the student's rollouts; add a `rollouts` section.")
        for name in ChecksConfig(checks=self.checks, rollouts=self.rollouts).models():
            if name not in self.models:
                raise ValueError(f"checks: no model named '{name}'.{nearest(name, self.models)}")
        labels = [check.label for check in self.checks]
        for check in self.checks:
            if labels.count(check.label) > 1:
                raise ValueError(f"checks: two checks are named '{check.label}'; give each a `name` of its own.")
            if "caption" in check.needs and self.caption is None:
                raise ValueError(f"checks: '{check.label}' reads captions; add a `caption` section.")
            if "verify" in check.needs and self.distill is None:
                raise ValueError(f"checks: '{check.label}' reads traces; add a `distill` section.")
            unseen = self.distill is not None and not self.distill.gold_visible
            if isinstance(check, Reverify) and check.traces == "gold_visible" and unseen:
                raise ValueError(
                    f"checks: '{check.label}' reads traces that saw the gold answer, and `distill.prompt` does not name "
                    "{answer}; set its `traces` to all, or name it."
                )
