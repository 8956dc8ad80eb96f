"""The recipe: one YAML file that tells the whole story of a data set, checked to the last key before anything starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, PrivateAttr, ValidationError, model_validator

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
from generators.models import is_template_file
from generators.rewrite import RewriteConfig
from generators.rollouts import RolloutsConfig
from generators.signals.section import SignalsConfig
from pipelines.ingest.ingest import IngestConfig
from pipelines.recipe.mistakes import Places, Where, mistakes, place_of
from pipelines.recipe.unused import check_unused
from pipelines.release.rows import ReleaseConfig
from pipelines.road.decontaminate import DecontaminateSection
from pipelines.road.dedup import DedupConfig
from pipelines.road.groups import SplitSection
from pipelines.road.selection import SelectSection
from pipelines.run.driver import DriverConfig
from pipelines.sources.source import Source
from pipelines.store.allowed_paths import resolved_inside
from pipelines.store.workspace import BUILD_NAME, TRIAL
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, nearest
from schemas.section import Section

RECIPES = Path(__file__).parents[1] / "recipes"

_MOST_KEYS = 100_000


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
        check_unused(self)
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


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that comes with curate."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise ConfigError(f"There is no recipe file '{name}'.")
        return path
    known = sorted(p.stem for p in RECIPES.glob("*.yaml"))
    if name not in known:
        raise ConfigError(
            f"There is no recipe '{name}'.{nearest(name, known)} Recipes here: {', '.join(known)}; or give a path."
        )
    return RECIPES / f"{name}.yaml"


def load_recipe(
    name: str, overrides: Sequence[str] = (), *, limit: int | None = None, seed: int | None = None
) -> Recipe:
    """Read and check a recipe. `overrides` are `a.b=value` texts, values in YAML, list items by number.

    With a limit or a seed that is not the file's own it is a trial, and its name says so
    (`pipelines.store.workspace.TRIAL`).
    Raises ConfigError with every mistake on a line of its own: file, line, key, what is wrong, the nearest valid name.
    """
    path = find_recipe(name)
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _lines(node, path)  # which also bounds what aliases stand for, before they are written out
        tree = _values(text)
    except RecursionError:
        raise ConfigError(f"{path}: not a recipe: it is nested too deeply, or an alias holds itself.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{place}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(tree, dict):
        held = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise ConfigError(f"{path}: a recipe is a mapping of sections; this file holds {held}.")
    for override in overrides:
        _override(tree, lines, override)
    name_ = tree.get("name")
    if isinstance(name_, str) and name_.endswith(TRIAL):
        place = lines.get(("name",), str(path))
        raise ConfigError(
            f"{place}: 'name': {TRIAL} ends the names of builds with --limit or --seed; choose another name."
        )
    for key, value in (("limit", limit), ("seed", seed)):
        if value is not None:
            tree[key] = value
            lines[(key,)] = f"--{key}"
    if isinstance(name_, str) and _is_trial(lines):
        tree["name"] = f"{name_}{TRIAL}"
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(mistakes(Recipe, error.errors(), lines, path))) from None
    recipe._places = lines, path
    return _with_own_files(recipe, path, [override.partition("=")[0].split(".") for override in overrides])


def _with_own_files(recipe: Recipe, path: Path, said: Sequence[Sequence[str]]) -> Recipe:
    """The recipe with its templates found from its own folder. What a template holds is published, or sent to a model, so a
    recipe may name none elsewhere; one given on the command line (keys `said`) is the user's own word, and stays."""

    def own(name: str, *keys: str) -> Path:
        if any(list(keys[: len(given)]) == list(given) for given in said):
            return Path(name)
        template = path.parent / Path(name).expanduser()
        if resolved_inside(template, [path.parent]) is None:
            key = ".".join(keys)
            raise ConfigError(
                recipe.placed(
                    f"{key}: '{name}' lies outside the recipe's folder, and a release or a model would be given what it "
                    f"holds. Copy the file beside the recipe, or name it with --set {key}=FILE."
                )
            )
        return template

    models = dict(recipe.models)
    for name, model in models.items():
        given = model.args.get("chat_template")
        if isinstance(given, str) and is_template_file(given):
            file = str(own(given, "models", name, "args", "chat_template"))
            models[name] = model.model_copy(update={"args": {**model.args, "chat_template": file}})
    release = recipe.release
    if release.card is not None:
        release = release.model_copy(update={"card": own(str(release.card), "release", "card")})
    return recipe.model_copy(update={"models": models, "release": release})


def _is_trial(lines: Places) -> bool:
    """Whether the command line says how many rows there are, or how chance falls: as a whole, or of a source."""
    decided = (where for where, place in lines.items() if place.startswith("--"))
    return any(where[-1] in {"limit", "seed"} and (len(where) == 1 or where[0] == "sources") for where in decided)


class _Loader(yaml.SafeLoader):
    """YAML whose every mistake is a YAMLError with its place; PyYAML lets those of Python's own readers through."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"'{str(node.value)[:40]}' is no value of the type {kind}; put it in quotes",
                node.start_mark,
            ) from None


def _values(text: str) -> Any:
    """What a YAML text holds. Raises YAMLError, or RecursionError where it is nested too deeply."""
    return yaml.load(text, Loader=_Loader)


def _lines(node: yaml.Node | None, path: Path) -> Places:
    """Where each key stands: `file:line` by path of keys. A key given twice is an error; YAML would keep the last."""
    places: Places = {}

    def walk(node: yaml.Node | None, where: Where) -> None:
        if len(places) > _MOST_KEYS:  # a few lines of aliases of aliases stand for more than any machine holds
            raise ConfigError(
                f"{path}: not a recipe: it has more than {_MOST_KEYS:,} keys and items once its aliases are written out."
            )
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*where, key.value)
                place = f"{path}:{key.start_mark.line + 1}"
                if here in places:
                    raise ConfigError(f"{place}: '{key.value}' is given twice, first at {places[here]}.")
                places[here] = place
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                places[(*where, number)] = f"{path}:{value.start_mark.line + 1}"
                walk(value, (*where, number))

    walk(node, ())
    return places


def _override(tree: dict[str, Any], lines: Places, override: str) -> None:
    """Apply one `a.b=value` to the tree."""
    name, found, value = override.partition("=")
    if not found or not name:
        raise ConfigError(f"--set {override}: write it as key=value, for example --set rollouts.n=16.")
    keys: list[str | int] = [int(k) if k.isdigit() else k for k in name.split(".")]
    try:
        new = _values(value)
    except RecursionError:
        raise ConfigError(f"--set {override[:80]}: not valid YAML: it is nested too deeply.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    target: Any = tree
    for place, key in enumerate(keys):
        inside = ".".join(map(str, keys[:place]))
        if isinstance(target, list):
            if not isinstance(key, int) or key >= len(target):
                raise ConfigError(f"--set {override}: there is nothing at '{key}'; '{inside}' has {len(target)} items.")
        elif not isinstance(target, dict) or isinstance(key, int):
            raise ConfigError(f"--set {override}: there is nothing at '{key}'; '{inside}' is {target!r}.")
        if place == len(keys) - 1:
            target[key] = new
        elif isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key]
    for stale in [where for where in lines if where[: len(keys)] == tuple(keys)]:
        del lines[stale]
    for length in range(1, len(keys)):
        lines.setdefault(tuple(keys[:length]), f"--set {override}")
    lines[tuple(keys)] = f"--set {override}"
    for inner in _keys(new):
        lines[(*keys, *inner)] = f"--set {override}"


def _keys(value: Any, levels: int = 10) -> Iterator[Where]:
    """The path of every key and item below a value."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in below if levels else ():
        yield (key,)
        yield from ((key, *more) for more in _keys(inner, levels - 1))
