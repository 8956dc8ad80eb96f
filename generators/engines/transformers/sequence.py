"""One sample being decoded: its tokens so far, its chance, and when it is done."""

from collections.abc import Sequence
from random import Random, SystemRandom
from typing import Any

import numpy as np
import numpy.typing as npt

from generators.engines.transformers.matchers import Matcher
from schemas.completion import Completion, FinishReason, Sampling
from schemas.ids import hash_text, seeded

CONTEXT_TOKENS = 4
"""Prompt tokens decoded with the reply, so that a tokenizer that swallows a leading blank does not."""


class Sample:
    """Sample `index` of a request. `push` tokens until `finish` is set."""

    def __init__(
        self,
        index: int,
        prompt: Sequence[int],
        sampling: Sampling,
        limit: int,
        tokenizer: Any,
        ends: frozenset[int],
        matcher: Matcher | None = None,
    ) -> None:
        """`limit`: most new tokens; `ends`: tokens that end the reply; `matcher`: the form that the reply must have."""
        self.index = index
        self.prompt = prompt
        self.sampling = sampling
        self.limit = limit
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.finish: FinishReason | None = None
        self._tokenizer = tokenizer
        self._ends = ends
        self._matcher = matcher
        self._error: str | None = None
        self._cut: str | None = None
        self._chance = self._source(index, prompt, sampling)

    @staticmethod
    def _source(index: int, prompt: Sequence[int], sampling: Sampling) -> Random:
        """A stream per prompt and index, so that two prompts under one seed are not drawn with the same numbers."""
        if sampling.seed is None:
            return SystemRandom()
        return seeded(sampling.seed, f"{hash_text(','.join(map(str, prompt)))}:{index}")

    def chance(self) -> float:
        return self._chance.random()

    def allowed(self) -> npt.NDArray[np.bool_] | None:
        """Which tokens may come next, one value a token; None where all may, or where none may: the sample then ends."""
        if self._matcher is None or self.finish is not None:
            return None
        found = self._matcher.allowed()
        if found is None:
            self.finish, self._error = "error", self._matcher.fault
        return found

    def push(self, token: int, logprob: float | None) -> None:
        """Take the next token, and note whether it ends the reply. A form that is whole ends it, too."""
        self.tokens.append(token)
        if logprob is not None and self.sampling.logprobs:
            self.logprobs.append(logprob)
        if token in self._ends or self._stopped() or self._whole(token):
            self.finish = "stop"
        elif len(self.tokens) >= self.limit:
            self.finish = "length"

    def completion(self) -> Completion:
        assert self.finish is not None
        if self._error is not None:
            return Completion(self.index, "", "error", error=self._error)
        return Completion(
            index=self.index,
            text=self._text() if self._cut is None else self._cut,
            finish_reason=self.finish,
            prompt_tokens=len(self.prompt),
            completion_tokens=len(self.tokens),
            logprobs=tuple(self.logprobs) if self.sampling.logprobs else None,
        )

    def _whole(self, token: int) -> bool:
        if self._matcher is None:
            return False
        self._matcher.push(token)
        return self._matcher.complete

    def _stopped(self) -> bool:
        """Whether a stop string has appeared. Only the tail is decoded each time: a token holds at least one byte."""
        stops = self.sampling.stop
        if not stops:
            return False
        reach = max(len(s.encode()) for s in stops) + 1
        recent = self.tokens[-reach:]
        if len(recent) < reach:
            recent = [*self.prompt[-CONTEXT_TOKENS:], *recent]
        tail = self._tokenizer.decode(recent, skip_special_tokens=True)
        if not any(s in tail for s in stops):
            return False
        text = self._text()
        places = [at for s in stops if (at := text.find(s)) >= 0]
        if not places:
            return False
        self._cut = text[: min(places)]
        return True

    def _text(self) -> str:
        context = list(self.prompt[-CONTEXT_TOKENS:])
        before = str(self._tokenizer.decode(context, skip_special_tokens=True))
        whole = str(self._tokenizer.decode(context + self.tokens, skip_special_tokens=True))
        if whole.startswith(before):
            return whole[len(before) :]
        return str(self._tokenizer.decode(self.tokens, skip_special_tokens=True))
