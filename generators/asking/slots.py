"""Which answer counts: of each reply that a row is owed, what was tried for it and how it was made to conclude."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from generators.asking.config import AskConfig
from generators.asking.outcomes import Answer, Outcome, concluded
from schemas.reading import Reading

Read = Callable[[Answer], Outcome]


@dataclass
class Slot:
    """One reply that a row is owed. Of its `tries` the first that can be read counts, or else the last."""

    config: AskConfig
    tries: list[Answer] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    conclusion: Answer | None = None

    @property
    def _counting(self) -> int:
        return next((i for i, outcome in enumerate(self.outcomes) if outcome.whole), len(self.outcomes) - 1)

    @property
    def last(self) -> Answer:
        return self.tries[-1]

    @property
    def counts(self) -> Answer:
        return self.tries[self._counting]

    @property
    def outcome(self) -> Outcome:
        """What the answer that counts gives, with the conclusion that it was made to come to."""
        own = self.outcomes[self._counting]
        return own if self.conclusion is None else concluded(own, self.conclusion, self.config)

    def calls_for_another(self) -> bool:
        """Whether the next sample is to be asked for: none of those so far, fewer than `tries`, can be read."""
        reached = self.last.finish_reason is not None
        return reached and len(self.tries) < self.config.tries and not any(outcome.whole for outcome in self.outcomes)

    def unfinished(self) -> Reading | None:
        """The reply that counts, where it is to be made to conclude: it thought, and came to no answer."""
        reading = self.outcomes[self._counting].reading
        reached = self.last.finish_reason is not None and self.counts.finish_reason in ("stop", "length")
        wanted = self.config.conclude is not None and self.conclusion is None
        open_ = reading is not None and reading.final is None and reading.reasoning
        return reading if wanted and reached and open_ else None


def by_row(answers: pl.DataFrame) -> dict[str, dict[str, list[Answer]]]:
    """Answers (as in `schemas.step.Tables`) by row and, within it, by model."""
    names = ("id", "model", "turn", "of", "index", "text", "reasoning", "finish_reason", "tokens", "error")
    found: dict[str, dict[str, list[Answer]]] = {}
    for id_, model, *rest in answers.select(names).iter_rows():
        mine = found.setdefault(id_, {}).setdefault(model, [])
        mine.append(Answer(len(mine), *rest))
    return found


def slots(answers: Sequence[Answer], config: AskConfig, read: Read) -> list[Slot]:
    """The `n` replies of a row and model. One that was never wanted counts as one that the model was not reached for."""
    found = [Slot(config) for _ in range(config.n)]
    owner: dict[int, Slot] = {}
    for answer in answers:
        if answer.turn == 0:
            slot = found[answer.sample]
        elif answer.of in owner:
            slot = owner[answer.of]
        else:
            continue
        owner[answer.place] = slot
        if (
            answer.turn and answer.sample < config.n
        ):  # samples of the first prompt that are asked later have higher ones
            slot.conclusion = answer
        else:
            slot.tries.append(answer)
    for index, slot in enumerate(found):
        slot.tries = slot.tries or [Answer(-1, 0, 0, index, None, None, None, None, None)]
        slot.outcomes = [read(answer) for answer in slot.tries]
    return found
