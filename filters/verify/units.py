"""Units of measure: which text is one, and what a value in one unit is in another.

The table comes from pint (`write_units`); prefixes, powers, products and quotients are read here. Symbols keep their letter
case (`mW` is no `MW`), names do not. What is not in the table and looks like a unit (`IU`, `dBm`) is compared as text; a
counted noun (`apples`) is no unit.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from filters.verify.unit_table import PREFIXES, UNITS
from filters.verify.unit_words import translated
from schemas.remembered import remembered

Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """What one of a unit is worth in root units: `value * factor + offset`."""

    name: str
    factor: Fraction
    dimension: Dimension
    offset: Fraction = Fraction(0)


_OFFSETS = {"degree_Celsius": Fraction("273.15"), "degree_Fahrenheit": Fraction("459.67") * 5 / 9}
_MONEY = {
    "dollar": "$ dollars dollar usd USD us$ US$ bucks", "euro": "€ euros euro eur EUR",
    "sterling": "£ gbp GBP quid", "yen": "yen jpy JPY 円",
    "yuan": "yuan rmb RMB cny CNY renminbi 元", "won": "won krw ₩ 원",
    "rupee": "₹ rupees rupee inr rs Rs INR", "ruble": "₽ rubles rub",
}  # fmt: skip
_OWN = {
    "cent": (Fraction(1, 100), "dollar", "cents cent ¢ pennies penny"), "euro_cent": (Fraction(1, 100), "euro", "eurocents"),
    "pence": (Fraction(1, 100), "sterling", "pence"),
    "bpm": (Fraction(1, 60), "beat second^-1", "bpm"), "fps": (Fraction(1), "frame second^-1", "fps"),
    "pixel": (Fraction(1), "pixel", "px pixels pixel"), "o'clock": (Fraction(1), "o'clock", "o'clock o’clock uhr"),
}  # fmt: skip
_EITHER = {
    **dict.fromkeys(("degrees", "degree", "deg"), ("degree", "degree_Celsius", "degree_Fahrenheit")),
    "C": ("coulomb", "degree_Celsius"),
    "F": ("farad", "degree_Fahrenheit"), "pounds": ("pound", "sterling"), "pound": ("pound", "sterling"),
    "cents": ("cent", "euro_cent"), "¥": ("yen", "yuan"), "oz": ("ounce", "fluid_ounce"),
    "ounces": ("ounce", "fluid_ounce"), "ton": ("metric_ton", "ton"), "tons": ("metric_ton", "ton"),
    "Calories": ("Calorie", "calorie"), "Cal": ("Calorie", "calorie"), "calories": ("calorie", "Calorie"),
}  # fmt: skip
"""What is written alike and means several units; the reading that fits the other side is taken."""
_ANY = frozenset(("unit", "units", "square units", "cubic units", "sq units", "square unit", "cubic unit", "units^2"))
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cubed": 3, "cu": 3}
_TOKEN = re.compile(r"\s*(\^\s*\(?\s*-?\d\s*\)?|[/*()]|[^\W\d_]+[-$]?(?=\d\b|-\d\b)|[^\s/*()^\d]+|-?\d)")
_ADJECTIVES = re.compile(
    r"\s+(?:long|wide|tall|high|deep|old|thick|away|apart|ago|later|each|total|altogether|squares?|longer|taller|older|"
    r"shorter|heavier|faster|more|less|fewer|extra|left|remaining)$"
)
_UNIT_LIKE = re.compile(r"(?=[A-Za-zμΩÅ°/^%*-]{2,12}$)[a-zμ]*(?:[A-ZΩÅ][A-Za-zμΩÅ°/^%*-]*|[/^°%][A-Za-zμΩÅ°/^%*-]*)")
_FOLDED = {
    spelling.casefold(): spelling
    for spelling in ("km", "cm", "kg", "mL", "kB", "kW", "kWh", "kHz", "MHz", "GHz", "Hz", "GB", "TB", "kJ", "kV", "kPa")
}  # fmt: skip
"""Symbols that are also meant in another letter case (`KM`, `Kg`, `khz`): the case that is left is no other unit."""
_MOST = 60


def convert(value: Fraction, unit: str | None, into: str | None) -> Fraction | None:
    """The value in another unit; None where the two measure different things.

    A missing unit is taken as the other's. Two counted nouns ("apples", "red apples") are not compared.
    """
    if not unit or not into or unit == into:
        return value
    a, b = measures(unit), measures(into)
    if unit.casefold() in _ANY or into.casefold() in _ANY or (not a and not b and _same_text(unit, into)):
        return value
    if any(x.name == y.name for x in a for y in b):
        return value
    for x in a:
        for y in b:
            if x.dimension == y.dimension:
                return (value * x.factor + x.offset - y.offset) / y.factor
    return None


def _same_text(unit: str, into: str) -> bool:
    if looks_like_unit(unit) or looks_like_unit(into):
        return unit.casefold().replace(" ", "") == into.casefold().replace(" ", "")
    return True


def is_unit(text: str) -> bool:
    """Whether the text is a unit that is known here."""
    return bool(measures(text)) or text.casefold() in _ANY


_UNIT_FONT = re.compile(r"\\(?:text|mathrm|mbox|textrm|rm)\s*\{([^{}]*)\}")
_UNIT_BLANK = re.compile(r"\$|(?<!\\)\\(?:[,;: ]|q?quad(?![A-Za-z]))|~")
_UNIT_POWER = re.compile(r"\^\{(-?\d)\}$")


def split_unit(text: str) -> tuple[str, str] | None:
    r"""A formula and the unit behind it (`2\sqrt{3}\text{ cm}`, `36\pi cm^2`); None where no unit follows a blank or a font.

    A unit of one letter could as well be a factor; only those of lengths, times and their like are taken.
    """
    plain = _UNIT_POWER.sub(r"^\1", _UNIT_BLANK.sub(" ", _UNIT_FONT.sub(r" \1", text)).strip())
    tokens = plain.rsplit(None, 4)
    for at in range(1, len(tokens)):
        unit = " ".join(tokens[at:])
        if is_unit(unit) and (len(unit) > 1 or unit in "mslgNJWV"):
            return " ".join(tokens[:at]), unit
    return None


def looks_like_unit(text: str) -> bool:
    """Whether an unknown text is written as units are, with capitals, slashes or powers, rather than a counted noun."""
    return bool(_UNIT_LIKE.match(text))


@remembered()
def measures(text: str) -> tuple[Measure, ...]:
    """What a unit may mean; empty where it is none. Linear in the text."""
    text = text.strip(" .")
    if not text or len(text) > _MOST:
        return ()
    text = translated(text)
    for spelling in (text, _ADJECTIVES.sub("", text)):
        if spelling in _EITHER:
            return tuple(_named()[name] for name in _EITHER[spelling])
        if (found := _read(spelling)) is not None:
            return (found,)
    before, _, last = text.rpartition(" ")  # "extra minutes", "US dollars"
    described = len(last) > 3 and before.isalpha() and before.casefold() not in ("and", "or", "not", "per")
    found = _name(last) if described else None
    return (found,) if found is not None else ()


def _read(text: str) -> Measure | None:
    text = re.sub(r"\bper\b|(?<=[a-z]) an? (?=[a-z])", "/", text.replace("·", "*").replace("⋅", "*").replace("**", "^"))
    tokens = _TOKEN.findall(text)
    if "".join(tokens).replace(" ", "") != text.replace(" ", "") or not tokens:
        return None
    return _Product(tokens).read()


class _Product:
    """A product of units with powers. What follows a slash is in the denominator: `J/kg K`, `J/(kg*K)`."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0
        self.factor, self.powers, self.offset = Fraction(1), dict[str, int](), Fraction(0)
        self.names: list[tuple[str, int]] = []

    def read(self) -> Measure | None:
        sign, ahead = 1, 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token in "/*()":
                sign = -1 if token == "/" else sign
                self.at += 1
            elif token.casefold() in _POWERS and self.at + 1 < len(self.tokens):
                ahead = _POWERS[token.casefold()]
                self.at += 1
            elif not self._one(sign, ahead):
                return None
            else:
                ahead = 1
        if not self.names or ahead != 1:
            return None
        dimension = tuple(sorted((base, power) for base, power in self.powers.items() if power))
        offset = self.offset if len(self.names) == 1 and self.names[0][1] == 1 else Fraction(0)
        name = " ".join(f"{name}^{power}" if power != 1 else name for name, power in sorted(self.names))
        return Measure(name, self.factor, dimension, offset)

    def _one(self, sign: int, power: int) -> bool:
        for size in (3, 2, 1):  # "degrees celsius", "light years"
            words = self.tokens[self.at : self.at + size]
            unit = _name("_".join(words)) if len(words) == size else None
            if unit is None:
                continue
            self.at += size
            power *= self._power()
            if abs(power) > 9:
                return False
            self.factor *= unit.factor ** (sign * power)
            self.offset = unit.offset
            self.names.append((unit.name, sign * power))
            for base, count in unit.dimension:
                self.powers[base] = self.powers.get(base, 0) + sign * power * count
            return True
        return False

    def _power(self) -> int:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        if token[:1] == "^" or token.lstrip("-").isdigit():
            self.at += 1
            return int(token.strip("^() ").replace(" ", ""))
        if token.casefold() in ("squared", "cubed"):
            self.at += 1
            return _POWERS[token.casefold()]
        return 1


@remembered()
def _name(text: str) -> Measure | None:
    """One unit, with or without a prefix. A symbol in its own letter case goes before a name in any."""
    symbols, names = _tables()
    text = translated(text)
    found = symbols.get(text) or names.get(text.casefold())
    return found or _prefixed(text)


def _prefixed(text: str) -> Measure | None:
    symbols, names = _tables()
    for factor, name, short in PREFIXES:
        for prefix in short.split():
            unit = symbols.get(text[len(prefix) :]) if text.startswith(prefix) else None
            if unit is not None and unit.name in _takes_prefixes():
                return _times(unit, name, Fraction(factor))
        if text.casefold().startswith(name) and (unit := names.get(text.casefold()[len(name) :])) is not None:
            return _times(unit, name, Fraction(factor)) if unit.name in _takes_prefixes() else None
    spelling = _FOLDED.get(text.casefold())
    return _name(spelling) if spelling is not None and spelling != text else None


def _times(unit: Measure, prefix: str, factor: Fraction) -> Measure:
    return Measure(prefix + unit.name, unit.factor * factor, unit.dimension)


@cache
def _takes_prefixes() -> frozenset[str]:
    return frozenset(name for name, *_, prefixed in UNITS if prefixed)


@cache
def _named() -> dict[str, Measure]:
    """Every unit without a prefix, by its name."""
    rows = [(name, Fraction(factor), dimension) for name, factor, dimension, _, _ in UNITS]
    rows += [(name, Fraction(1), name) for name in _MONEY]
    rows += [(name, factor, dimension) for name, (factor, dimension, _) in _OWN.items()]
    rows.append(("Calorie", Fraction(4_184_000), "gram meter^2 second^-2"))
    return {
        name: Measure(name, factor, _dimension(dimension), _OFFSETS.get(name, Fraction(0)))
        for name, factor, dimension in rows
    }


def _dimension(text: str) -> Dimension:
    parts = (part.partition("^") for part in text.split())
    return tuple(sorted((base, int(power or 1)) for base, _, power in parts))


@cache
def _tables() -> tuple[dict[str, Measure], dict[str, Measure]]:
    """Spellings whose letter case counts (up to three letters, or with capitals), and those where it does not."""
    spelled = [(name, [name, *called.split()]) for name, _, _, called, _ in UNITS]
    spelled += [(name, called.split()) for name, called in _MONEY.items()]
    spelled += [(name, called.split()) for name, (_, _, called) in _OWN.items()]
    symbols: dict[str, Measure] = {}
    names: dict[str, Measure] = {}
    for name, spellings in spelled:
        for spelling in spellings:
            symbols.setdefault(spelling, _named()[name])
            if len(spelling) > 2 or not spelling.isalpha():
                names.setdefault(spelling.casefold(), _named()[name])
    return symbols, names
