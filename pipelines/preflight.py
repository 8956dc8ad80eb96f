"""What can be known to fail before anything starts: engines, models, sources, encoders, templates, the workspace."""

from pipelines.job import Job
from schemas.errors import ConfigError


def check(job: Job) -> None:
    """Raise ConfigError, StoreError or MissingDependencyError with one sentence for the first thing that cannot work."""
    from generators.engines.select import check_engine
    from pipelines.faults import check_steps
    from pipelines.sources.read import check_source

    check_steps(job.compiled)
    build, pipeline = job.build, job.compiled.pipeline
    for source in build.recipe.sources:
        check_source(source, build.recipe.ingest.reading)
    asked = {model for step in pipeline.steps for model in (*step.models, *step.type.loads(step.config))}
    for name, config in build.recipe.models.items():
        if name in asked:
            check_engine(config)
    clusters = {
        name: config.ray.address for name, config in build.recipe.models.items() if name in asked and config.ray
    }
    if len(set(clusters.values())) > 1:
        named = ", ".join(f"{name}: {address}" for name, address in clusters.items())
        raise ConfigError(f"the models have replicas on different Ray clusters ({named}), and a build joins one")
    _ = build.identities
    for step in pipeline.steps:
        try:
            step.type.check(step.config, build)
            step.type.facts(step.config, build)  # which names encoders and evaluation sets
        except ConfigError as error:
            if type(error) is not ConfigError:
                raise
            raise ConfigError(f"{step.place}: {step.name}: {error}") from None
    build.workspace.prepare(build.recipe.name)
