"""What steps of this folder read alike: the gold of a row's sample, and numbers whatever their width."""

import polars as pl

from schemas.sample import ANSWER, VERIFIER
from schemas.step import Known, Read, read

Of = str | tuple[str, ...]


def of_sample(name: str, of: Of, known: Known) -> str:
    """How rows of `of` read a column of their sample, whatever they have of that name themselves."""
    return name if known.unit(of) == "sample" else f"sample.{name}"


def gold_reads(of: Of, known: Known) -> dict[str, Read]:
    """What the responses in rows of `of` are judged by: `answer, verifier, options` of their samples."""
    return {
        "answer": read(of_sample("answer", of, known), ANSWER),
        "verifier": read(of_sample("verifier", of, known), VERIFIER),
        "options": read(of_sample("options", of, known), pl.List(pl.String()), optional=True),
    }


def number(name: str, of: Of, known: Known, *, optional: bool = False) -> Read:
    """A column of numbers of any width: SQL gives wide ones, replies have narrow ones. Raises ValueError for others."""
    types = known.types(of)
    if name not in types:
        return read(name, pl.Float64(), optional=optional)
    if not types[name].is_numeric():
        raise ValueError(f"the column {name} is {types[name]}, and a number is read there")
    return read(name, types[name], optional=optional)
