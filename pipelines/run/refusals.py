"""Which refused samples are asked again, and what becomes of those that are not.

A refusal may be cured: by credit, a longer context, another filter, another server. So it is asked again in later builds,
until it was refused in `driver.error_attempts` of them under the same terms; then it is final, with its reason. Other
terms (server, arguments of the engine) begin anew, and so does `curate build --retry-errors`. An engine in this process
refuses by nothing but its own limits, so there one refusal under the same terms is final.

Within one build nothing is asked again. Where all that a step wants was refused, nothing is final: that is a wrong
recipe, the build fails, and whoever runs it again has changed something.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import polars as pl

from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt
from pipelines.store.completions import CompletionsLog
from pipelines.store.failures import FailuresLog
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_table
from schemas.engine import ModelConfig
from schemas.ids import content_id
from schemas.secrets import without_user


class Terms(Protocol):
    """What a recipe says of models and of how hard to try."""

    @property
    def models(self) -> Mapping[str, ModelConfig]: ...
    @property
    def driver(self) -> DriverConfig: ...


class Asker(Protocol):
    """A build, as far as refusals go."""

    @property
    def recipe(self) -> Terms: ...
    @property
    def log(self) -> CompletionsLog: ...
    @property
    def run(self) -> str: ...
    @property
    def replay(self) -> bool: ...
    @property
    def retry_errors(self) -> bool: ...


def terms(config: ModelConfig) -> str:
    """A hash of what a refusal may depend on beside the model and the prompt: where it is asked, by which arguments."""
    explained = config.replica.model_dump(mode="json", include={"engine", "args", "api_key_env", "headers_env"})
    if config.structured is not None:
        explained["structured"] = sorted(config.structured)
    return content_id({**explained, "base_urls": sorted(map(without_user, config.base_urls))})


def asks_again(refused: Mapping[str, str], models: Mapping[str, ModelConfig], *, retry: bool) -> bool:
    """Whether refusals that are in a table (`refused`: the terms by models) would be asked again now: because that is
    wanted (`retry`), or because a model is asked under other terms."""
    return any(retry or then != terms(models[name]) for name, then in refused.items() if name in models)


class Refusals:
    """What the failures log knows of the samples that one step wants of one model (`wanted`: their keys)."""

    def __init__(self, build: Asker, model: str, wanted: Path) -> None:
        config = build.recipe.models[model]
        self.terms = terms(config)
        self._log: FailuresLog = build.log.failures
        self._wanted = wanted
        self._run = build.run
        self._most = build.recipe.driver.error_attempts if config.base_urls else 1
        self._replay = build.replay
        self._retry = build.retry_errors
        self._standing = (0, 0)

    def leave_out(self, missing: Path, total: int) -> int:
        """Take what is not to be asked now out of the table `missing` (`id, prompt_key, indexes`) of `total` samples, which
        keeps its order; returns how many are left."""
        if not total or not len(held := self._known().filter("held")):
            return total
        if not self._replay and not held["now"].any() and self._all_of(held):
            self._retry = True
            return total
        gone = held.group_by("prompt_key").agg(gone=pl.col("index")).lazy()
        left = scan_table(missing).join(gone, on="prompt_key", how="left", maintain_order="left")
        rest = pl.col("indexes").list.set_difference("gone").list.sort()
        kept = left.with_columns(indexes=pl.when(pl.col("gone").is_null()).then("indexes").otherwise(rest)).drop("gone")
        write_table(kept.filter(pl.col("indexes").list.len() > 0), missing)
        return int(scan_table(missing).select(pl.col("indexes").list.len().sum()).collect().item() or 0)

    def before(self) -> frozenset[str]:
        """The keys that were refused before under the same terms: that they are again is no news."""
        return frozenset(self._known().filter(pl.col("tries") > 0)["key"])

    def explained(self, pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Answers, with the last words of those that there are not: `finish_reason` is `error` where the refusal is final,
        and `error` says why, also of what was left unanswered."""
        known = self._known().select("prompt_key", "index", "held", "more", "refusal", "last")
        again = final = 0
        for piece in pieces:
            if not known.height or not piece["finish_reason"].null_count():
                yield piece
                continue
            named = known.join(piece.select("prompt_key").unique(), on="prompt_key", how="semi")
            named = named.rename({name: f"__{name}" for name in named.columns[2:]})
            both = piece.join(named, on=("prompt_key", "index"), how="left", maintain_order="left")
            lacks = pl.col("finish_reason").is_null()
            held = lacks & pl.col("__held").fill_null(False)
            counts = both.select(again=(held & pl.col("__more")).sum(), final=(held & ~pl.col("__more")).sum()).row(0)
            again, final = again + counts[0], final + counts[1]
            words = pl.when(held).then("__refusal").when(lacks).then("__last").otherwise("error")
            finish = pl.when(held).then(pl.lit("error")).otherwise("finish_reason")
            yield both.with_columns(error=words, finish_reason=finish).select(piece.columns)
        self._standing = (again, final)

    def note(self, receipt: Receipt) -> None:
        """Put into a receipt how many refusals are among the answers that were `explained`: to be asked again, and final."""
        receipt.again, receipt.final = self._standing
        receipt.terms = self.terms

    def _known(self) -> pl.DataFrame:
        """One row a wanted sample that failed: `key, prompt_key, index, tries, now, more, held, refusal, last`."""
        mine = (pl.col("kind") == "refused") & (pl.col("terms") == self.terms)
        refused = pl.col("error").filter(pl.col("kind") == "refused")
        # Failures are few beside what is wanted, so it is their keys that are held in memory.
        rows = pl.concat([self._log.scan(), self._log.journalled().lazy()])
        wanted = scan_table(self._wanted).select("key").join(rows.select("key"), on="key", how="semi").unique()
        rows = rows.join(wanted, on="key", how="semi").sort("created_at", "error")
        found = rows.group_by("key", maintain_order=True).agg(
            pl.col("prompt_key").first(),
            pl.col("index").first(),
            tries=pl.col("run").filter(mine).n_unique(),
            now=(mine & (pl.col("run") == self._run)).any(),
            refusal=refused.last(),
            last=pl.col("error").last(),
        )
        more = pl.col("tries") < self._most
        held = pl.col("refusal").is_not_null() if self._replay else pl.col("now") | ~(more | self._retry)
        return found.with_columns(more=more, held=held).collect(engine="streaming")

    def _all_of(self, held: pl.DataFrame) -> bool:
        """Whether there is nothing wanted beside what is `held`."""
        others = scan_table(self._wanted).join(held.lazy(), on="key", how="anti")
        return others.head(1).collect(engine="streaming").is_empty()
