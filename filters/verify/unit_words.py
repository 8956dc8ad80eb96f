"""Units in Russian, Spanish, Portuguese, French, Italian, German, Arabic and Hindi, as the symbols of `units`.

Chinese, Japanese and Korean ones are in `east_asian`. A word that is another one in English (`pies`, `ore`) is left out.
"""

from functools import cache
from itertools import product

_SYMBOLS = {
    "m": "м", "cm": "см", "mm": "мм", "km": "км", "g": "г", "kg": "кг", "mg": "мг", "s": "с сек", "min": "мин", "h": "ч",
    "L": "л", "mL": "мл", "N": "Н", "J": "Дж", "W": "Вт", "V": "В", "A": "А", "ohm": "Ом", "Hz": "Гц", "Pa": "Па",
    "kPa": "кПа", "kW": "кВт", "kJ": "кДж", "kN": "кН",
}  # fmt: skip
"""Russian symbols, whose letter case counts."""
_PREFIXES = {
    "": ("",), "k": ("kilo", "quilo", "chilo", "kilô", "kiló", "quilô", "кило"),
    "c": ("centi", "centí", "zenti", "санти"), "m": ("mili", "milli", "milí", "милли"),
}  # fmt: skip
_PREFIXED = {
    "m": "metros metro mètre mètres metri meter metern метр метра метров метре метры",
    "g": "gramos gramo grammes gramme grammi grammo gramm gramas грамм грамма граммов",
    "L": "litros litro litri liter litern литр литра литров литры",
}
_STRESSED = str.maketrans("íóô", "ioo")
"""The stress moves: `centímetros`, `milímetros`, `quilômetros`, and is often left out."""
_WORDS = {
    "s": "segundos segundo secondes seconde secondi sekunden sekunde секунд секунды секунда ثانية ثوان सेकंड सेकेंड",
    "min": "minutos minuto minuti minuten минут минуты минута دقيقة دقائق मिनट",
    "h": "horas hora heures heure stunden stunde часов часа час ساعة ساعات घंटे घंटा",
    "day": "días día dias dia jours jour giorni giorno tage tag tagen дней дня день أيام يوم दिन",
    "week": "semanas semana semaines semaine settimane wochen woche недель недели неделя أسابيع",
    "year": "años año anos années année jahre jahren лет года год سنوات سنة साल वर्ष",
    "degrees": "grados grado graus grau degrés degré gradi grad градусов градуса градус درجة درجات डिग्री",
    "m": "متر أمتار मीटर", "cm": "سم سنتيمتر सेमी सेंटीमीटर", "km": "كم كيلومتر किमी किलोमीटर", "mm": "مم मिमी",
    "kg": "كجم كغ كيلوغرام किग्रा किलोग्राम", "g": "غرام جرام ग्राम", "L": "لتر लीटर",
    "dollar": "dólares dólar dollari долларов доллара доллар دولار डॉलर",
    "ruble": "рублей рубля рубль", "rupee": "रुपये रुपए रुपया",
}  # fmt: skip
_AREAS = {
    "^2": ("{} cuadrados", "{} quadrados", "{} carrés", "{} quadrati", "квадратных {}", "кв. {}", "quadrat{}"),
    "^3": ("{} cúbicos", "{} cubes", "{} cubi", "кубических {}", "куб. {}", "kubik{}"),
}


@cache
def unit_words() -> dict[str, str]:
    """Words, case folded, and Russian symbols as they are, with the symbol or name that `units` knows."""
    table = {symbol: name for name, spelled in _SYMBOLS.items() for symbol in spelled.split()}
    for (prefix, spelled), (unit, stems) in product(_PREFIXES.items(), _PREFIXED.items()):
        for before, stem in product(spelled, stems.split()):
            name = prefix + unit
            table[before + stem] = table[(before + stem).translate(_STRESSED)] = name
    table |= {word: name for name, words in _WORDS.items() for word in words.split()}
    lengths = {word: name for word, name in table.items() if name in ("m", "cm", "mm", "km")}
    for (power, forms), (word, name) in product(_AREAS.items(), lengths.items()):
        table |= {form.format(word): name + power for form in forms}
    return table


def translated(unit: str) -> str:
    """A unit as `units` spells it, where it is one of another language; else as it is."""
    if unit in (table := unit_words()):
        return table[unit]
    folded = unit.casefold()
    return table.get(folded, unit) if len(folded) > 2 else unit
