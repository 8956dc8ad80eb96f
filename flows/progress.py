"""The progress line of a running step: rows done and to do, tokens or rows a second, time left, retries."""

import sys
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flows.terminal import console
from pipelines.run.receipt import Receipt

PLAIN_EVERY_S = 10.0
STALL_S = 60.0


def line(step: str, receipt: Receipt) -> str:
    """One line: `caption 120/300 · 410 tok/s · 0:42 left · 64 in flight`, and what is wrong, if anything is.

    A step that asks no model counts rows: `score 8192/160000 · 21000 rows/s · 0:07 left`.
    """
    if receipt.elsewhere:
        return f"{step} waits for {receipt.elsewhere} answers that another build in this workspace is asking for"
    done = receipt.samples + receipt.unanswered
    counts = (receipt.in_flight, receipt.prompt_tokens, receipt.completion_tokens, receipt.retries)
    asks = any(count is None or count > 0 for count in counts)
    if asks:
        tokens = receipt.tokens_per_second
        speed = "? tok/s" if tokens is None else f"{tokens:.0f} tok/s"
    else:
        speed = f"{done / receipt.seconds if receipt.seconds else 0.0:.0f} rows/s"
    parts = [f"{step} {done}/{receipt.total}", speed]
    if done and receipt.total > done:
        parts.append(f"{_clock(receipt.seconds / done * (receipt.total - done))} left")
    else:
        parts.append(_clock(receipt.seconds))
    if asks:
        parts.append(f"{receipt.in_flight} in flight")
        if receipt.cache.cached_tokens:
            parts.append(f"{receipt.cache.cached_tokens / receipt.cache.prompt_tokens:.0%} of prompts cached")
    if receipt.retries:
        parts.append(f"{receipt.retries} retries ({receipt.last_error})")
    if receipt.oldest_s > STALL_S:
        parts.append(f"waiting {_clock(receipt.oldest_s)} for row {receipt.oldest}")
    return " · ".join(parts)


@dataclass
class Reporter:
    """Draws the line in place on a terminal; elsewhere prints it every ten seconds."""

    console: Console = field(default_factory=lambda: console(file=sys.stderr))
    _live: Live | None = None
    _step: str = ""
    _printed: float = 0.0

    def __call__(self, step: str, receipt: Receipt) -> None:
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, transient=True, refresh_per_second=4)
                self._live.start()
            self._live.update(Text(line(step, receipt)))
        elif time.monotonic() - self._printed > PLAIN_EVERY_S or step != self._step:
            self._printed, self._step = time.monotonic(), step
            self.console.print(line(step, receipt), soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
