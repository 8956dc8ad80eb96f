"""Commands on releases: list, compare, tidy up, start a new recipe on the same log."""

from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import HERE, WorkspaceOption, confirm, say, sentences, text, warn

releases_app = typer.Typer()


@releases_app.command()
def releases(workspace: WorkspaceOption = HERE) -> None:
    """List the releases of the workspace: version, content hash, rows of each config, size."""
    with sentences():
        from pipelines.release.versions import list_releases

        found, unread = list_releases(workspace)
        if found.height or not unread:
            say(text(found) if found.height else f"{workspace} holds no release. `curate build RECIPE` makes one.")
        warn(unread)


@releases_app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A release's folder or name: quickstart/v1.")],
    new: Annotated[str, typer.Argument(help="The other; quickstart is its latest.")],
    rows: Annotated[int, typer.Option(help="Show so many single rows as well.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Write every row's change to this parquet file.")] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Say which rows came, went or changed between two releases, and why."""
    with sentences():
        from pipelines.release.versions import diff as compare
        from pipelines.release.versions import find_release
        from pipelines.store.workspace import write_table

        found = compare(find_release(old, workspace), find_release(new, workspace))
        for key, before, after in found.settings:
            say(f"{key}: {before} -> {after}")
        if out is not None:
            write_table(found.rows, out)
        if not found.rows.height:
            say("The rows are the same.")
            return
        say(text(found.summary()))
        if rows:
            say(text(found.rows.head(rows)))


@releases_app.command("export")
def export_release(
    release: Annotated[str, typer.Argument(help="A release's folder, or its name: quickstart, quickstart/v1.")],
    trainer: Annotated[
        str,
        typer.Argument(
            help="trl, llama_factory, verl, easyr1, ms_swift, openrlhf, inspect, verifiers, … (docs/trainers.md)"
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The folder to make; by default one in the workspace.")] = None,
    where: Annotated[
        str | None, typer.Option(help="Only rows that meet this SQL condition over their columns: 'k < n'.")
    ] = None,
    config: Annotated[list[str] | None, typer.Option(help="Only this config of the release; may be repeated.")] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Write a release as a trainer reads it, with our reward beside it. What it cannot express is dropped and counted."""
    with sentences():
        from pipelines.export.catalogue import exporter_of
        from pipelines.export.rows import open_release
        from pipelines.export.sheets import choose
        from pipelines.export.write import default_target, export

        exporter = exporter_of(trainer)
        found = choose(open_release(release, workspace), exporter, where, config or ())
        target = out or default_target(found, exporter.name, workspace)
        written = export(found, exporter, target)
        for sheet, rows in written["rows"].items():
            gone = ", ".join(f"{n} {reason}" for reason, n in written["dropped"].get(sheet, {}).items())
            say(f"{sheet}: {rows} rows" + (f"; dropped {gone}" if gone else ""))
        say(f"Export: {target}")


@releases_app.command("verify-release")
def verify_release(
    release: Annotated[str, typer.Argument(help="A release's folder, or its name: quickstart, quickstart@v1.")],
    digest: Annotated[str | None, typer.Option(help="What its publisher says that its digest is.")] = None,
    pushed: Annotated[
        bool, typer.Option("--pushed", help="A copy from the Hub, which has its own README and may lack extras.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Prove a release: every file by its hash, every count, and its rollouts graded again. Needs no workspace."""
    with sentences():
        import json

        from pipelines.release.verify import verify_release as prove
        from pipelines.release.versions import find_release

        found = prove(find_release(release, workspace), digest, "pushed" if pushed else "whole")
        say(json.dumps(found.to_json(), indent=2) if as_json else found.text())
        if not found.holds:
            raise typer.Exit(1)


@releases_app.command()
def card(
    release: Annotated[str, typer.Argument(help="A release's folder or name: quickstart/v1.")],
    out: Annotated[Path, typer.Option(help="The folder of the card, its manifest and its images.")] = Path(
        "data_cards"
    ),
    template: Annotated[Path | None, typer.Option(help="A Jinja template of your own.")] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Render the data card of a release again, from its manifest alone."""
    with sentences():
        from pipelines.proof.publish import publish_proof
        from pipelines.release.card import check_template, publish_card
        from pipelines.release.versions import find_release
        from pipelines.store.release_seal import digest_of

        if template is not None:
            check_template(template)
        folder = find_release(release, workspace)
        say(f"Wrote {publish_card(folder, out, template, publish_proof(folder, out))}.")
        say(f"Digest: {digest_of(folder)}")


@releases_app.command()
def push(
    release: Annotated[str, typer.Argument(help="A release's folder or name: quickstart/v1.")],
    repo: Annotated[str, typer.Argument(help="The dataset on the Hub: ORGANISATION/NAME.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new dataset public; it is private otherwise.")
    ] = False,
    extras: Annotated[bool, typer.Option("--extras", help="The random control and the unfiltered set too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before publishing.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Push a release to the Hugging Face Hub: one commit, tagged with its version. The token comes from HF_TOKEN."""
    with sentences():
        from flows.push import find_token, pack
        from flows.push import push as send
        from pipelines.release.versions import find_release

        parcel = pack(find_release(release, workspace), repo, extras=extras)
        for name, rows in parcel.configs.items():
            say(f"{name}: {rows:,} rows")
        kind = "public" if public else "private"
        what = (
            f"{len(parcel.files)} files, {parcel.bytes / 1e6:.1f} MB, to {repo} ({kind} if new), tag {parcel.version}"
        )
        if dry_run:
            say("\n".join(sorted(parcel.files)))
            say(f"Would push {what}.")
            say(f"Digest: {parcel.digest}")
            return
        find_token()
        if not yes and not confirm(f"Push {what}?"):
            say("Nothing was pushed.")
            return
        say(f"Pushed: {send(parcel, private=not public, say=say)}")
        say(f"Digest: {parcel.digest}")


@releases_app.command()
def report(
    release: Annotated[str, typer.Argument(help="A recipe or a release: quickstart, quickstart/v1, a folder.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; by default one in the workspace.")] = None,
    samples: Annotated[
        int, typer.Option(help="Show at most so many samples; counts are always of all.", min=1)
    ] = 10_000,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Write one HTML page that shows what became of every sample: funnel, charts, duplicates, samples with images."""
    with sentences():
        from pipelines.recipe.draft import name_in
        from pipelines.report.origin import find_origin
        from pipelines.report.write import default_target, write_report

        is_recipe = Path(release).suffix in (".yaml", ".yml")
        origin = find_origin(name_in(Path(release)) if is_recipe else release, workspace)
        target = out or default_target(origin)
        written = write_report(origin, target, samples)
        if origin.loss:
            say(origin.loss)
        say(f"{written['shown']:,} of {written['samples']:,} samples shown, all counted.")
        say(f"Report: {target}")


@releases_app.command()
def gc(
    workspace: WorkspaceOption = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove what no build and no release needs. The completions log loses nothing."""
    with sentences():
        from pipelines.store.garbage import collect_garbage
        from pipelines.store.workspace import Workspace

        found = collect_garbage(Workspace(workspace), dry_run=dry_run)
        for garbage in found[:20]:
            say(f"{garbage.path}: {garbage.why}")
        more = " (the first 20 are shown)" if len(found) > 20 else ""
        megabytes = sum(garbage.bytes for garbage in found) / 1e6
        say(f"{'Would free' if dry_run else 'Freed'} {megabytes:.1f} MB in {len(found)} files{more}.")
