"""Units of measure: the table that pint wrote, and what is converted with it."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify import unit_table
from filters.verify.units import convert, is_unit, looks_like_unit, measures


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        ("1", "m", "cm", "100"), ("20", "°C", "°F", "68"), ("20", "degrees Celsius", "K", "293.15"),
        ("68", "degrees", "°F", "68"), ("20", "C", "°C", "20"), ("1", "kWh", "J", "3600000"), ("1", "MB", "Mb", "8"),
        ("1", "GiB", "MiB", "1024"), ("36", "km/h", "m/s", "10"), ("9.8", "m/s^2", "m s^-2", "9.8"),
        ("5", "J/(kg*K)", "J kg^-1 K^-1", "5"), ("1", "square meter", "cm^2", "10000"), ("5", "cubic cm", "mL", "5"),
        ("60", "miles an hour", "mph", "60"), ("500", "cents", "$", "5"), ("5", "pounds", "£", "5"), ("12", "in", "ft", "1"),
        ("1", "L", "cm^3", "1000"), ("5", "N*m", "J", "5"), ("2", "KM", "m", "2000"), ("7", "units", "cm", "7"),
        ("5", "apples", "red apples", "5"), ("5", "IU", "iu", "5"), ("5", "working days", "days", "5"),
        ("1", "kcal", "Calories", "1"), ("3", None, "cm", "3"), ("3", "cm", None, "3"),
    ],
)  # fmt: skip
def test_converts(value: str, unit: str | None, into: str | None, expected: str) -> None:
    assert convert(Fraction(value), unit, into) == Fraction(expected)


@pytest.mark.parametrize(
    ("unit", "into"),
    [
        ("cm", "kg"), ("cm", "cm^2"), ("m/s", "m/s^2"), ("kWh", "kW"), ("$", "€"), ("yen", "yuan"), ("IU", "mg"),
        ("cm", "apples"), ("bpm", "rpm"), ("°C", "rad"), ("dB", "dBm"), ("mol", "g"),
    ],
)  # fmt: skip
def test_what_measures_something_else_does_not_convert(unit: str, into: str) -> None:
    assert convert(Fraction(1), unit, into) is None
    assert convert(Fraction(1), into, unit) is None


def test_letter_case_tells_symbols_apart() -> None:
    assert convert(Fraction(1), "MW", "mW") == 10**9
    assert convert(Fraction(1), "Mm", "mm") == 10**9
    assert convert(Fraction(8), "Mb", "MB") == 1


@pytest.mark.parametrize(
    "text", ["", "apples", "5", "x", "xy", "not cm", "cm or m", "^2", "/", "(", "per", "cm^" + "9" * 40]
)
def test_what_is_no_unit(text: str) -> None:
    assert not is_unit(text)


def test_what_looks_like_a_unit() -> None:
    assert all(looks_like_unit(text) for text in ("IU", "dBm", "kg/foo", "mmHg"))
    assert not any(looks_like_unit(text) for text in ("apples", "x", "red", "Äpfel 5"))


SPELLINGS = [spelling for name, _, _, called, _ in unit_table.UNITS for spelling in (name, *called.split())]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_the_table_is_read(spelling: str) -> None:
    assert measures(spelling.replace("_", " "))


@given(st.fractions(-1000, 1000), st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS))
def test_there_and_back_is_the_same_value(value: Fraction, unit: str, into: str) -> None:
    there = convert(value, unit, into)
    assert (there is None) == (convert(value, into, unit) is None)
    if there is not None and len(measures(unit)) == len(measures(into)) == 1:
        assert convert(there, into, unit) == value


@given(st.text(max_size=80))
def test_reading_a_unit_never_raises(text: str) -> None:
    convert(Fraction(1), text, "m/s")


def test_the_table_is_what_pint_says() -> None:
    pint = pytest.importorskip("pint")
    from filters.verify.write_units import table

    written = Path(unit_table.__file__).read_text(encoding="utf-8")
    assert written.split("\n", 1)[1] == table().split("\n", 1)[1], f"written by another pint than {pint.__version__}"
