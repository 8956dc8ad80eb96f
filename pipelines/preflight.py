"""What can be known to fail before anything starts: engines, models, sources, encoders, templates, the workspace."""

from pipelines.job import Job
from schemas.errors import ConfigError


def check(job: Job) -> None:
    """Raise ConfigError, StoreError or MissingDependencyError with one sentence for the first thing that cannot work."""
    from generators.engines.select import check_engine
    from generators.signals.forced import check_signals
    from pipelines.faults import check_steps
    from pipelines.release.card import check_template
    from pipelines.sources.read import check_source
    from pipelines.steps.decontaminate import DecontaminateConfig, sources_of
    from pipelines.steps.evaluation_sets import unread

    check_steps(job.compiled)
    build, pipeline = job.build, job.compiled.pipeline
    for source in build.recipe.sources:
        check_source(source)
    asked = {model for step in pipeline.steps for model in (*step.models, *step.type.loads(step.config))}
    for name, config in build.recipe.models.items():
        if name in asked:
            check_engine(config)
    _ = build.identities
    for step in pipeline.steps:
        try:
            for name in step.type.loads(step.config):
                check_signals(build.recipe.models[name])
            if isinstance(step.config, DecontaminateConfig):
                for evaluation in unread(build, sources_of(step.config)):
                    check_source(evaluation)
            step.type.facts(step.config, build)  # which names encoders and evaluation sets
            card = getattr(step.config, "card", None)
            if step.type.name == "release" and card is not None:
                check_template(card)
        except ConfigError as error:
            if type(error) is not ConfigError:
                raise
            raise ConfigError(f"{step.place}: {step.name}: {error}") from None
    build.workspace.prepare(build.recipe.name)
