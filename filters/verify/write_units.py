"""Writes `unit_table.py` from pint's definitions: `python -m filters.verify.write_units filters/verify/unit_table.py`.

The reward is copied into releases and runs in environments of trainers, so it carries a table instead of the library.
Factors are exact rationals (pint with `non_int_type=Fraction`), in pint's root units: m, g, s, A, K, mol, cd, rad, bit.
Needs `pip install pint`.
"""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

_WANTED = {
    "meter": "meters metre metres", "inch": "inches", "foot": "feet", "yard": "yards yds", "mile": "miles",
    "nautical_mile": "nautical_miles nmi", "angstrom": "angstroms", "micron": "microns", "light_year": "light_years ly",
    "parsec": "parsecs", "astronomical_unit": "AU astronomical_units",
    "gram": "grams gm gms gramme grammes", "kilogram": "kilo kilos kgs kgm", "metric_ton": "tonnes metric_tons t mt",
    "pound": "pounds lb lbs", "ounce": "ounces oz", "stone": "stones", "carat": "carats", "ton": "tons",
    "second": "seconds s sec secs", "minute": "minutes min mins", "hour": "hours h hr hrs", "day": "days d",
    "week": "weeks wk wks", "month": "months", "year": "years yr yrs", "century": "centuries", "millennium": "millennia",
    "decade": "decades",
    "liter": "liters litre litres l L", "cubic_centimeter": "cc ccs", "gallon": "gallons gal gals", "quart": "quarts qt qts",
    "pint": "pints", "cup": "cups", "tablespoon": "tablespoons tbsp", "teaspoon": "teaspoons tsp",
    "fluid_ounce": "fluid_ounces fl_oz floz", "barrel": "barrels", "hectare": "hectares ha", "acre": "acres",
    "knot": "knots", "mile_per_hour": "mph MPH", "kilometer_per_hour": "kph kmh KPH kmph",
    "revolutions_per_minute": "rpm RPM", "revolutions_per_second": "rps",
    "radian": "radians rad rads", "degree": "degrees deg degs °", "arcminute": "arcminutes arcmin",
    "arcsecond": "arcseconds arcsec", "turn": "turns revolution revolutions rev revs", "steradian": "steradians sr",
    "kelvin": "kelvins K", "degree_Celsius": "celsius °C degC degrees_celsius degree_celsius degrees_c deg_c centigrade",
    "degree_Fahrenheit": "fahrenheit °F degF degrees_fahrenheit degree_fahrenheit degrees_f deg_f",
    "newton": "newtons N", "dyne": "dynes dyn", "force_pound": "lbf pound_force", "kilogram_force": "kgf",
    "joule": "joules J", "erg": "ergs", "calorie": "calories cal cals", "electron_volt": "electronvolts",
    "watt_hour": "watt_hours Wh", "british_thermal_unit": "BTU Btu BTUs", "foot_pound": "foot_pounds",
    "watt": "watts W", "horsepower": "hp HP",
    "pascal": "pascals Pa", "bar": "bars", "atmosphere": "atmospheres atm", "torr": "Torr", "mmHg": "mmHg mm_Hg",
    "psi": "psi PSI",
    "volt": "volts V", "ampere": "amperes amp amps A", "ampere_hour": "Ah amp_hours", "ohm": "ohms Ω", "siemens": "S mho",
    "coulomb": "coulombs C", "farad": "farads F", "henry": "henries henrys H", "tesla": "teslas T", "gauss": "G gauss",
    "weber": "webers Wb", "hertz": "Hz", "mole": "moles mol mols", "molar": "M", "dalton": "daltons Da amu",
    "candela": "candelas cd", "lumen": "lumens lm", "lux": "lx", "becquerel": "becquerels Bq", "curie": "curies Ci",
    "gray": "grays Gy", "sievert": "sieverts Sv", "poise": "P", "bit": "bits b", "byte": "bytes B", "baud": "bauds Bd",
    "bps": "bps", "ppm": "ppm", "katal": "kat",
}  # fmt: skip
_OWN = {
    "acre": "43560 * foot ** 2", "decade": "10 * year", "ppm": "1e-6 * count", "gauss": "1e-4 * tesla",
}  # fmt: skip
_LEFT_OUT = frozenset(("cp", "ct", "a", "µ", "μ", "degree_Celsius"))
"""Symbols of pint that nobody writes for that unit."""
_PREFIXED = frozenset(
    ("meter", "gram", "second", "liter", "newton", "joule", "calorie", "electron_volt", "watt_hour", "watt", "pascal", "bar",
     "volt", "ampere", "ampere_hour", "ohm", "siemens", "coulomb", "farad", "henry", "tesla", "weber", "hertz", "mole",
     "molar", "candela", "lumen", "becquerel", "curie", "gray", "sievert", "bit", "byte", "bps", "radian", "kelvin",
     "dalton", "poise", "gauss", "parsec", "metric_ton", "katal", "baud")
)  # fmt: skip
_PREFIXES = (
    "femto", "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "mega", "giga", "tera", "peta",
    "exa", "kibi", "mebi", "gibi", "tebi",
)  # fmt: skip


def table() -> str:
    """The text of `unit_table.py`."""
    import pint

    units = pint.UnitRegistry(non_int_type=Fraction)
    lines = [
        '"""Units of measure: what each is worth in root units. Written by `python -m filters.verify.write_units` from '
        f'pint {pint.__version__}."""',
        "",
        "PREFIXES: tuple[tuple[str, str, str], ...] = (",
        "    # the factor, the name, the symbols (one letter case each)",
    ]
    for name in _PREFIXES:
        prefix = units._prefixes[name]
        symbols = [s for s in (prefix.defined_symbol, *prefix.aliases) if s and s not in ("mu", "mc", "deka")]
        lines.append(f'    ("{_exact(prefix.value)}", "{name}", "{" ".join(sorted(dict.fromkeys(symbols)))}"),')
    lines += [
        ")",
        "",
        "UNITS: tuple[tuple[str, str, str, str, bool], ...] = (",
        "    # the name, its worth, its dimension in root units, what else it is called, whether it takes prefixes",
    ]
    for name, called in _WANTED.items():
        factor, dimension = _worth(units, name)
        symbol = units._units[name].defined_symbol if name in units._units else None
        written = [symbol] if symbol and symbol not in _LEFT_OUT else []
        spellings = " ".join(dict.fromkeys((*written, *called.split())))
        lines.append(f'    ("{name}", "{factor}", "{dimension}", "{spellings}", {name in _PREFIXED}),')
    return "\n".join([*lines, ")  # fmt: skip", ""])


def _worth(units: Any, name: str) -> tuple[str, str]:
    quantity = units.Quantity(Fraction(1), name) if name not in _OWN else units.parse_expression(_OWN[name])
    factor, root = units.get_root_units(quantity.units)
    powers = sorted((base, int(power)) for base, power in root._units.items())
    dimension = " ".join(base if power == 1 else f"{base}^{power}" for base, power in powers)
    return _exact(factor * quantity.magnitude), dimension


def _exact(value: Any) -> str:
    """A rational as text; one that pint computes from a rounded constant, such as π, to 17 digits."""
    exact = Fraction(value)
    return str(exact) if exact.denominator < 10**30 else str(Fraction(f"{float(exact):.16e}"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(table(), encoding="utf-8")
