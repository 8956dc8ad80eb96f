"""Do RAP's and the variance rule's selections differ from random ones in the direction that the papers claim?

    python benchmarks/rap_direction.py [--samples 400] [--seed 0] [--workspace DIR] [--out FILE]

The reference VLM answers `--samples` easy-VQA questions and as many about scenes, five times with the image and five times
without (M = 5, temperature 1). Rules choose by these rollouts. A rule that chooses by a noisy number finds that number large
in what it chose, so each figure is there twice: `chosen on`, from the same rollouts, and `fresh`, from five more of each.
No rule saw these: a second recipe asks for ten, of which the log has the first five. Claims:

- RAP (arXiv 2506.04755): selected samples have a larger gain by the image, p_img - p_txt, and a smaller attention
  over-concentration, log psi.
- Variance (MMR1, arXiv 2509.21268): a larger p(1 - p).

Each figure is a mean over the selection less the mean over a random one of equal size; 95 % intervals by a bootstrap over
the candidates, a new random selection in each round. Nothing is claimed of the figures that are in brackets.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filters.select.rules.rap import RapConfig
from filters.select.rules.variance import VarianceConfig
from filters.select.select import Selection, control, select
from generators.asking.requests import Asking
from generators.signals.attention import AttentionConfig, column_sums, log_psi
from generators.signals.forced import Forced, ForcedModel
from pipelines.job import Job, compile_recipe, open_job
from pipelines.steps.as_asked import asked_by
from schemas.completion import Request

M = 5
RECIPE = """\
name: NAME
models: {vlm: {model: reference-vlm, engine: transformers}}
sources:
  - {type: easy_vqa, name: easy-vqa, split: test, limit: SAMPLES}
  - {type: scenes, name: scenes, split: curate, n: SAMPLES, per_scene: 1, levels: [1, 2, 3, 4, 5]}
steps:
  - rollout: {as: seen, model: vlm, n: REPLIES, sampling: {temperature: 1.0, max_tokens: 16}}
  - rollout: {as: blind, model: vlm, sees: nothing, n: REPLIES, sampling: {temperature: 1.0, max_tokens: 16}}
  - verify: {of: seen}
  - verify: {as: blind_verdict, of: blind}
"""
MEASURED = """\
  - difficulty: {of: seen}
  - signals: {of: seen, model: vlm, attention: {}}
"""
RULES: dict[str, Selection] = {
    "RAP, paper": Selection(rule=RapConfig()),
    "RAP, paper, DRM only drops": Selection(rule=RapConfig(drm_pool="survivors")),
    "RAP, paper, no DRM": Selection(rule=RapConfig(drm=False)),
    "RAP, public code": Selection(rule=RapConfig(variant="code")),
    "variance, same size as RAP": Selection(rule=VarianceConfig()),
}
CLAIMS = {"RAP": {"gain": 1, "log_psi": -1}, "variance": {"p(1-p)": 1}}
FIGURES = ("gain", "log_psi", "p(1-p)")
ROUNDS = 2000


def built(folder: Path, name: str, recipe: str, replies: int, samples: int, seed: int) -> Job:
    """A build of a recipe in a workspace that all of them share."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(recipe.replace("NAME", name).replace("SAMPLES", str(samples)).replace("REPLIES", str(replies)))
    job = open_job(compile_recipe(str(path), [f"seed={seed}"]), folder / "out")
    job.run()
    return job


def rollouts(job: Job, step: str) -> pl.DataFrame:
    """`sample_id, index, text, correct` of the rollouts that a step made; one that was cut off is not right."""
    found = job.rows(step, ["index", "text", "finish_reason", "correct"])
    right = (pl.col("correct") & (pl.col("finish_reason") == "stop")).fill_null(False)
    return found.select("sample_id", "index", "text", correct=right)


def counts(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Right ones among the first M (which rules see) and among the others."""
    first = pl.col("index") < M
    return table.group_by(id=pl.col("sample_id")).agg(
        (pl.col("correct") & first).sum().cast(pl.Int32).alias(name),
        (pl.col("correct") & ~first).sum().cast(pl.Int32).alias(f"{name}_fresh"),
    )


def fresh_psi(job: Job, rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """`id, log_psi_fresh`: mean log psi over the replies that no rule saw."""
    asking = Asking(asked_by({"seen"}, job.compiled.pipeline.steps)[1])
    requests = {
        row["id"]: Request(row["id"], asking.put(row).messages, asking.config.sampling)
        for row in rows.iter_rows(named=True)
    }
    model = ForcedModel(job.build.recipe.models["vlm"], job.build.media)
    held = table.filter(pl.col("index") >= M).unique(["sample_id", "text"]).sort("sample_id", "text")
    held = held.with_row_index("key").cast({"key": pl.String})
    texts = [Forced(requests[id_], text) for id_, text in held.select("sample_id", "text").iter_rows()]
    sums = column_sums(model.attention(texts, None)).with_columns(held["key"])
    psi = held.join(log_psi(sums, AttentionConfig()), on="key").select("sample_id", "text", "log_psi")
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


def candidates(chosen_on: Job, more: Job) -> pl.DataFrame:
    """Every sample with what rules see and what they do not."""
    rows = chosen_on.rows("sample", ["source", "question", "options", "media", "log_psi", "difficulty.k"])
    seen, blind = (
        rollouts(more, step).filter(pl.col("sample_id").is_in(rows["id"].implode())) for step in ("seen", "blind")
    )
    table = (
        rows.select("id", "log_psi", built_k="difficulty.k", source=pl.col("source").struct.field("dataset"))
        .join(counts(seen, "k"), on="id")
        .join(counts(blind, "k_text"), on="id")
        .join(fresh_psi(more, rows, seen), on="id")
        .with_columns(n=pl.lit(M), n_text=pl.lit(M))
        .sort("id")
    )
    assert (table["k"] == table["built_k"]).all(), "the first five rollouts are those that difficulty counted"
    return figures(table.drop("built_k"))


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
        chosen = select(table, config, seed)
        budget = budget or chosen.kept.height
        reasons = dict(chosen.dropped["reason"].value_counts().sort("reason").rows())
        kept = set(chosen.kept["id"])
        names = [f"{figure}{half}" for figure in FIGURES for half in ("", " fresh")] if kept else []
        against = {figure: against_random(table, kept, figure, seed) for figure in names}
        shipped = table.join(control(table, chosen.kept, config, seed), on="id")
        found["rules"][name] = {
            "kept": chosen.kept.height,
            "admitted by DRM": chosen.kept.filter(pl.col("evidence").str.contains('"drm"')).height,
            "dropped": reasons,
            "control": {f: round(float(shipped[f].mean()), 4) for f in FIGURES if kept},  # type: ignore[arg-type]
            "figures": against,
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
        folder, size = options.workspace or Path(scratch), (options.samples, options.seed)
        chosen_on = built(folder, "rap-direction", RECIPE + MEASURED, M, *size)
        table = candidates(chosen_on, built(folder, "rap-direction-fresh", RECIPE, 2 * M, *size))
    parts = [table, *(table.filter(source=source) for source in ("easy-vqa", "scenes"))]
    found = [measure(part, options.seed) for part in parts]
    sys.stdout.write("\n\n".join(map(shown, found)) + "\n")
    if options.out:
        report = {"command": " ".join(["python", *sys.argv]), "seed": options.seed, "parts": found}
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
