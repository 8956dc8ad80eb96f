"""Stops a step of which too many requests fail."""

from pipelines.run.receipt import Receipt
from schemas.errors import StepError


class Breaker:
    """Counts requests and their failures. `receipt` holds the last error."""

    def __init__(self, max_error_rate: float, receipt: Receipt) -> None:
        self._most = max_error_rate
        self._receipt = receipt
        self._failed = 0
        self._lost = 0  # failures that may pass within the minute
        self.requests = 0

    def count(self, message: str, *, passing: bool, news: bool = True) -> None:
        """A request failed. `passing`: it may pass within the minute. `news`: the sample was not refused before.

        Raises StepError where too many did.
        """
        self._failed += news
        self._lost += passing
        self._receipt.last_error = message
        if self.requests >= 50 and self._failed > self._most * self.requests:
            raise self._stop(
                f"{self._failed} of {self.requests} requests failed, more than driver.max_error_rate={self._most}."
            )

    def check_end(self) -> None:
        """Raises StepError where not one request came through."""
        if self._failed == self.requests > 0:
            raise self._stop(f"All {self._failed} requests failed.")

    def _stop(self, what: str) -> StepError:
        return StepError(f"{what} The last error: {self._receipt.last_error}", transient=self._lost > 0)
