"""Answers of a model that is none, for tests of the logs."""

from pathlib import Path

from pipelines.store.completions import CompletionsLog
from pipelines.store.journal_lines import to_line
from schemas.completion import Completion, Message, ModelIdentity, Request, prompt_key

IDENTITY = ModelIdentity("model", "revision", "template")


def answer(number: int) -> tuple[Request, str, list[Completion]]:
    """What a writer of the log appends."""
    request = Request(f"row-{number}", (Message("user", (f"question {number}",)),))
    return request, prompt_key(IDENTITY, request), [Completion(0, f"answer {number}", "stop")]


def a_line(number: int) -> bytes:
    """The same as a line of a journal."""
    request, prompt, (completion,) = answer(number)
    return to_line(CompletionsLog(Path("unused")).writer(IDENTITY)._row(request, prompt, completion))
