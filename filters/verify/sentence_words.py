"""The words that `number_sentence` and `conclusion` know, by what they do to the number of a sentence."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CONDITIONS = _set(
    "if unless whether suppose supposing assume assuming assumed guessing guessed wenn falls si sauf если"
)
OPERATIONS = _set(
    "sqrt root cube squared cubed factorial log ln sine cosine tangent times plus minus divided multiplied double twice "
    "triple"
)
OF_ANOTHER = _set("half third quarter square reciprocal inverse logarithm negative")
"""Operations only where they are right in front of a formula: "5 square meters" is an answer, "the square of" is none."""
EARLIER = _set("before earlier previously initially originally")
COMPARED = _set("than weniger mehr moins menos меньше больше")
DISOWNED = (
    CONDITIONS
    | OPERATIONS
    | EARLIER
    | COMPARED
    | _set(
        "nothing nobody undetermined undefined doubt doubtful instead mistake unsolvable insufficient refuse forgot ignore "
        "disregard anything everything something whatever any between sin"
    )
)
"""Words of which one, anywhere in front of a number or behind it, means that the sentence does not state it."""
OF_A_SUBJECT = frozenset(("between",))
"""Words that bound a number only where they are right in front of it: "the distance between A and B is 5"."""
HARMLESS_AFTER = _set("than before any minus times plus sin si root double triple cube")
"""Words that disown a number only where they are in front of it."""
BOUNDS = frozenset(("at most", "at least", "up to", "as many", "as much", "no more", "no fewer", "not sure", "at best"))
"""Pairs of words that make the number behind them a bound, or a guess."""
VERBS = _set(
    "is are was were be equals equal gives gave give yields yield has have had contains contain shows show holds hold "
    "costs cost weighs weigh measures measure takes take took needs need requires require see sees count counted "
    "counts get got gets make makes made leaves leave find found finds obtain obtained have read reads earns earned "
    "earn spent spends pays paid pay becomes reaches totals sold sells bought buys ate used uses saved collected "
    "received won remain remains there's it's that's say answer choose pick includes include included has covers "
    "worth result total sum scored scores drew drove walked ran traveled travelled lasts lasted comprises visited "
    "produced travels travel moves move runs walks walk drives flies covers saves holds fits seats weighs rises falls "
    "ist sind war waren gibt beträgt betragen ergibt hat haben kostet est sont était coûte vaut donne ont font fait aura "
    "es son hay era cuesta tiene tienen vale fue resulta é são há custa tem igual equivale resultado равно равен "
    "равна составляет будет это ответ есть имеет هو هي يساوي تساوي الجواب الإجابة है हैं उत्तर "
    "изображено изображены показано показаны видно находится находятся sono c'è contiene "
    "holding wearing carrying showing = : → ⇒ ≈ ➜ ∴"
)
"""Verbs and marks that state the number behind them."""
VERBS_WITH_TO = _set(
    "equal equals add adds comes come amounts amount sum sums evaluates evaluate simplifies simplify rounds round "
    "works work reduces reduce equates corresponds rounded out égal égale igual"
)
"""Those that do so with "to": "comes to", "adds up to"."""
ADVERBS = _set(
    "about approximately approx around roughly exactly precisely only just simply now then therefore thus hence also "
    "indeed still actually overall ~ ≈ circa ca etwa ungefähr genau insgesamt environ exactement aproximadamente "
    "exactamente déjà encore donc всего примерно ровно worth number value integer currently already * $ ( \" ' ` positive"
)
VERBS_WITH_BY = _set("increases increased decreases decreased grew rose fell")
"""Those that do so with "by"."""
AMOUNTS = _set(
    "total sum value length area width height volume speed price cost probability distance weight mass score count "
    "perimeter radius diameter temperature answer result rate population angle profit number"
)
"""Nouns of which a number is given with "of": "a total of 5"."""
ARTICLES = frozenset(("a", "an", "the", "un", "une", "la", "le", "el", "der", "die", "das"))
HEADINGS = _set("question step problem exercise part case option equation figure chapter page note attempt try")
NO_NOUNS = _set(
    "over more less fewer above below or and to max maximum minimum min tops up power percentile modulo mod under upwards "
    "downwards"
)
"""Words that begin and end no noun, beside operations: "5 or more", "5 modulo 7"."""
OPENS_TAIL = _set(
    "in on at of per for from with by each every which that who because since as so when where after among altogether "
    "total are is were was can there than to left remaining away apart total overall i.e. thus hence therefore and "
    "visible shown en de del dans par pro im auf für di na nas nos nel nella sul sulla в на से में and है है। हैं को"
)
"""What may follow a number and its noun without changing it."""
NOUNS_TOO = _set("answer result total sum worth choose pick there's it's that's = : → ⇒ ≈ ➜ ∴")
"""Verbs that are nouns or mere marks too: in the middle of a clause they state nothing."""
