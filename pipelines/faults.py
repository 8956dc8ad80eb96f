"""What a compiled recipe tells of itself before anything is asked: steps that cannot do what they say, a sentence each."""

from collections.abc import Callable, Iterator

from filters.select.quota import OTHERS
from filters.verify.graders import GRADERS
from filters.verify.round_trip import misread
from filters.verify.step import VerifyConfig
from generators.engines.capability import constrains, form_fault, thinks
from generators.models import reads_images
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.job import Compiled
from pipelines.measured_notes import has_less_time, looks_for_what_nobody_asks, puts_other_words
from pipelines.steps.as_asked import ask_of
from pipelines.steps.dedup import DedupConfig
from pipelines.steps.ingest import describes_images
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_plan import plan
from pipelines.steps.select import SelectConfig
from pipelines.unused import FAULTS, NOTES, unused_models
from schemas.completion import Constraint
from schemas.errors import ConfigError, nearest
from schemas.tags import TAG_SCHEMAS, thoughts


def check_steps(compiled: Compiled) -> None:
    """Raise ConfigError, a line each, for what no row of a build could make good."""
    found = [*_each(compiled, _FAULTS)]
    if found:
        raise ConfigError("\n".join(found))


def notes(compiled: Compiled) -> list[str]:
    """What a user should know of a recipe that can be built."""
    return [*unused_models(compiled), *_each(compiled, _NOTES)]


Check = Callable[[Compiled, Step], Iterator[str]]


def _each(compiled: Compiled, checks: tuple[Check, ...]) -> Iterator[str]:
    for step in compiled.pipeline.steps:
        for check in checks:
            yield from (f"{step.place}: {step.name}: {sentence}" for sentence in check(compiled, step))


def _all_have_images(compiled: Compiled) -> bool:
    return all(source.all_images for source in compiled.document.sources)


def _sees_what_it_is_shown(compiled: Compiled, step: Step) -> Iterator[str]:
    asks = ask_of(step)
    if asks is None or "media" not in asks.shown or not _all_have_images(compiled):
        return
    for name in asks.models:
        if reads_images(compiled.document.models[name]) is False:
            yield (
                f"every row has images, and '{name}' reads text only; name a model that sees them, or set `sees: nothing` "
                "and let the prompt read a caption."
            )


def _reads_what_it_cannot_see(compiled: Compiled, step: Step) -> Iterator[str]:
    asks = ask_of(step)
    if asks is None or asks.shown or asks.makes != "trace" or not _all_have_images(compiled):
        return
    facts = compiled.pipeline.names.facts
    if not any(describes_images(column, facts) for column in step.read):
        yield (
            "every row has images, and a model that sees nothing has to read of them; let the prompt name a column that a "
            "`caption` step gives, or set `sees: media`."
        )


def _holds_replies_to_their_form(compiled: Compiled, step: Step) -> Iterator[str]:
    for name, form in _forms(compiled, step):
        model = compiled.document.models[name]
        fault = form_fault(model, form)
        if fault is not None and form.kind in constrains(model):
            yield f"{fault}."


def _reads_replies_as_they_come(compiled: Compiled, step: Step) -> Iterator[str]:
    for name, form in _forms(compiled, step):
        model = compiled.document.models[name]
        fault = form_fault(model, form)
        if fault is not None and form.kind not in constrains(model) and not thinks(model):
            yield f"{fault}. They are read as they come, and those without the form are `unreadable`."


def _forms(compiled: Compiled, step: Step) -> Iterator[tuple[str, Constraint]]:
    from generators.asking.requests import Asking

    asks = ask_of(step)
    form = None if asks is None else Asking(asks).constraint
    for name in asks.models if asks is not None and form is not None else ():
        yield name, form  # type: ignore[misc]  # a form is none only where there is no model to go through


def _verifies_the_final_answer(compiled: Compiled, step: Step) -> Iterator[str]:
    """The text of a reply is as it came, whatever a later step made of its answer."""
    if not isinstance(step.config, VerifyConfig) or step.config.column is not None or step.config.tags is not None:
        return
    before = Before(compiled.pipeline.names, compiled.pipeline.before(step))
    [read] = {column.name for column in step.sources["response"].columns}
    givers = [c.step for c in compiled.pipeline.names.columns(step.node, "final") if c.step not in step.node.makers]
    if read == "text" and "final" in before.own(step.node) and givers and not before.edited(step.node, "text"):
        yield (
            f"'{givers[-1]}' gives `final` anew, and this reads `text`, the reply as it came; write `column: final`, or "
            "`column: text` where that is meant."
        )


def _compares_images(compiled: Compiled, step: Step) -> Iterator[str]:
    config = step.config
    if not isinstance(config, DedupConfig) or config.text is None or config.image is not None:
        return
    for source in compiled.document.sources:
        if source.all_images:
            yield (
                f"the rows of source '{source.name}' have images, so `image` is needed beside `text`, such as "
                "{model: openai/clip-vit-base-patch32}. Or leave `text` out."
            )
            return


def _passes_some_count(compiled: Compiled, step: Step) -> Iterator[str]:
    from filters.select.select import rule_of

    config = step.config
    if not isinstance(config, SelectConfig) or "k" not in step.sources:
        return
    for column in step.sources["k"].columns:
        for counted in compiled.pipeline.step(column.step).beside.values():
            for maker in sorted(counted.node.makers):
                asks = ask_of(compiled.pipeline.step(maker))
                window = None if asks is None else rule_of(config).window(config.rule, asks.n)
                if asks is not None and window is not None and window[0] > window[1]:
                    yield (
                        f"rule {config.rule.type} lets no number of right replies out of {asks.n} pass, and '{maker}' asks "
                        f"for n: {asks.n}; raise it, or widen the rule's window."
                    )


def _shares_of_known_sources(compiled: Compiled, step: Step) -> Iterator[str]:
    quotas = step.config.quotas if isinstance(step.config, SelectConfig) else None
    if quotas is None or quotas.by != ("source",) or "source" in step.config.columns:
        return
    names = [source.name for source in compiled.document.sources]
    shares = quotas.shares if isinstance(quotas.shares, dict) else {}
    for key, label in (*(("shares", label) for label in shares), *(("caps", label) for label in quotas.caps)):
        if label not in (*names, OTHERS):
            yield f"`quotas.{key}`: no source is named '{label}'; there are {', '.join(names)}.{nearest(label, names)}"


def _gated(compiled: Compiled, step: Step) -> Iterator[str]:
    yield from _misread(compiled, step, named=True)


def _not_gated(compiled: Compiled, step: Step) -> Iterator[str]:
    yield from _misread(compiled, step, named=False)


def _misread(compiled: Compiled, step: Step, *, named: bool) -> Iterator[str]:
    """The configs of completions in which the trainer's own grader reads no right answer of some kind; `named` are those of
    a trainer that the recipe names itself."""
    config = step.config
    if not isinstance(config, ReleaseConfig) or config.trainer is None:
        return
    if named != ("trainer" in config.model_fields_set):
        return
    before = Before(compiled.pipeline.names, compiled.pipeline.before(step))
    for planned in plan(config, before):
        kinds = misread(config.trainer, planned.tags) if planned.holds == "completions" else ()
        if (
            not kinds or planned.selected_by is not None
        ):  # what lies beside a selection is laid out as what it is beside
            continue
        fits = [tags for tags, schema in TAG_SCHEMAS.items() if len(thoughts(schema)) < 2]
        fits = [tags for tags in fits if not misread(config.trainer, tags)]
        cure = f"set `tags` to one of {', '.join(fits)}, or `trainer: null`"
        graders = [name for name in GRADERS if not misread(name, planned.tags)]
        cure += f", or `trainer` to {' or '.join(graders)}" if graders else ""
        fact = (
            f"{config.trainer}'s own grader reads no {_or(kinds)} answer in '{planned.name}', whose completions are "
            f"laid out as '{planned.tags}'"
        )
        end = "it would give every such row 0" if named else "it is asked about none of them, and golds alone"
        yield f"{fact}, so {end}; {cure}, and train with the reward that comes with the release."


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


_FAULTS: tuple[Check, ...] = (
    _sees_what_it_is_shown, _reads_what_it_cannot_see, _holds_replies_to_their_form, _compares_images,
    _verifies_the_final_answer,
    _passes_some_count, _shares_of_known_sources, _gated, *FAULTS,
)  # fmt: skip
_NOTES: tuple[Check, ...] = (
    _reads_replies_as_they_come, looks_for_what_nobody_asks, puts_other_words, has_less_time, _not_gated, *NOTES,
)  # fmt: skip
