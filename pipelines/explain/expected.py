"""Whether what a demo made is what its sidecar expects: steps that drop, configs that fill, and what holds of the rows.

Claims are SQL over the views of `curate query` (`pipelines.explain.views`), and beside them

    release.<config>    the rows of a config of the release
    truth               the rows of the tasks that fed the sources, with all that is known of them (`generators.tasks.rows`),
                        `dataset`, their place as `row`, and the `sha256` of the image, by which samples have them too
"""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.explain.recorded import RecordedBuild
from pipelines.explain.views import open_views
from pipelines.job import Job
from pipelines.recipe.demo import Claim, Expectation
from pipelines.sources.tasks import TasksSource
from pipelines.store.read_only_sql import check_query, lock
from pipelines.store.table_files import as_sql, row_count, tables_in
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

    try:
        check_query(claim.sql)
        with (
            open_views(job.build.workspace, RecordedBuild(job.build.folder), claim.sql) as db,
            tempfile.TemporaryDirectory(prefix="curate-claim-") as spill,
        ):
            db.execute("CREATE SCHEMA release")
            for config, files in configs(job).items():
                db.execute(f'CREATE VIEW release."{config}" AS SELECT * FROM read_parquet({as_sql(files)})')
            db.register("truth", truth(job).to_arrow())
            logs = [job.build.workspace.completions, job.build.workspace.prompts]
            folders = [job.build.folder, *logs, *([job.release] if job.release else [])]
            lock(db, spill=Path(spill), folders=folders)
            rows = db.execute(claim.sql).fetchall()
    except (duckdb.Error, ConfigError) as error:
        raise ConfigError(f"The claim '{claim.name}' cannot be checked: {error}") from None
    if len(rows) != 1 or len(rows[0]) != 1:
        raise ConfigError(
            f"The claim '{claim.name}' cannot be checked: its SQL gives {len(rows)} rows, not one boolean."
        )
    return rows[0][0]


def truth(job: Job) -> pl.DataFrame:
    """The rows of all tasks that fed the sources, without their images."""
    fed = [source for source in job.compiled.document.sources if isinstance(source, TasksSource)]
    return (
        pl.concat([_known(source) for source in fed])
        if fed
        else pl.DataFrame({"dataset": pl.Series([], dtype=pl.String)})
    )


def _known(source: TasksSource) -> pl.DataFrame:
    hashes = [None if data is None else hashlib.sha256(data).hexdigest() for data in source.rows["image"]]
    return source.rows.drop("image", "images").with_columns(
        dataset=pl.lit(source.name),
        row=pl.int_range(pl.len()).cast(pl.String),
        sha256=pl.Series(hashes, dtype=pl.String),
    )


def configs(job: Job) -> dict[str, list[Path]]:
    """The files of each config of the release that has rows, by its name."""
    folders = [] if job.release is None else sorted(path for path in job.release.iterdir() if path.is_dir())
    return {folder.name: files for folder in folders if (files := tables_in(folder))}
