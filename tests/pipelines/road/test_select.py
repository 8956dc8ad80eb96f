"""Selection on the road: who gives which column, and what stands beside the selection."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from filters.select.quota import QuotaConfig
from filters.select.select import SelectConfig
from pipelines.road.stage import Road, run_stage
from pipelines.road.stages import road
from pipelines.road.steps.candidates import candidates, check_candidates
from pipelines.store.workspace import write_table
from schemas.errors import ConfigError
from schemas.split import no_drops

ROWS = 12


def measured(folder: Path, tiny: SimpleNamespace, *overrides: str) -> Road:
    """A road on which 12 samples are measured and split; only what selection reads is there."""
    (folder / "scenes.jsonl").write_text("")
    build = tiny.make(folder, *overrides)
    tables = road(build)
    ids = [f"{i:02d}" for i in range(ROWS)]
    k = [i % 5 for i in range(ROWS)]
    source = pl.DataFrame({"dataset": ["a", "b"] * 6}).to_struct("source")
    answer = pl.DataFrame({"kind": ["text"] * ROWS, "raw": ["x"] * ROWS}).to_struct("answer")
    facts = {"domain": None, "lang": "en"}
    written = {
        "ingest": pl.DataFrame({"id": ids, "source": source, "answer": answer}).with_columns(
            pl.lit(v, pl.String).alias(c) for c, v in facts.items()
        ),
        "difficulty": pl.DataFrame({"id": ids, "k": k}).with_columns(
            pl.lit("vlm").alias("model"),
            n=pl.lit(4),
            asked=pl.lit(4),
            truncated=pl.lit(0),
            tokens=pl.lit(9.0),
            pass_rate=pl.col("k") / 4,
            variance=pl.col("k") / 4 * (1 - pl.col("k") / 4),
            mean_score=pl.col("k") / 4,
            score_std=(pl.col("k") / 4 * (1 - pl.col("k") / 4)).sqrt(),
        ),
        "split": pl.DataFrame({"id": ids, "split": ["rl"] * 10 + ["sft"] * 2, "group": ids}),
        "round_trip": pl.DataFrame({"id": ids[1:], "solution": "x"}),
    }
    texts = pl.DataFrame({"sample_id": ids}).join(pl.DataFrame({"text": ["it is red", "it is blue"]}), how="cross")
    written["rollouts"] = texts.with_columns(model=pl.lit("vlm"), index=pl.int_range(pl.len()).over("sample_id"))
    for name, table in written.items():
        stage = tables.stage(name)
        build.folder(stage).mkdir(parents=True, exist_ok=True)
        write_table(table, tables.path(name))
        write_table(no_drops(), tables.path(name, "dropped"))
    write_table(written["difficulty"], tables.path("difficulty", "measures"))
    return tables


def test_a_rule_that_lacks_its_section_is_one_sentence(tmp_path: Path, tiny: SimpleNamespace) -> None:
    recipe = measured(tmp_path, tiny).build.recipe
    check_candidates(recipe)
    with pytest.raises(
        ConfigError, match=r"select\.rule 'variance' reads 'k', so the recipe needs a `rollouts` section"
    ):
        check_candidates(recipe.model_copy(update={"rollouts": None}))
    quotas = SelectConfig(quotas=QuotaConfig(by=("colour",)))
    with pytest.raises(ConfigError, match=r"select\.quotas\.by reads 'colour', which no stage gives; there are band,"):
        check_candidates(recipe.model_copy(update={"select": quotas}))


@pytest.mark.parametrize(
    ("quotas", "sentence"),
    [
        ("{shares: {scene: 1}}", r"select\.quotas\.shares: no source is named 'scene'; there are "),
        ("{caps: {scene: 1}}", r"select\.quotas\.caps: no source is named 'scene'; there are "),
        ("{caps: {'*': 1}}", None),
        ("{by: [kind], shares: {scene: 1}}", None),
    ],
)
def test_a_quota_names_sources_of_the_recipe(
    quotas: str, sentence: str | None, tmp_path: Path, tiny: SimpleNamespace
) -> None:
    tiny.write_source(tmp_path, 1)
    recipe = tiny.make(tmp_path, f"select={{quotas: {quotas}}}").recipe
    if sentence is None:
        check_candidates(recipe)
        return
    with pytest.raises(ConfigError, match=sentence):
        check_candidates(recipe)


def test_rap_wants_attentions_and_not_just_any_signal(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tiny.write_source(tmp_path, 1)
    model = tiny.make(tmp_path).recipe.rollouts.models[0]
    chosen = ("select={rule: rap}", "checks=[{type: text_only}]")
    lacking = tiny.make(tmp_path, *chosen, f"signals={{model: {model}, likelihood: {{}}}}").recipe
    with pytest.raises(
        ConfigError, match=r"reads 'log_psi', so the recipe needs a `signals: \{attention: \{\}\}` section"
    ):
        check_candidates(lacking)
    check_candidates(tiny.make(tmp_path, *chosen, f"signals={{model: {model}, attention: {{}}}}").recipe)


@pytest.mark.parametrize(
    ("rule", "band", "sentence"),
    [
        ("mm_eureka", "null", r"'mm_eureka' passes 2 to 14 right of n = 16, .* rollouts\.adaptive\.band to \[2, 14\]"),
        ("mm_eureka", "[2, 14]", r"set select\.rule to in_band and"),
        ("vl_cogito", "[0, 8]", r"passes 0 to 8 right of n = 16"),
        ("vl_rethinker", "[0, 8]", r"passes 1 to 16 right of n = 16"),
        ("variance", "[2, 14]", r"'variance' passes 1 to 15 right of n = 16"),
        ("{type: variance, min_correct: 2}", "[2, 15]", r"passes 2 to 15 right of n = 16"),
        ("{type: rap, variant: code}", "null", r"'rap' counts out of a fixed number of rollouts"),
        ("{type: rap, lambda_a: null}", "null", r"'rap' counts out of a fixed number of rollouts"),
        ("{type: neura_ladder, hard: 7/8}", "null", r"'neura_ladder' counts out of a fixed number of rollouts"),
        ("neura_ladder", "null", None),
        ("variance", "null", None),
        ("general_reasoner", "[1, 15]", None),
        ("vl_rethinker", "[1, 8]", None),
        ("univg_r1", "[2, 14]", None),
        ("in_band", "[2, 14]", None),
    ],
)
def test_a_window_is_not_counted_where_rollouts_stop_early(
    rule: str, band: str, sentence: str | None, tmp_path: Path, tiny: SimpleNamespace
) -> None:
    tiny.write_source(tmp_path, 1)
    checks = "checks=[{type: text_only}]" if "rap" in rule else "checks=[]"
    chosen = (f"select={{rule: {rule}}}", "rollouts.n=16", checks)
    recipe = tiny.make(tmp_path, *chosen, f"rollouts.adaptive={{band: {band}}}").recipe
    if sentence is None:
        check_candidates(recipe)
        return
    with pytest.raises(ConfigError, match=sentence):
        check_candidates(recipe)
    check_candidates(tiny.make(tmp_path, *chosen).recipe)


def test_the_comparison_stands_beside_the_selection(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tables = measured(tmp_path, tiny, "select.budget=4")
    record = run_stage(tables, tables.stage("select"))
    # 11 samples are alive, 9 of them in rl: k = 1 2 3 4 0 1 2 3 4 of 4. Three cannot vary (4, 0, 4), four are taken.
    assert record["rows_in"] == 11
    assert record["kept"] == 4 + 2
    assert record["dropped"] == {"select:too_easy": 2, "select:budget": 2, "select:too_hard": 1}
    kept = tables.table("select").filter(pl.col("rank").is_not_null()).collect()
    assert kept.sort("rank")["value"].to_list() == [0.25, 0.25, 0.1875, 0.1875]
    compared = tables.table("select", "comparison").collect()
    assert compared.row(0) == ("rows", None, 9.0, 4.0, 4.0)
    variance = compared.filter(pl.col("figure") == "mean variance").row(0, named=True)
    assert (variance["candidates"], variance["selected"]) == (pytest.approx((4 * 0.1875 + 2 * 0.25) / 9), 0.21875)
    assert compared.filter(pl.col("figure") == "share of source")["candidates"].sum() == pytest.approx(1)
    assert record["notes"]["comparison"] == compared.to_dicts()


def test_quotas_on_the_road(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tables = measured(tmp_path, tiny, "select={budget: 4, quotas: {by: [source, band], shares: equal}}")
    run_stage(tables, tables.stage("select"))
    compared = tables.table("select", "comparison").collect()
    for figure in ("share of source", "share of band"):
        shares = compared.filter(pl.col("figure") == figure)
        assert shares["selected"].to_list() == shares["control"].to_list()


def test_diversity_is_measured_only_where_a_rule_reads_it(tmp_path: Path, tiny: SimpleNamespace) -> None:
    assert "diversity" not in measured(tmp_path, tiny)
    tables = measured(tmp_path, tiny, "select={rule: mmr1_vas, budget: 6, order: easy_to_hard}")
    record = run_stage(tables, tables.stage("diversity"))
    assert (record["rows_in"], record["kept"]) == (ROWS, ROWS)
    # "it is red", "it is blue": two 3-grams, both different.
    assert tables.table("diversity").collect()["distinct_3"].to_list() == [1.0] * ROWS
    run_stage(tables, tables.stage("select"))
    kept = tables.table("select").filter(pl.col("rank").is_not_null()).collect()
    assert kept["weight"].sum() == 6
    assert sorted(kept["order"]) == list(range(kept.height))


def test_the_codes_edit_distance_is_measured_in_words(tmp_path: Path, tiny: SimpleNamespace) -> None:
    rule = "{type: mmr1_vas, variant: code, diversity: edit_distance}"
    tables = measured(tmp_path, tiny, f"select={{rule: {rule}, budget: 6}}")
    run_stage(tables, tables.stage("diversity"))
    # "it is red", "it is blue": one word differs.
    assert tables.table("diversity").collect()["edit_words"].to_list() == [1.0] * ROWS
    assert run_stage(tables, tables.stage("select"))["kept"] > 0


def test_a_check_that_nobody_could_score_is_not_a_check_withstood(tmp_path: Path, tiny: SimpleNamespace) -> None:
    checks = "checks=[{type: text_only}, {type: guess}]"
    tables = measured(tmp_path, tiny, checks, "select={rule: {type: rap, variant: code, gap: 0.0}}")
    build = tables.build
    counts = {"00": 0, "01": 4, "02": 0, "03": 4}
    rows = [(id_, check, check, 0, n) for id_, n in counts.items() for check in ("text_only", "guess")]
    results = pl.DataFrame(rows, schema=["id", "check", "type", "k", "n"], orient="row")
    build.folder(tables.stage("checks")).mkdir(parents=True, exist_ok=True)
    write_table(results, tables.path("checks", "results"))
    assert build.recipe.select is not None
    found = candidates(tables, tables.stage("select"), ("k_text", "n_text", "k_guess"), build.recipe.select).collect()
    told = found.filter(pl.col("id").is_in(list(counts))).sort("id").drop("split").rows()
    assert told == [("01", 0, 4, 0), ("02", None, None, None), ("03", 0, 4, 0)]


def test_another_model_than_was_asked(tmp_path: Path, tiny: SimpleNamespace) -> None:
    recipe = measured(tmp_path, tiny, "select={model: big}").build.recipe
    with pytest.raises(ConfigError, match=r"select\.model 'big' has no rollouts; rollouts\.model is vlm\."):
        check_candidates(recipe)
