"""Write side of the completions log and of the failures log beside it: an answer goes into one, a failure into the other."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Self

from pipelines.store.failures import Kind
from pipelines.store.journal_lines import now, well_formed
from pipelines.store.journalled import Journalled, Rows
from schemas.completion import Completion, ModelIdentity, Request, completion_fault, completion_key
from schemas.ids import canonical_json

LONGEST_ERROR = 2000


class LogWriter:
    """Use it as a context manager.

    `terms` stands for the server that is asked and its limits, `run` for the build: see `pipelines.run.refusals`.
    """

    def __init__(self, answers: Rows, failures: Rows, identity: ModelIdentity, terms: str = "", run: str = "") -> None:
        self._identity = identity
        self._terms = terms
        self._run = run
        self._answers = Journalled(answers)
        self._failures = Journalled(failures)

    def __enter__(self) -> Self:
        self._answers.open()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._answers.finish()
        finally:
            self._failures.finish()

    def append(self, request: Request, prompt: str, completions: Iterable[Completion]) -> list[Completion]:
        """Record what a request came to and return it as recorded. When this returns, kill -9 cannot lose it.

        Errors go into the failures log. So does an answer that the log cannot hold: it costs itself only, and the error
        says why.
        """
        rows, refused, recorded = [], [], []
        for completion in completions:
            row = self._row(request, prompt, completion)
            wrong = None if completion.finish_reason == "error" else completion_fault(row)
            if wrong is not None:
                error = f"the reply is not one that the log can hold: {wrong}"
                completion = Completion(completion.index, "", "error", error=error)  # noqa: PLW2901
            recorded.append(completion)
            if completion.finish_reason == "error":
                refused.append(
                    self._failure(prompt, completion.index, "refused", completion.error or "no reason given")
                )
            else:
                rows.append(row)
        self._answers.append(rows)
        self._failures.append(refused)
        return recorded

    def unanswered(self, prompt: str, indexes: Iterable[int], error: str) -> None:
        """Record that nobody answered, in the last words that were heard."""
        self._failures.append([self._failure(prompt, index, "unanswered", error) for index in indexes])

    def flush(self) -> None:
        """Turn the journals into parts."""
        self._answers.flush()
        self._failures.flush()

    def _row(self, request: Request, prompt: str, completion: Completion) -> dict[str, Any]:
        values = {field.name: getattr(completion, field.name) for field in fields(completion)}
        values["logprobs"] = None if completion.logprobs is None else list(completion.logprobs)
        return {
            "key": completion_key(prompt, completion.index),
            "prompt_key": prompt,
            "model": self._identity.model,
            "revision": self._identity.revision,
            "sampling": canonical_json(request.sampling.model_dump(mode="json")),
            **{name: well_formed(value) if isinstance(value, str) else value for name, value in values.items()},
            "created_at": now(),
        }

    def _failure(self, prompt: str, index: int, kind: Kind, error: str) -> dict[str, Any]:
        return {
            "key": completion_key(prompt, index),
            "prompt_key": prompt,
            "index": index,
            "model": self._identity.model,
            "kind": kind,
            "error": well_formed(error[:LONGEST_ERROR]),
            "terms": self._terms,
            "run": self._run,
            "created_at": now(),
        }
