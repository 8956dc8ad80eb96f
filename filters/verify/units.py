"""Units of measure that can be converted into each other, and how to tell that two units are not the same."""

from fractions import Fraction

_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "1": "m meter meters metre metres", "1/100": "cm centimeter centimeters centimetre centimetres",
        "1/1000": "mm millimeter millimeters millimetre millimetres",
        "1000": "km kilometer kilometers kilometre kilometres",
        "254/10000": "in inch inches", "3048/10000": "ft foot feet", "9144/10000": "yd yard yards",
        "1609344/1000": "mi mile miles",
    },
    "mass": {
        "1": "kg kilogram kilograms", "1/1000": "g gram grams", "1/1000000": "mg milligram milligrams",
        "1000": "tonne tonnes", "45359237/100000000": "lb lbs pound pounds", "45359237/1600000000": "oz ounce ounces",
    },
    "time": {
        "1": "s sec secs second seconds", "60": "min mins minute minutes", "3600": "h hr hrs hour hours",
        "86400": "day days", "604800": "week weeks", "1/1000": "ms millisecond milliseconds",
    },
    "volume": {"1": "l liter liters litre litres", "1/1000": "ml milliliter milliliters millilitre millilitres"},
    "speed": {"1": "m/s", "1000/3600": "km/h kmh kph", "1609344/3600000": "mph"},
    "angle": {"1": "degree degrees deg"},
    "dollar": {"1": "$ usd dollar dollars", "1/100": "cent cents"},
    "euro": {"1": "€ eur euro euros"},
    "sterling": {"1": "£ gbp"},
    "yen": {"1": "¥ yen yuan rmb"},
    "force": {"1": "n newton newtons"},
    "energy": {"1": "j joule joules", "1000": "kj"},
    "power": {"1": "w watt watts", "1000": "kw"},
    "voltage": {"1": "v volt volts"},
    "current": {"1": "amp amps ampere amperes"},
    "resistance": {"1": "ω ohm ohms"},
}  # fmt: skip

_UNITS = {
    name: (dimension, Fraction(factor))
    for dimension, rows in _TABLE.items()
    for factor, names in rows.items()
    for name in names.split()
}
_POWERS = {"square ": 2, "sq. ": 2, "sq ": 2, "cubic ": 3}


def _known(unit: str) -> tuple[str, Fraction] | None:
    text = unit.casefold().strip(" .")
    for word, power in _POWERS.items():
        if text.startswith(word):
            base = _UNITS.get(text.removeprefix(word))
            return (f"{base[0]}{power}", base[1] ** power) if base and base[0] == "length" else None
    if text[-2:] in ("^2", "^3") and (base := _UNITS.get(text[:-2])) and base[0] == "length":
        return f"length{text[-1]}", base[1] ** int(text[-1])
    return _UNITS.get(text.replace(" ", "")) or _UNITS.get(text)


def is_unit(text: str) -> bool:
    """Whether the text is a unit that is known here."""
    return _known(text) is not None


def factor_between(gold: str | None, response: str | None) -> Fraction | None:
    """What to multiply a response by to count in the gold's unit; None when the two measure different things.

    A missing unit is taken as the other's, and so is a word that is no known unit ("5 apples").
    """
    a, b = (_known(u) if u else None for u in (gold, response))
    if a is None or b is None:
        return Fraction(1)
    return b[1] / a[1] if a[0] == b[0] else None
