"""What Prefect tries again."""

from types import SimpleNamespace

import pytest

from flows.build import worth_retrying
from schemas.errors import FatalEngineError, StepError, TransientEngineError


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StepError("a server was lost", transient=True), True),
        (StepError("all were refused"), False),
        (FatalEngineError("no credit"), False),
        (TransientEngineError("no server"), False),
        (ValueError("a defect"), False),
    ],
)
def test_prefect_tries_again_what_may_pass(error: Exception, again: bool) -> None:
    def result(raise_on_failure: bool) -> None:
        raise error

    assert worth_retrying(None, None, SimpleNamespace(result=result)) is again
