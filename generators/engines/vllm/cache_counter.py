"""Counts what vLLM's caches held, from the statistics that vLLM itself keeps of each step."""

from typing import Any

from schemas.engine import CacheUse


class CacheCounter:
    """What the prefix cache and the cache of prepared images held, over all starts of one engine.

    Tokens are counted by sample, as vLLM does: eight samples of a prompt look it up eight times. Images are counted by
    request; one that is found was neither prepared nor sent to the engine's process again, and its encoding is taken from
    the encoder cache as long as that has room, which vLLM does not count.
    """

    def __init__(self) -> None:
        self.use = CacheUse()

    def loggers(self) -> list[Any] | None:
        """What `AsyncLLM` is given as `stat_loggers`; None where this vLLM has another interface."""
        try:
            from vllm.v1.metrics.loggers import PrometheusStatLogger
        except ImportError:
            return None
        counter = self

        class Logger(PrometheusStatLogger):  # type: ignore[misc]
            """In place of the one for Prometheus, which vLLM adds where there is none, and which nobody reads here."""

            def __init__(self, vllm_config: Any, engine_indexes: list[int] | None = None) -> None:
                pass

            def record(
                self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
            ) -> None:
                counter.add(getattr(scheduler_stats, "prefix_cache_stats", None), mm_cache_stats)

            def log(self) -> None:
                pass

            def log_engine_initialized(self) -> None:
                pass

            def record_sleep_state(self, sleep: int = 0, level: int = 0) -> None:
                pass

            def record_admission_rejection(self, reason: str) -> None:
                pass

        return [Logger]

    def engine(self, library: Any) -> Any:
        """A kind of `library`, which is `AsyncLLM`, that takes no times of single tokens beside the counts.

        Nobody reads them, and they are about a sixth of what this process does for a token.
        """

        class Counted(library):  # type: ignore[misc]
            def _run_output_handler(self) -> None:
                self.log_stats = False  # of this process; the engine's own goes on counting
                super()._run_output_handler()

        return Counted

    def add(self, prefix: Any, images: Any) -> None:
        """The queries and hits of one step (`PrefixCacheStats` or None, `MultiModalCacheStats` or None)."""
        counts = [getattr(part, name, 0) for part in (prefix, images) for name in ("queries", "hits")]
        if any(counts):
            self.use = self.use.plus(CacheUse(*counts))
