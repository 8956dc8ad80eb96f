"""Do RAP's and the variance rule's selections differ from random ones in the direction that the papers claim?

    python benchmarks/rap_direction.py [--samples 400] [--seed 0] [--workspace DIR] [--out FILE]

The reference VLM answers `--samples` easy-VQA questions and as many about scenes, five times with the picture and five times
without (M = 5, temperature 1). Rules choose by these rollouts. A rule that chooses by a noisy number finds that number large
in what it chose, so each figure is told twice: `chosen on`, from the same rollouts, and `fresh`, from five more of each kind
that no rule saw. Claims:

- RAP (arXiv 2506.04755): selected samples have a larger gain by the picture, p_img - p_txt, and a smaller attention
  over-concentration, log psi.
- Variance (MMR1, arXiv 2509.21268): a larger p(1 - p).

Each figure is a mean over the selection less the mean over a random one of equal size; 95 % intervals by a bootstrap over
the candidates, a new random selection in each round. Nothing is claimed of the figures that are in brackets.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pipelines.build import run_stages
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build

from filters.select.rules.rap import RapConfig
from filters.select.rules.variance import VarianceConfig
from filters.select.select import SelectConfig, control, select
from filters.trace_verdicts import score_rollouts
from filters.verify.pool import VerifierPool
from generators import rollouts
from generators.engines.select import make_engine
from generators.signals.attention import AttentionConfig, column_sums, log_psi
from generators.signals.forced import Forced, ForcedModel
from pipelines.run.driver import Call, drive
from pipelines.store.workspace import Workspace
from schemas.completion import Request, completion_key, prompt_key

M = 5
RECIPE = """\
name: rap-direction
models: {vlm: {model: reference-vlm, engine: transformers}}
sources:
  - {type: easy_vqa, name: easy-vqa, split: test, limit: SAMPLES}
  - {type: scenes, name: scenes, split: curate, n: SAMPLES, per_scene: 1, levels: [1, 2, 3, 4, 5]}
rollouts: {model: vlm, n: 5, sampling: {temperature: 1.0, max_tokens: 16}, tags: plain}
signals: {model: vlm, attention: {}}
"""
STAGES = ("ingest", "selftest", "rollouts", "score", "difficulty", "signals")
RULES: dict[str, SelectConfig] = {
    "RAP, paper": SelectConfig(rule=RapConfig()),
    "RAP, paper, DRM only drops": SelectConfig(rule=RapConfig(drm_pool="survivors")),
    "RAP, paper, no DRM": SelectConfig(rule=RapConfig(drm=False)),
    "RAP, public code": SelectConfig(rule=RapConfig(variant="code")),
    "variance, same size as RAP": SelectConfig(rule=VarianceConfig()),
}
CLAIMS = {"RAP": {"gain": 1, "log_psi": -1}, "variance": {"p(1-p)": 1}}
FIGURES = ("gain", "log_psi", "p(1-p)")
ROUNDS = 2000


def prepared(folder: Path, samples: int, seed: int) -> Build:
    recipe = folder / "rap-direction.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write_text(RECIPE.replace("SAMPLES", str(samples)))
    return Build(load_recipe(str(recipe), seed=seed), Workspace(folder / "out"))


def asked(build: Build, rows: pl.DataFrame, *, seen: bool) -> Iterable[Request]:
    """Each sample's own request, 2 M times, with or without its pictures."""
    config = build.recipe.rollouts
    assert config is not None
    shown = rows if seen else rows.with_columns(media=pl.col("media").list.head(0))
    return rollouts.requests(shown.select(rollouts.COLUMNS), config.model_copy(update={"n": 2 * M}))


def replies(build: Build, rows: pl.DataFrame, *, seen: bool) -> pl.DataFrame:
    """`sample_id, index, text, correct` of 2 M rollouts of each sample, what is missing asked through the log."""
    identity, known = build.identities["vlm"], set(build.log.scan().select("key").collect()["key"])
    keys = [(r, prompt_key(identity, r)) for r in asked(build, rows, seen=seen)]
    missing = {
        prompt: Call(r, prompt, wanted)
        for r, prompt in keys
        if (wanted := tuple(i for i in r.indexes if completion_key(prompt, i) not in known))
    }
    if missing:
        with build.log.writer(identity) as log:
            total = sum(len(call.indexes) for call in missing.values())
            drive(
                iter(missing.values()),
                make_engine(build.recipe.models["vlm"], build.media),
                log,
                build.recipe.driver,
                total=total,
            )
    every = pl.DataFrame(
        [(r.id, i, completion_key(prompt, i)) for r, prompt in keys for i in r.indexes],
        schema=["sample_id", "index", "key"],
        orient="row",
    )
    found = build.log.scan().unique("key").select("key", "text", "finish_reason").collect()
    golds = rows.select("answer", "verifier", "options", sample_id="id")
    table = every.join(found, on="key").join(golds, on="sample_id").rename({"key": "id"})
    with VerifierPool(1, 2.0) as pool:
        scored = score_rollouts(table, pool, "plain").kept
    return scored.select("sample_id", "index", "id", correct=pl.col("correct").fill_null(False)).join(
        table.select("sample_id", "index", "text"), on=["sample_id", "index"]
    )


def counts(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Right ones among the first M (which rules see) and among the others."""
    first = pl.col("index") < M
    return table.group_by(id=pl.col("sample_id")).agg(
        (pl.col("correct") & first).sum().cast(pl.Int32).alias(name),
        (pl.col("correct") & ~first).sum().cast(pl.Int32).alias(f"{name}_fresh"),
    )


def fresh_psi(build: Build, rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """`id, log_psi_fresh`: mean log psi over the replies that no rule saw."""
    model = ForcedModel(build.recipe.models["vlm"], build.media)
    requests = {r.id: r for r in asked(build, rows, seen=True)}
    held = table.filter(pl.col("index") >= M).unique(["sample_id", "text"]).sort("sample_id", "text")
    texts = [Forced(requests[id_], text) for id_, text in held.select("sample_id", "text").iter_rows()]
    sums = column_sums(model.attention(texts, None)).with_columns(held["id"].alias("key"))
    psi = held.join(log_psi(sums, AttentionConfig()), left_on="id", right_on="key").select(
        "sample_id", "text", "log_psi"
    )
    fresh = table.filter(pl.col("index") >= M).join(psi, on=["sample_id", "text"])
    return fresh.group_by(id=pl.col("sample_id")).agg(log_psi_fresh=pl.col("log_psi").mean())


def figures(rows: pl.DataFrame) -> pl.DataFrame:
    """The figures of each sample, `chosen on` and `fresh`; the variance without bias, k(n - k) / (n(n - 1))."""
    one: dict[str, Any] = {
        "gain": (pl.col("k") - pl.col("k_text")) / M,
        "p(1-p)": pl.col("k") * (M - pl.col("k")) / (M * (M - 1)),
    }
    two = {
        "gain fresh": (pl.col("k_fresh") - pl.col("k_text_fresh")) / M,
        "log_psi fresh": pl.col("log_psi_fresh"),
        "p(1-p) fresh": pl.col("k_fresh") * (M - pl.col("k_fresh")) / (M * (M - 1)),
    }
    return rows.with_columns(**one, **two)


def against_random(rows: pl.DataFrame, kept: set[str], name: str, seed: int) -> dict[str, Any]:
    """Mean of the selection, of a random one, and their difference with its interval."""
    table = rows.filter(pl.col(name).is_not_null())
    values = table[name].to_numpy().astype(float)
    chosen = table["id"].is_in(list(kept)).to_numpy()
    rng = np.random.default_rng(seed)
    gaps, others = [], []
    for _ in range(ROUNDS):
        drawn = rng.integers(0, len(values), len(values))
        inside = values[drawn][chosen[drawn]]
        random = rng.choice(values[drawn], size=len(inside), replace=False)
        if len(inside):
            gaps.append(inside.mean() - random.mean())
            others.append(random.mean())
    low, high = np.percentile(gaps, [2.5, 97.5])
    return {
        "selected": round(float(values[chosen].mean()), 4),
        "random": round(float(np.mean(others)), 4),
        "difference": round(float(values[chosen].mean() - values.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def candidates(build: Build) -> pl.DataFrame:
    """Every sample with what rules see and what they do not."""
    road = run_stages(build, *STAGES)
    alive = road.table("difficulty").select("id").collect()
    rows = road.table("ingest").collect().join(alive, on="id", how="semi")
    seen, blind = (replies(build, rows, seen=with_pictures) for with_pictures in (True, False))
    table = (
        rows.select("id", source=pl.col("source").struct.field("dataset"))
        .join(counts(seen, "k"), on="id")
        .join(counts(blind, "k_text"), on="id")
        .join(road.table("signals").select("id", "log_psi").collect(), on="id")
        .join(fresh_psi(build, rows, seen), on="id")
        .with_columns(n=pl.lit(M), n_text=pl.lit(M))
        .sort("id")
    )
    road_counts = table.join(road.table("difficulty").select("id", road_k="k").collect(), on="id")
    assert (road_counts["k"] == road_counts["road_k"]).all(), "the first five rollouts are those of the road"
    return figures(table)


def measure(table: pl.DataFrame, seed: int) -> dict[str, Any]:
    """What each rule chooses of the candidates, against random."""
    sources = dict(table["source"].value_counts().sort("source").rows())
    always = table.filter(pl.col("k") == M).height / table.height
    found: dict[str, Any] = {
        "candidates": table.height,
        "sources": sources,
        "always right": round(always, 3),
        "rules": {},
    }
    budget = 0
    for name, asked_for in RULES.items():
        config = asked_for.model_copy(update={"budget": budget}) if name.startswith("variance") else asked_for
        parted = select(table, config, seed)
        budget = budget or parted.kept.height
        reasons = dict(parted.dropped["reason"].value_counts().sort("reason").rows())
        told = {
            f"{figure}{half}": against_random(table, set(parted.kept["id"]), f"{figure}{half}", seed)
            for figure in FIGURES
            for half in ("", " fresh")
        }
        shipped = table.join(control(table, parted.kept, config, seed), on="id")
        found["rules"][name] = {
            "kept": parted.kept.height,
            "admitted by DRM": parted.kept.filter(pl.col("evidence").str.contains('"drm"')).height,
            "dropped": reasons,
            "control": {f: round(float(shipped[f].mean()), 4) for f in FIGURES},  # type: ignore[arg-type]
            "figures": told,
        }
    return found


def shown(found: dict[str, Any]) -> str:
    lines = [
        f"{found['candidates']} candidates, {found['always right']:.0%} always right: {found['sources']}",
        f"{'':27} {'kept':>5}  {'figure':14} {'selected':>9} {'random':>9} {'difference':>11}  95 % interval",
    ]
    for name, rule in found["rules"].items():
        claims = CLAIMS[name.partition(",")[0].partition(" ")[0]]
        for figure, numbers in rule["figures"].items():
            claim = claims.get(figure.removesuffix(" fresh"))
            verdict = ""
            if claim:
                verdict = "as claimed" if min(claim * numbers["low"], claim * numbers["high"]) > 0 else "not shown"
            lines.append(
                f"{name:27} {rule['kept']:>5}  {figure if claim else f'({figure})':14} {numbers['selected']:>9.3f} "
                f"{numbers['random']:>9.3f} {numbers['difference']:>+11.3f}  [{numbers['low']:+.3f}, {numbers['high']:+.3f}]"
                f"  {verdict}".rstrip()
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        build = prepared(options.workspace or Path(scratch), options.samples, options.seed)
        table = candidates(build)
    parts = [table, *(table.filter(source=source) for source in ("easy-vqa", "scenes"))]
    found = [measure(part, options.seed) for part in parts]
    sys.stdout.write("\n\n".join(map(shown, found)) + "\n")
    if options.out:
        told = {"command": " ".join(["python", *sys.argv]), "seed": options.seed, "parts": found}
        options.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
