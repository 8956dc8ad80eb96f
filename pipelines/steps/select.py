"""Select: what is worth training on, by a rule, a budget and quotas, and a random control of equal size beside it.

A sample that is not taken drops with the numbers that decided. Sides that are not named pass as they are: SFT keeps all
verified traces by default (OpenMMReasoner, arXiv 2511.16334, found that difficulty filters hurt it).
"""

from typing import Any, Literal, Self, cast

import polars as pl
from pydantic import Field, model_validator

from filters.dedup.vectors import Vectors
from filters.select.clusters import CLUSTER, clustered
from filters.select.comparison import COLUMNS as COMPARED
from filters.select.comparison import compare, covered
from filters.select.nearness import nearness
from filters.select.row_columns import with_columns
from filters.select.select import WORTH, clusters_wanted, columns_read, control, select
from pipelines.compiler.compile import Before
from pipelines.steps import selection_columns
from pipelines.steps.checks_section import check_flags
from pipelines.steps.row_vectors import COLUMNS as SHOWN
from pipelines.steps.row_vectors import VectorsConfig, row_vectors
from pipelines.steps.selection_places import Candidates, check_places, of_origins
from pipelines.steps.selection_window import check_adaptive
from pipelines.steps.set_context import SetBuild, build_of, searches_table
from pipelines.steps.vectors import Searches, image_identity, text_identity
from schemas.section import refuse_idle
from schemas.split import Split, named, no_drops, split
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

GIVEN = {
    "value": pl.Float64(),
    "rank": pl.Int32(),
    "weight": pl.Float64(),
    "training_order": pl.Int32(),
    "evidence": pl.String(),
}
"""What a sample is worth, its place among those that pass (0 is best), its weight, when a trainer meets it, and the numbers
that decided (JSON); null for samples of other sides."""


class SelectConfig(StepConfig, Candidates):
    """What is worth training on, and how much of it; by whose numbers; and among which samples."""

    vectors: VectorsConfig = VectorsConfig()
    control: Literal["random"] | None = Field(
        default="random", description="as many random candidates, with equal quotas, in a table beside; null: none"
    )

    @model_validator(mode="after")
    def _compares(self) -> Self:
        asker = "coverage" if self.coverage is not None else "quotas.by: [cluster]" if clusters_wanted(self) else None
        if asker and self.vectors.text is None and self.vectors.image is None:
            raise ValueError(f"{asker} compares candidates, so name an encoder in `vectors.text` or `vectors.image`")
        why, cure = "nothing compares vectors", "set `coverage`, or quotas.by to [cluster]"
        refuse_idle(self, "vectors", read=asker is not None, why=why, cure=cure)
        return self

    @property
    def compares(self) -> bool:
        """Whether vectors of the candidates are compared."""
        return self.coverage is not None or clusters_wanted(self)


def _reads(config: SelectConfig, known: Known) -> Reads:
    of = config.of or "sample"
    types = known.types(of)
    check_adaptive(config, config, known)
    check_places(config, of, known)
    elsewhere = of_origins(config, of, cast(Before, known))
    readable = set(types)
    columns = selection_columns.reads(columns_read(config), config, COMPARED, readable - elsewhere)
    columns |= {"side": read("side", pl.String())} if "side" in readable else {}
    if config.without:
        columns["flags"] = read(config.address("flags"), pl.List(pl.String()))
        if "flags" not in config.columns:
            check_flags(config.without, known)
    return Reads(columns | ({name: read(name) for name in SHOWN} if config.compares else {}))


def _narrow(rows: pl.DataFrame, config: SelectConfig) -> pl.DataFrame:
    """What rows are chosen by and compared in; questions and images only where vectors of them are compared."""
    found = with_columns(rows, config.bands)
    of_use = {*columns_read(config), *COMPARED, "side", *(("flags",) if config.without else ())}
    of_use |= {*SHOWN} if config.compares else set()
    return found.select("id", "sample_id", "parent_id", "made_by", *(n for n in found.columns if n in of_use))


def _body(tables: Tables, config: SelectConfig, context: Context) -> Out:
    build, seed, searches = build_of(context), context.seed, Searches()
    rows = tables.rows
    is_candidate = pl.col("side").is_in(config.sides).fill_null(False) if "side" in rows.columns else pl.lit(True)
    eligible, flagged = _unflagged(rows.filter(is_candidate), config.without)
    vectors = row_vectors(build, eligible.select("id", *SHOWN), config.vectors) if config.compares else None
    beside: dict[str, pl.DataFrame] = {}
    if vectors is not None and clusters_wanted(config):
        eligible = clustered(eligible.with_columns(key="id"), vectors, config.clusters, seed).drop("key")
        beside["clusters"] = eligible.select("id", CLUSTER)
    table = eligible.select("id", *columns_read(config))
    chosen = select(table, config, seed, vectors, searches.report)
    if config.control is not None:
        beside["control"] = control(table, chosen.kept, config, seed)
        beside["comparison"] = _compared(eligible, chosen, beside["control"], vectors, seed)
    others = rows.filter(~is_candidate).select("id")
    kept = pl.concat([chosen.kept.rename({"order": "training_order"}), others], how="diagonal")
    made = kept.select("id", *(pl.col(name).cast(dtype) for name, dtype in GIVEN.items()))
    dropped = named(pl.concat([chosen.dropped, flagged]), context.name)
    return Out(made, dropped, beside | {"searches": searches_table(searches)})


def _unflagged(rows: pl.DataFrame, without: tuple[str, ...]) -> Split:
    """Separate the samples that a check has flagged: `select:<flag>`, by the first of the flags as they are listed."""
    if not without:
        return Split(rows, no_drops())
    has = [pl.when(pl.col("flags").list.contains(flag)).then(pl.lit(f"select:{flag}")) for flag in without]
    return split(rows, pl.coalesce(has), {"flags": pl.col("flags")})


def _compared(
    eligible: pl.DataFrame, chosen: Split, beside: pl.DataFrame, vectors: Vectors | None, seed: int
) -> pl.DataFrame:
    """Candidates, selected and control side by side; with vectors also how well each covers what is worth taking."""
    compared = compare(eligible, chosen.kept["id"], beside["id"])
    if vectors is None:
        return compared
    worth = pl.concat([chosen.kept["id"], chosen.dropped.filter(pl.col("reason").is_in(WORTH))["id"]])
    near = (nearness(vectors, worth, ids, seed) for ids in (chosen.kept["id"], beside["id"]))
    return pl.concat([compared, covered(*near)])


def _facts(config: SelectConfig, build: SetBuild) -> Any:
    """The identities of the encoders that are compared by; loads none."""
    if not config.compares:
        return None
    text, image = config.vectors.text, config.vectors.image
    return [text_identity(text).to_json() if text else None, image_identity(build, image).to_json() if image else None]


STEP = StepType(
    name="select",
    summary="keeps what is worth training on, by a rule, a budget and quotas, with a random control beside it",
    version=1,
    config=SelectConfig,
    reads=_reads,
    gives=lambda config, known: Gives(GIVEN, replaces=frozenset(GIVEN)),
    body=_body,
    of="sample",
    scope=lambda config: "all",
    narrow=_narrow,
    facts=_facts,
    verdict=True,
    cures={
        **dict.fromkeys(("budget", "quota", "covered")),
        "too_hard": "the student is too weak for these questions: take a stronger one, or easier rows",
        "too_easy": "the student knows these questions: take harder rows",
        "unmeasured": "the rule reads a number that these rows do not have, or too few of their rollouts count",
        "disputed": "no teacher reaches these golds: look at some of them, or take a better teacher",
    },
)
