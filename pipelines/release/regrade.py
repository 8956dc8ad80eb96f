"""A release is graded once more before anybody sees it: its own reward, called as trainers call it on the columns of its own
rows, must give the logged rollouts the verdicts that curation gave, and k of n must be what they come to.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from filters.difficulty import DifficultyConfig
from filters.regrade import count, disagreements, incoherent, miscounted
from filters.verify.catalogue import KINDS
from filters.verify.reward import reward
from filters.verify.verifier import is_right, right_from
from pipelines.release.configs import configs_in
from pipelines.release.rollout_rows import NAME
from pipelines.store.row_groups import group_count, row_group
from pipelines.store.table_files import scan_table, tables_in
from schemas.errors import BUG, StepError
from schemas.ids import chance

MOST = 100_000
"""Rollouts that are graded again; of more, those of samples drawn by chance, as many whole samples as fit."""
_GOLD = ("answer", "verifier", "verifier_params", "options", "tags")
_UNTRUE = f"so nothing was released. {BUG}"
Report = Callable[[int, int], None]
"""Called with how many rollouts were graded, of how many."""

Piece = tuple[Path, int]
"""A file of rollouts, and one of its row groups."""
Grade = Callable[[Sequence[Piece], pl.DataFrame, DifficultyConfig, Callable[[int], None]], Iterable[Mapping[str, int]]]
"""What `grade_piece` gives for each of some pieces, in whatever order; called with how many rollouts more are graded."""

_OTHERWISE = ("completion", "chosen")
"""Columns of configs whose rows may state the tag schema of what they train on instead of the measured one."""


class RegradeError(StepError):
    """What of a release is not as it says. `finding` is a sentence; the message adds what that means for a build."""

    def __init__(self, finding: str, meaning: str) -> None:
        super().__init__(f"{finding}{meaning}")
        self.finding = finding


def grade_here(
    pieces: Sequence[Piece], known: pl.DataFrame, config: DifficultyConfig, done: Callable[[int], None]
) -> Iterator[Mapping[str, int]]:
    """Grade pieces one after the other."""
    return (grade_piece(*piece, known, config, done) for piece in pieces)


def regrade(
    release: Path,
    by: Mapping[str, Any],
    most: int = MOST,
    report: Report = lambda done, of: None,
    grade: Grade = grade_here,
) -> dict[str, Any]:
    """Grade the rollouts of the release's folder again and return the counts of what was found, all in agreement.

    Reads the release's own parquet; `by` is what they were counted by: `seed`, `difficulty`, and the `tags` in which
    they were scored. Raises RegradeError for the first row on which reward and curation, or rollouts and k of n, part;
    where `grade` takes pieces in another order than they have, for one such row.
    """
    logged = scan_table(tables_in(release / NAME))
    config = DifficultyConfig.model_validate(by["difficulty"])
    _check_counts(release, logged, config)
    drawn, total, wanted = _drawn(logged, by["seed"], most)
    known = drawn.join(_golds(release, drawn, by["tags"]), on="sample_id", how="left", maintain_order="left")
    found = dict.fromkeys(("graded", "without_row", "cut_off", "cut_off_paid", "judged", "undecided"), 0)
    graded = 0

    def done(rollouts: int) -> None:
        nonlocal graded
        graded += rollouts
        report(graded, wanted)

    pieces = [(path, group) for path in tables_in(release / NAME) for group in range(group_count(path))]
    for counts in grade(pieces, known, config, done):
        for fact, number in counts.items():
            found[fact] += number
    return {"rollouts": total, **found}


def _drawn(logged: pl.LazyFrame, seed: int, most: int) -> tuple[pl.DataFrame, int, int]:
    """The samples (`sample_id`) whose rollouts are graded, how many rollouts there are, and how many are theirs."""
    sizes = logged.group_by("sample_id").len("size").collect().sort("sample_id")
    total = int(sizes["size"].sum())
    if total > most:
        sizes = sizes.with_columns(chance(f"regrade:{seed}", sizes["sample_id"]).alias("draw")).sort("draw")
        within = sizes["size"].cum_sum() <= most
        sizes = sizes.filter(within) if within.any() else sizes.head(1)
    return sizes.select("sample_id"), total, int(sizes["size"].sum())


def _golds(release: Path, drawn: pl.DataFrame, measured: str) -> pl.DataFrame:
    """What the drawn samples' rows tell a reward: `sample_id` and `_GOLD`, once for each way in which any row states it."""
    tables = []
    for _, rows in _configs(release):
        trains = any(column in rows.collect_schema() for column in _OTHERWISE)
        of_rollouts = rows.filter(pl.col("tags") == measured) if trains else rows
        tables.append(of_rollouts.select(*_GOLD, sample_id="id"))
    found = pl.concat(tables).join(drawn.lazy(), on="sample_id", how="semi")
    return found.unique(maintain_order=True).collect()


def _configs(release: Path) -> Iterator[tuple[str, pl.LazyFrame]]:
    for name in configs_in(release):
        yield name, scan_table(tables_in(release / name))


def grade_piece(
    path: Path, group: int, known: pl.DataFrame, config: DifficultyConfig, done: Callable[[int], None]
) -> dict[str, int]:
    """Put the rollouts of a piece to the reward; what they were, counted. `known` are the samples that are graded, with what
    their rows tell a reward, null where they have none. RegradeError for the first that it grades otherwise."""
    logged = row_group(path, group).join(known, on="sample_id", how="semi", maintain_order="left")
    counts = _grade(logged, known, config)
    done(logged.height)
    return counts


def _grade(logged: pl.DataFrame, rows: pl.DataFrame, config: DifficultyConfig) -> dict[str, int]:
    """Put some rollouts to the reward; what they were, counted. RegradeError for the first that it grades otherwise."""
    known = logged.join(rows, on="sample_id", how="left", maintain_order="left")
    known = known.filter(pl.col("answer").is_not_null())
    thresholds = _thresholds(known)
    paid = pay(known)
    apart = disagreements(known, paid, thresholds, config)
    for row in apart.iter_slices(1):
        alone = row.drop("paid")  # an answer that takes long may have run out of time beside others
        again = pay(alone)
        if disagreements(alone, again, _thresholds(alone), config).height:
            finding = _difference(row.row(0, named=True), again[0])
            raise RegradeError(finding, f". Difficulty would not be measured by that reward, {_UNTRUE}")
    cut = pl.col("finish_reason") == "length"
    right = pl.Series(
        [p is not None and is_right(p, t) for p, t in zip(paid, thresholds, strict=True)], dtype=pl.Boolean
    )
    first = known.with_columns(paid=right).unique(["sample_id", "model", "index"], keep="first")
    counts = first.select(
        graded=pl.len(),
        cut_off=cut.sum(),
        cut_off_paid=(cut & pl.col("paid")).sum(),
        judged=(pl.col("tier") == "judge").sum(),
        undecided=pl.col("tier").is_in(["timeout", "crash"]).sum(),
    ).row(0, named=True)
    return {**counts, "without_row": logged.height - counts["graded"]}


def needs_judge(counted: Mapping[str, Any], graded: Mapping[str, Any] | None) -> bool:
    """Whether the reward, which asks no judge, gives None for rows of the release that rules cannot score: by its statistics
    and what `regrade` found."""
    verifiers = {name for facts in counted["configs"].values() for name in facts["verifiers"]}
    kinds = (KINDS.get(name.partition(":")[0]) for name in verifiers)
    return any(kind is not None and kind.judged for kind in kinds) or bool(graded and graded["judged"])


def pay(rows: pl.DataFrame) -> list[float | None]:
    """What the release's reward gives for the texts of `rows`, called as TRL calls it on the columns of a dataset."""
    completions = [[{"role": "assistant", "content": text}] for text in rows["text"]]
    columns: dict[str, Any] = {name: rows[name].to_list() for name in _GOLD}
    return reward(completions, **columns)


def _thresholds(rows: pl.DataFrame) -> list[float]:
    kind = pl.col("answer").str.json_path_match("$.kind")
    names = rows.select(pl.coalesce("verifier", kind), "verifier_params")
    return [_right_from(*row) for row in names.iter_rows()]


@lru_cache(maxsize=4096)
def _right_from(verifier: str, params: str | None) -> float:
    try:
        return right_from(verifier, json.loads(params or "{}"))
    except ValueError:  # a verifier that there is not scores nothing, so there is nothing to be right from
        return 1.0


def _difference(row: Mapping[str, Any], paid: float | None) -> str:
    text = row["text"] if len(row["text"]) <= 200 else row["text"][:200] + " …"
    return (
        f"The release's own reward disagrees with curation about sample {row['sample_id']}, rollout {row['index']} of "
        f"'{row['model']}': {text!r} ({row['finish_reason']}) was {row['verdict']} with score {row['score']} "
        f"({row['reason']}), and the reward gives {paid} under the tag schema '{row['tags']}'"
    )


def _check_counts(release: Path, logged: pl.LazyFrame, config: DifficultyConfig) -> None:
    """Raise RegradeError for the first rollout that does not count as its verdict says, and the first row of the release
    whose k of n is not what its rollouts come to."""
    for row in incoherent(logged, config).head(1).collect().iter_rows(named=True):
        raise RegradeError(
            f"Rollout {row['index']} of '{row['model']}' of sample {row['sample_id']} was {row['verdict']}, and counts as "
            f"{row['correct']}",
            f", {_UNTRUE}",
        )
    counts = count(logged.select("sample_id", "model", "correct")).collect().lazy()
    for name, rows in _configs(release):
        wrong = miscounted(rows.select("id", "model", "k", "n"), counts).sort("id").head(1).collect()
        for row in wrong.iter_rows(named=True):
            raise RegradeError(
                f"Row {row['id']} of `{name}` says {row['k']} of {row['n']} for '{row['model']}', and its rollouts come to "
                f"{row['counted_k']} of {row['counted_n']}",
                f", {_UNTRUE}",
            )
