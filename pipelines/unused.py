"""Parts of a recipe that have no effect: they are refused or noted before anything starts."""

from collections.abc import Callable, Iterator

from filters.difficulty_step import DifficultyStepConfig
from filters.pair import PairConfig
from generators.asking.config import AskConfig
from pipelines.bare_pairs import pairs_thoughts
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.job import Compiled
from pipelines.steps.as_asked import ask_of
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_plan import plan
from pipelines.steps.split import SHARES, SplitConfig
from schemas.errors import nearest
from schemas.tags import TAG_SCHEMAS, thoughts


def unused_models(compiled: Compiled) -> list[str]:
    """A sentence for each model that no step asks or loads."""
    steps = compiled.pipeline.steps
    used = {model for step in steps for model in (*step.models, *step.type.loads(step.config))}
    places, path = compiled.document.places, str(compiled.document.path)
    return [
        f"{places.get(('models', name), path)}: models.{name}: no step asks it."
        for name in compiled.document.models
        if name not in used
    ]


def _unread(compiled: Compiled, step: Step) -> Iterator[str]:
    """A preset says what it is for, so that nobody reads it is a mistake, where the recipe releases what it makes."""
    if step.type.expand is not None and _releases(compiled):
        yield from _reads_nobody(compiled, step)


def _asked_for_its_own_sake(compiled: Compiled, step: Step) -> Iterator[str]:
    if step.type.expand is None or not _releases(compiled):
        yield from _reads_nobody(compiled, step)


def _reads_nobody(compiled: Compiled, step: Step) -> Iterator[str]:
    if step.name not in compiled.pipeline.unread or ask_of(step) is None:
        return
    cost = "and its completions cost what others cost"
    if step.makes is not None:
        yield f"no step works on the {step.makes} rows that it makes, {cost}; release them, or take it out."
    else:
        names = " or ".join(f"`{name}`" for name in step.gives)
        yield f"nothing reads {names}, {cost}; let a step read it, name it in `columns` of a config, or take it out."


def _releases(compiled: Compiled) -> bool:
    return any(step.type.last for step in compiled.pipeline.steps)


def _enough_rollouts(compiled: Compiled, step: Step) -> Iterator[str]:
    """Of `difficulty`: that as many replies as `min_n` are asked for, and some of the model that is counted."""
    config = step.config
    if not isinstance(config, DifficultyStepConfig):
        return
    makers = [compiled.pipeline.step(name) for name in sorted(step.beside["counted"].node.makers)]
    asks = [(maker, found) for maker in makers if (found := ask_of(maker)) is not None]
    if len(asks) < len(makers):
        return
    models = list(dict.fromkeys(model for _, found in asks for model in found.models))
    if config.model is not None and config.model not in models:
        hint = nearest(config.model, models)
        yield f"model: its replies are of {', '.join(models)}, and none of '{config.model}'.{hint}"
    elif config.min_n is not None and config.to is None:
        least = sum(_least(maker, found) for maker, found in asks if config.model in (None, *found.models))
        if config.min_n > least:
            names = " and ".join(f"'{maker.name}'" for maker, _ in asks)
            yield (
                f"min_n: {config.min_n} replies must count, and {names} may ask for no more than {least}; lower the one or "
                "raise the other."
            )


def _least(maker: Step, found: AskConfig) -> int:
    """How many replies a row may get: those before the first look, where asking stops early."""
    adaptive = getattr(maker.config, "adaptive", None)
    return found.n if adaptive is None else min(found.n, adaptive.first)


def _two_sides(compiled: Compiled, step: Step) -> Iterator[str]:
    """Of `pair`: that a prompt may have two replies. Rows of several steps may go on from one another."""
    config = step.config
    if not isinstance(config, PairConfig) or len(step.node.makers) != 1:
        return
    [maker] = step.node.makers
    found = ask_of(compiled.pipeline.step(maker))
    if found is not None and found.n * (len(found.models) if config.across_models else 1) < 2:
        yield f"a pair needs two replies to a prompt, and '{maker}' asks for n: {found.n}; set it to 2 or more."


def _fills_its_configs(compiled: Compiled, step: Step) -> Iterator[str]:
    """Of `release`: that a config named like a side gets rows, that replies have what its tags ask for, and that children
    are made from its rows."""
    config = step.config
    if not isinstance(config, ReleaseConfig):
        return
    before = Before(compiled.pipeline.names, compiled.pipeline.before(step))
    shares = _shares(compiled)
    for one in plan(config, before):
        if shares.get(one.name) == 0 and one.name not in config.allow_empty:
            yield f"{one.name}: the side '{one.name}' has no share of the groups; give it one in `split`."
        parts = thoughts(TAG_SCHEMAS[one.tags])
        if one.holds == "completions" and not one.as_given and len(parts) > 1 and one.selected_by is None:
            fit = ", ".join(name for name, schema in TAG_SCHEMAS.items() if len(thoughts(schema)) == 1)
            yield (
                f"{one.name}: '{one.tags}' asks for {', '.join(parts)} beside the answer, and its replies have one "
                f"reasoning; ask for them with `reply: {{tags: {one.tags}}}`, or take one of {fit}."
            )
        for unit in one.section.with_:
            above = before.parents(unit)
            if one.node.unit not in above or not one.node.makers & {*above[one.node.unit]}:
                made = " and ".join(above) or "nothing"
                yield f"{one.name}.with: rows of {unit} are made from {made}, not from those of '{one.name}'."
    if "extras" in config.model_fields_set and config.extras and not any(s.type.name == "select" for s in before.steps):
        yield f"extras: nothing selects, so there is no {' and no '.join(config.extras)}; take it out."


def _keeps_sides_back(compiled: Compiled, step: Step) -> Iterator[str]:
    config = step.config
    if not isinstance(config, ReleaseConfig):
        return
    before = Before(compiled.pipeline.names, compiled.pipeline.before(step))
    taken = {side for one in plan(config, before) if one.selected_by is None for side in one.sides or ()}
    for side, share in _shares(compiled).items():
        if share != 0 and side not in taken:
            yield f"no config takes the rows of side '{side}', so none go out; `{side}: {{of: sample}}` releases them."


def _shares(compiled: Compiled) -> dict[str, float | None]:
    """The sides that a recipe deals samples to, each with its share; None where a condition decides."""
    for step in compiled.pipeline.steps:
        if isinstance(step.config, SplitConfig):
            shares = step.config.shares
            return dict.fromkeys(step.config.sides) if step.config.sides else {s: getattr(shares, s) for s in SHARES}
    return {}


Check = Callable[[Compiled, Step], Iterator[str]]
FAULTS: tuple[Check, ...] = (_unread, _enough_rollouts, _two_sides, pairs_thoughts, _fills_its_configs)
NOTES: tuple[Check, ...] = (_asked_for_its_own_sake, _keeps_sides_back)
