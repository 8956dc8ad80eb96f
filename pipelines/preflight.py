"""What can be known to fail before anything starts: engines, models, sources, the workspace."""

from generators.encoders import EncoderConfig, Kind, check_encoder
from generators.models import reads_images
from pipelines.recipe.recipe import Recipe
from pipelines.release.card import check_template
from pipelines.road.decontaminate import facts, sources_of
from pipelines.road.dedup import encoder_identities
from pipelines.road.gate import check_gate
from pipelines.road.selection import check_vectors
from pipelines.road.selection import encoder_identities as selection_encoders
from pipelines.road.stage import Build
from pipelines.road.steps.candidates import check_candidates
from pipelines.sources.easy_vqa import EasyVqaSource
from pipelines.sources.image_folder import ImageFolderSource
from pipelines.sources.read import check_source
from pipelines.sources.scenes import ScenesSource
from pipelines.steps.evaluation_sets import unread
from schemas.errors import ConfigError, nearest
from schemas.tags import TAG_SCHEMAS, thoughts

PICTURED = (EasyVqaSource, ImageFolderSource, ScenesSource)
"""Sources in which every row has a picture."""


def check(build: Build) -> None:
    """Raise ConfigError, StoreError or MissingDependencyError with one sentence for the first thing that cannot work."""
    from generators.engines.select import check_engine
    from generators.signals.forced import check_signals

    recipe = build.recipe
    check_recipe(recipe)
    for source in recipe.sources:
        check_source(source)
    if recipe.decontaminate is not None:
        for evaluation in unread(build, sources_of(recipe.decontaminate)):
            check_source(evaluation)
        facts(build)
    for config in recipe.models.values():
        check_engine(config)
    if recipe.signals is not None:
        for name in recipe.signals.models:
            check_signals(recipe.models[name])
    encoder_identities(build)
    selection_encoders(build)
    if recipe.release.card is not None:
        check_template(recipe.release.card)
    _ = build.identities
    build.workspace.prepare(recipe.name)


def check_recipe(recipe: Recipe) -> None:
    """Raise ConfigError for what the recipe alone tells: sections that need or contradict one another."""
    try:
        _check_tags(recipe)
        check_gate(recipe)
        _check_sight(recipe)
        check_candidates(recipe)
        _check_dedup(recipe)
        check_vectors(recipe)
        _check_encoders(recipe)
    except ConfigError as error:
        if type(error) is not ConfigError:
            raise
        raise ConfigError(recipe.placed(str(error))) from None


def _check_tags(recipe: Recipe) -> None:
    """Raise ConfigError for a tag schema that there is not, or that no trace can be written in."""
    named = [("verify", recipe.verify.tags), ("rollouts", recipe.rollouts.tags if recipe.rollouts else None)]
    named += [(f"checks.{number}", check.tags) for number, check in enumerate(recipe.checks)]
    for section, name in named:
        if name is not None and name not in TAG_SCHEMAS:
            hint = nearest(name, TAG_SCHEMAS)
            raise ConfigError(
                f"{section}.tags: there is no tag schema '{name}'.{hint} Schemas: {', '.join(TAG_SCHEMAS)}."
            )
    parts = thoughts(TAG_SCHEMAS[recipe.verify.tags])
    if recipe.distill is not None and len(parts) > 1:
        fit = ", ".join(name for name, schema in TAG_SCHEMAS.items() if len(thoughts(schema)) == 1)
        raise ConfigError(
            f"verify.tags: '{recipe.verify.tags}' asks for {', '.join(parts)} beside the answer, and a trace has one "
            f"reasoning; take one of {fit}."
        )


def _check_sight(recipe: Recipe) -> None:
    """Raise ConfigError where every row has images and the teacher is asked about none, or a model reads no images."""
    if not all(isinstance(source, PICTURED) for source in recipe.sources):
        return
    teacher = recipe.teacher
    if teacher is not None and teacher.sees == "nothing" and recipe.caption is None:
        raise ConfigError(
            "distill.sees: every row has images, and a teacher that sees nothing has to be told of them; add a `caption` "
            "section, or set it to media."
        )
    shown = [("caption.model", recipe.caption.model)] if recipe.caption else []
    shown += [("distill.model", teacher.model)] if teacher is not None and teacher.sees == "media" else []
    shown += [("rollouts.model", name) for name in (recipe.rollouts.models if recipe.rollouts else ())]
    for key, name in shown:
        if reads_images(recipe.models[name]) is False:
            raise ConfigError(
                f"{key}: every row has images, and '{name}' reads text only; name a model that sees them."
            )


def _check_dedup(recipe: Recipe) -> None:
    """Raise ConfigError where pictures are sure to come and no encoder is there to compare them."""
    config = recipe.dedup
    if config is None or config.text is None or config.image is not None:
        return
    for source in recipe.sources:
        if isinstance(source, PICTURED):
            raise ConfigError(
                f"dedup.text: the rows of source '{source.name}' have pictures, so dedup.image is needed too, such as "
                "{model: openai/clip-vit-base-patch32}. Or leave dedup.text out."
            )


def _check_encoders(recipe: Recipe) -> None:
    """Raise ConfigError for a model that is named as an encoder and can be none of that kind."""
    vectors = recipe.select.vectors if recipe.select else None
    sections = {"dedup": recipe.dedup, "decontaminate": recipe.decontaminate, "select.vectors": vectors}
    for place, section in sections.items():
        kinds: tuple[Kind, ...] = ("text", "image")
        for kind in kinds:
            config: EncoderConfig | None = getattr(section, kind, None)
            if config is not None:
                try:
                    check_encoder(config, kind)
                except ConfigError as error:
                    raise ConfigError(f"{place}.{kind}.model: {error}") from None
