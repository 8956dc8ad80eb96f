"""Whether what a demo made is what its sidecar expects: steps that drop, configs that fill, and what holds of the rows.

Claims are SQL over the views of `curate query` (`pipelines.explain.views`).
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.explain.recorded import RecordedBuild
from pipelines.explain.released import config_files
from pipelines.explain.views import folders, open_views
from pipelines.job import Job
from pipelines.recipe.demo import Claim, Expectation
from pipelines.store.read_only_sql import lock
from pipelines.store.table_files import row_count
from schemas.errors import ConfigError


def unmet(job: Job) -> list[str]:
    """A sentence for each expectation that the demo does not meet; none where all is as expected, or nothing is."""
    if job.compiled.sidecar is None:
        return []
    demo = job.compiled.sidecar.demo
    found = [*_dropping(job, demo.expect), *_filled(job, demo.expect), *_claims(job, demo.expect.holds)]
    return [*found, *_no_more_empty(job, demo.empty)]


def _dropping(job: Job, expect: Expectation) -> Iterator[str]:
    found = {record["step"]: record for record in job.records()}
    for name in expect.drops:
        kept, dropped = found[name]["kept"], sum(found[name]["dropped"].values())
        if not dropped:
            yield f"'{name}' dropped none of {kept:,} rows"
        elif not kept:
            yield f"'{name}' dropped all of {dropped:,} rows"


def _filled(job: Job, expect: Expectation) -> Iterator[str]:
    for config, least in expect.rows.items():
        rows = sum(map(row_count, configs(job).get(config, ())))
        if rows < least:
            yield f"the config '{config}' has {rows:,} rows, not {least:,} or more"


def _no_more_empty(job: Job, empty: tuple[str, ...]) -> Iterator[str]:
    for config in empty:
        if rows := sum(map(row_count, configs(job).get(config, ()))):
            yield f"the config '{config}' has {rows:,} rows, and is in `empty`; take it out there"


def _claims(job: Job, claims: tuple[Claim, ...]) -> Iterator[str]:
    for claim in claims:
        value = _asked(job, claim)
        if value is not True:
            given = "says nothing (null)" if value is None else "is false" if value is False else f"gives {value!r}"
            yield f"it does not hold that {claim.name}: its SQL {given}"


def _asked(job: Job, claim: Claim) -> Any:
    """The one value of a claim's SQL. Raises ConfigError where it does not work, or gives another table."""
    import duckdb

    workspace, build = job.build.workspace, RecordedBuild(job.build.folder)
    try:
        with (
            open_views(workspace, build, claim.sql) as db,
            tempfile.TemporaryDirectory(prefix="curate-claim-") as spill,
        ):
            lock(db, spill=Path(spill), folders=folders(workspace, build))
            rows = db.execute(claim.sql).fetchall()
    except (duckdb.Error, ConfigError) as error:
        raise ConfigError(f"The claim '{claim.name}' cannot be checked: {error}") from None
    if len(rows) != 1 or len(rows[0]) != 1:
        raise ConfigError(
            f"The claim '{claim.name}' cannot be checked: its SQL gives {len(rows)} rows, not one boolean."
        )
    return rows[0][0]


def configs(job: Job) -> dict[str, list[Path]]:
    """The files of each config of the release that has rows, by its name."""
    return {} if job.release is None else config_files(job.release)
