"""Swap images: questions about another sample's images, whose right answer is that the images do not show it.

Nemotron's long-document data (NVIDIA's DataDesigner notes, 2026) makes unanswerable rows by swapping the image of finished
pairs, 5 to 7 % of its rollouts, so that a model learns to say that it cannot see what it is asked about. Here groups of one
dataset (and number of images) are paired by chance, and images go from one group of a pair to the other only: `split` keeps
a row with its parent and with whoever shares its images, and unites two groups for it, or three where their number is odd.

No rule knows what an image shows. A question that is also asked about the other images is not put to them; one that fits
them all the same ("what is in the image?") is for `where` to leave out, or for a judge that sees the new pair.
"""

import polars as pl
from pydantic import Field

from filters.dedup.content import normalized
from filters.verify.gold import parse_gold
from filters.verify.kinds.abstain import abstains
from schemas.answer import dump_answer
from schemas.ids import canonical_json, chance, content_id
from schemas.sample import SAMPLE
from schemas.split import DROPPED
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

READ = ("source", "group_id", "media", "question", "options", "lang", "domain")

OFFERED = 8
"""Sets of images that a group offers to the other of its pair, drawn by chance."""

_KIND = "abstain"


class SwapImagesConfig(StepConfig):
    """How many questions get the images of another sample, and what their gold says."""

    share: float = Field(
        default=0.06, gt=0, le=1, description="of the samples with images; each is drawn by its own id"
    )
    answer: str = Field(
        default="cannot be determined",
        pattern=r"\S",
        description="the new gold; its kind is abstain, and its words count",
    )


def swap_images(rows: pl.DataFrame, config: SwapImagesConfig, name: str, seed: int) -> Out:
    """New samples of `rows` (`id` and `READ`): a question, and images of another group of its dataset, as many as its own.

    A sample that is drawn and has no such images, or only images about which the same is asked, makes none:
    `no_other_image`.
    """
    seen = _keyed(rows.filter(pl.col("media").list.len() > 0)).sort(
        "id"
    )  # texts and media are fetched for what is made
    drawn = seen.filter(chance(f"{name}:{seed}", seen["id"]) < config.share)
    pairs = _pairs(seen, f"{name}:{seed}:groups")
    offers = _offers(seen, f"{name}:{seed}:offers")
    found = drawn.join(pairs, on=["cell", "group"], how="inner", maintain_order="left").join(
        offers, left_on=["cell", "other"], right_on=["cell", "group"], how="inner", maintain_order="left"
    )
    asked = seen.select("shown", "asked").unique()
    apart = found.filter(pl.col("shown").list.set_intersection("offered").list.len() == 0)
    apart = apart.join(
        asked, left_on=["offered", "asked"], right_on=["shown", "asked"], how="anti", maintain_order="left"
    )
    taken = apart.unique("id", keep="first", maintain_order=True)
    lost = drawn.join(taken, on="id", how="anti", maintain_order="left")
    whole = taken.select("id", "offered", "donor").join(rows.select("id", *READ), on="id", maintain_order="left")
    given = rows.select(donor="id", given="media")
    return Out(_made(whole.join(given, on="donor", maintain_order="left"), config, name), _lost(lost, name))


def _keyed(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each row the hashes that are `shown`, what is `asked` whatever its spelling (a hash of it), its `group`, and the
    `cell` of those that it may swap with: the same dataset, and as many images."""
    options = pl.col("options").fill_null([]).list.eval(normalized(pl.element())).list.sort()
    return rows.select(
        "id",
        shown=pl.col("media").list.eval(pl.element().struct.field("sha256")),
        asked=(normalized(pl.col("question")) + "\x1f" + options.list.join("\x1f")).hash(),
        group=pl.coalesce("group_id", "id"),
        cell=pl.concat_str(
            pl.col("source").struct.field("dataset").fill_null(""), pl.col("media").list.len(), separator="\x1f"
        ),
    )


def _pairs(seen: pl.DataFrame, seed: str) -> pl.DataFrame:
    """`cell, group, other`: the groups of a cell two by two, in an order of chance; the odd one looks at the one before."""
    groups = seen.select("cell", "group").unique().sort("cell", "group")
    mixed = groups.with_columns(chance(seed, groups["group"]).alias("place")).sort("cell", "place", "group")
    number, count = pl.int_range(pl.len()).over("cell"), pl.len().over("cell")
    beside = pl.when(number % 2 == 1).then(number - 1).when(number + 1 < count).then(number + 1).otherwise(number - 1)
    placed = mixed.with_columns(number=number, beside=beside).filter(pl.col("beside") >= 0)
    others = placed.select("cell", other="group", beside="number")
    return placed.join(others, on=["cell", "beside"], how="inner").select("cell", "group", "other")


def _offers(seen: pl.DataFrame, seed: str) -> pl.DataFrame:
    """`cell, group, offered, donor`: some sets of images of each group, in an order of chance."""
    sets = seen.select("cell", "group", offered="shown", donor="id").unique(
        ["cell", "group", "offered"], keep="first", maintain_order=True
    )
    mixed = sets.with_columns(chance(seed, sets["donor"]).alias("place")).sort("cell", "group", "place", "donor")
    return mixed.filter(pl.int_range(pl.len()).over("cell", "group") < OFFERED).drop("place")


def _made(taken: pl.DataFrame, config: SwapImagesConfig, name: str) -> pl.DataFrame:
    params = {} if abstains(config.answer) else {"phrases": [config.answer]}
    gold = {"kind": _KIND, "raw": config.answer, "parsed": dump_answer(parse_gold(_KIND, config.answer, params=params))}
    rows = [
        {
            **{column: row[column] for column in READ},
            "id": content_id({"step": name, "of": row["id"], "images": row["offered"], "gold": config.answer}),
            "parent_id": row["id"],
            "variant": name,
            "media": [g | {"position": m["position"]} for g, m in zip(row["given"], row["media"], strict=True)],
            "answer": gold,
            "verifier": {"id": _KIND, "params": canonical_json(params)},
            "meta": canonical_json({"images_of": row["donor"]}),
        }
        for row in taken.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=SAMPLE)


def _lost(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    gone = [
        (content_id({"step": name, "of": id_}), f"{name}:no_other_image", canonical_json({"group": group}), id_)
        for id_, group in rows.select("id", "group").iter_rows()
    ]
    return pl.DataFrame(gone, schema={**DROPPED, "parent_id": pl.String()}, orient="row")


def _reads(config: SwapImagesConfig, known: Known) -> Reads:
    return Reads({name: read(name, SAMPLE[name]) for name in READ})


def _gives(config: SwapImagesConfig, known: Known) -> Gives:
    return Gives({name: dtype for name, dtype in SAMPLE.items() if name not in ("id", "parent_id")}, makes="sample")


def _body(tables: Tables, config: SwapImagesConfig, context: Context) -> Out:
    return swap_images(tables.rows, config, context.name, context.seed)


STEP = StepType(
    name="swap_images",
    summary="makes unanswerable samples: questions about the images of others, whose gold is to say so",
    version=1,
    config=SwapImagesConfig,
    reads=_reads,
    gives=_gives,
    body=_body,
    of="sample",
    scope=lambda config: "all",
    fan=lambda config: 1,
    golds=frozenset({"answer"}),
    cures={"no_other_image": "its dataset has no other group with as many images about which something else is asked"},
)
