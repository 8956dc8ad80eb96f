r"""The phrases of `filters.verify.lead_in`, by what they do and by language; patterns for `flat` text.

Lead-ins beside ours: OpenCompass `first_option_postprocess` (opencompass/utils/text_postprocessors.py), lighteval's
translation literals (src/lighteval/tasks/templates/utils/translation_literals.py), VLMEvalKit `can_infer`
(vlmeval/utils/matching_util.py), and the regular expressions of lmms-eval's tasks.
"""

import re

from schemas.connectives import END, NO, NOT, OR, OR_CJK, SO, START, any_of

_SURE = (
    r"(?:therefore|thus|then|hence|indeed|simply|clearly|obviously|definitely|certainly|surely|undoubtedly"
    r"|probably|most likely"
    r"|likely|most probably|actually|really|just|exactly|again)"
)
_SO = (
    r"(?:so|thus|therefore|hence|then|finally|consequently|accordingly|clearly|obviously|definitely|certainly|sure"
    r"|surely|ok|okay"
    r"|well|in (?:conclusion|summary|short|the end)|to (?:conclude|summari[sz]e|sum up)|overall|as a result"
    r"|conclusion|probably"
    r"|most likely|likely|(?:based on|from|given) (?:the|this|my) [a-z]{3,14}|and|but)"
)
_BEST = (
    r"(?:final|remaining|correct|right|best|only|most (?:likely|suitable|appropriate|accurate|plausible)|chosen"
    r"|selected"
    r"|desired|overall)"
)
_NOUN = (
    r"(?:answers?|result|solution|conclusion|response|options?|choices?|selection|pick|guess|labels?|set"
    r"|(?:correct )?(?:order|sequence|ordering|ranking))"
)
_IS = r"(?: ?[:=] ?| (?:is|are|was|would be|should be|must be|will be|has to be|remains)(?![\w'])(?: ?:)? ?)"
_IT_IS = r"(?:(?:it|this|that)(?: is| must be| should be| has to be| would be|'s))"
_ENGLISH = rf"""
(?:{_SO}(?: ?[,:] ?| ))*
(?:i (?:{_SURE} )?(?:think|believe|guess|suppose|conclude|would say|say|am (?:(?:quite|pretty|very) )?(?:sure
|confident|certain))
(?: that)?(?:,|:)? (?=\S))?
(?:(?:(?:the|my|our|your|its) )?(?:{_BEST} )*{_NOUN}
(?: to (?:the|this|your) (?:question|problem|puzzle|task)| here| for (?:this|the) (?:question|problem)
| i (?:choose|chose|pick))?
\]?{_IS}
|ans(?:\.? ?: ?|\. | is )
|\[(?:final )?(?:answer|ans)(?:\] ?:? ?|: ?)
|(?:i(?:'d|'ll| would| will| have to| must| shall)? (?:{_SURE} |rather )?)?(?:choose|chose|select|selected|pick|picked
|go with|go for|opt for|answer with)(?: ?:)?\x20
|(?:i'm|i am) (?:going with|choosing|picking|selecting)\x20
|i(?: would|'d)? (?:think|believe|guess|suppose|say)(?: that)?:? (?=\S)
|{_IT_IS}\x20
|here(?: is|'s| are) (?:(?:the|my|our|your) )?(?:{_BEST} )*{_NOUN} ?: ?
|(?:the |this |that )?(?:sign|text|label|caption|title|word|image|picture|banner|heading|it) (?:says|reads):? (?=\S)
|(?:which |this |that )?(?:leaves|leaving) (?:us )?(?:with )?(?:only )?
)
(?:{_SURE},? )*(?:that )?
|(?:(?:so|thus|therefore|hence|clearly|obviously|definitely|certainly|finally|probably|most likely|in conclusion
|overall)[,:]? )+
"""
_SPANISH = rf"""
(?:(?:así que|entonces|{SO["es"]}|por eso|en conclusión|luego),? )?(?:creo que )?
(?:(?:la |las )?(?:respuestas?|solución|opción|alternativa|elección)(?: (?:final|correctas?))*(?: ?: ?| (?:es|son|sería
|debe ser)(?!\w)(?: ?:)? ?(?:la (?=[A-Z]\b))?)
|el resultado es(?: ?:)? |resultado ?: ?|(?:yo )?(?:elijo|escojo|selecciono) (?:la )?
|es la (?:(?:opción|letra|respuesta) )?(?=[A-Z]\b))
"""
_PORTUGUESE = rf"""
(?:(?:{SO["pt"]}|assim|então|por isso|em conclusão),? )?(?:acho que )?
(?:(?:a )?(?:resposta|solução|opção|alternativa|escolha)(?: (?:final|correta|certa))*(?: ?: ?| (?:é|seria
|deve ser)(?!\w)(?: ?:)? ?(?:a (?=[A-Z]\b))?)
|o resultado é(?: ?:)? |(?:eu )?(?:escolho|seleciono) (?:a )?|é a (?:(?:opção|letra|alternativa|resposta) )?(?=[A-Z]\b))
"""
_FRENCH = rf"""
(?:(?:{SO["fr"]}|ainsi|en conclusion|alors),? )?(?:je pense que )?
(?:(?:la |les )?(?:(?:bonnes?|seules?) )?(?:réponses?|solution|option|proposition)(?: (?:finale|correcte|exacte|juste))*
(?: ?: ?| (?:est|sont|serait|doit être)(?!\w)(?: donc)?(?: ?:)? ?(?:(?:la|l'option|la lettre
|la proposition|la réponse) (?=\W{{0,4}}[A-Z]\b))?)
|le résultat est(?: ?:)? |je (?:choisis|sélectionne) (?:la )?|c'est (?:(?:la|l'option|la lettre|la réponse) (?=[A-Z]\b))?)
"""
_GERMAN = rf"""
(?:(?:also|{SO["de"]}),? )?(?:ich denke,? )?
(?:(?:ist )?(?:(?:die|meine|das) )?(?:(?:richtige|korrekte|endgültige|finale) )*(?:antwort|lösung|option|ergebnis)
(?: ?: ?| (?:ist|lautet|wäre)(?!\w)(?: daher| also)?(?: ?:)? ?)|ich (?:wähle|nehme) |es ist )
"""
_ITALIAN = rf"""
(?:(?:{SO["it"]}),? )?
(?:(?:la )?(?:risposta|soluzione|opzione|scelta)(?: (?:finale|corretta|giusta))*(?: ?: ?
| è(?!\w)(?: ?:)? ?(?:(?:la|l'opzione|la lettera) (?=[A-Z]\b))?)|scelgo (?:la )?)
"""
_RUSSIAN = rf"""
(?:(?:{SO["ru"]}),? )?(?:я думаю,? (?:что )?)?
(?:(?:(?:правильн|верн|окончательн|мой)\w{{0,4}} )*(?:ответ(?:ом)?|вариант|решение|результат)(?: является
| будет)?(?: ?: ?| - | это | )
|я (?:выбираю|выберу) (?:вариант )?|это )
"""
_ARABIC = rf"""
(?:(?:{SO["ar"]}|إذا|بالتالي) ?,? ?)?
(?:(?:الإجابة|الاجابة|إجابة|الجواب|الحل|الخيار|النتيجة)(?: (?:الصحيحة|الصحيح|النهائية|النهائي|هي|هو))*(?: ?: ?| )
|(?:أختار|اختار) )
"""
_HINDI = rf"""
(?:(?:{SO["hi"]}|तो) ?,? ?)?(?:(?:सही |अंतिम )*(?:उत्तर|जवाब|विकल्प|परिणाम)(?: है(?! *$)| विकल्प)*(?: ?: ?| )|मैं )
"""
_CHINESE = r"""
(?:(?:所以|因此|故而|综上所述|综上|由此可知|由此可得|因而|那么|于是|从而|最后|我(?:们)?(?:认为|觉得|相信|想)
|故) ?[,:]? ?)*
(?:\[?(?:本题|此题|该题|问题)?的?(?:最终|正确|标准|参考|最佳)?的?(?:答案|解答|结果|結果|结论|答(?=[:\]]))(?:选项
|選項)?\]?
(?:应该|應該|应当|应|應|就|也|则|只能|一定)?(?:是|为|為|选择|选|選)?(?:选项|選項)? ?[:=]? ?
|(?:正确|最佳|最终)的?(?:选项|選項|选择)?(?:是|为|為) ?:? ?
|(?:下列|以下|上述)?(?:说法|說法|叙述|表述|描述|选项|選項)中?(?:正确|正確|对|對)的?(?:选项|選項|一项|说法)?(?:是|为|為) ?:? ?
|(?:本题|此题|该题)?(?:应该|應該|应当|应|應|我会|我|只能|可以|只)?(?:选项|選項|选择|選擇|选|選)(?:定|出
|了)?(?:选项|選項)?(?:是|为|為)? ?:? ?
|(?:它|这|那|這)?(?:就|应该|應該|应当|应|也)?是(?![的非否,.;]) ?)
"""
_JAPANESE = r"""
(?:(?:したがって|よって|だから|そのため|ゆえに|つまり|以上より) ?,? ?)?
(?:正しい|最終的な|最終)?(?:答え|正解|解答|回答|選択肢|答|結果) ?[は:=]? ?:? ?
"""
_KOREAN = r"""
(?:(?:따라서|그러므로|그래서|결론적으로) ?,? ?)?(?:최종 ?|올바른 ?|맞는 ?)?(?:정답|답변|답안|선택지|선택|답
|결과) ?[은는:=]? ?:? ?
"""
_AFTER = r"(?:(?:[*_\"]{1,3}|`{1,2})(?= |$))? ?"
_BEFORE = re.compile(r"[*_#>✅☑✓•\- ]{1,8}(?=[^\W\d_]|\[)")
"""Marks of a heading, a list or emphasis before a lead-in."""


def _lead(*languages: str) -> re.Pattern[str]:
    joined = ("".join(pattern.strip("\n").split("\n")) for pattern in languages)
    return re.compile("(?:" + "|".join(f"(?:{pattern})" for pattern in joined) + ")" + _AFTER, re.IGNORECASE)


_LATIN = _lead(_ENGLISH, _SPANISH, _PORTUGUESE, _FRENCH, _GERMAN, _ITALIAN)
_OTHERS = _lead(_CHINESE, _JAPANESE, _KOREAN, _RUSSIAN, _ARABIC, _HINDI)


_WORD = re.compile(r"[^\W\d_]+")
_FIRST = frozenset(
    """here sign text caption title word image picture banner heading
    so thus therefore hence then finally consequently accordingly clearly obviously definitely certainly sure
    surely ok okay well in to overall as conclusion probably most likely based from given and but i the my our
    your its final remaining correct right best only chosen selected desired answer answers result solution
    response option options choice choices selection pick guess label labels set order sequence ordering
    ranking ans it this that which leaves leaving choose chose select picked go opt así entonces por en luego
    creo la las respuesta respuestas opción alternativa elección el resultado yo elijo escojo selecciono es
    solución é portanto logo assim então em acho a resposta solução opção escolha o eu escolho seleciono donc
    ainsi par alors je les bonne bonnes seule seules réponse réponses proposition le c also daher somit
    deshalb folglich ich ist die meine das richtige korrekte endgültige finale antwort lösung ergebnis quindi
    dunque pertanto risposta soluzione opzione scelta scelgo""".split()  # noqa: SIM905
) | {words.split()[0] for words in re.sub(r"\(.*?\)", "", any_of(SO)).split("|")}
"""What a lead-in in Latin letters begins with: a look-up that spares most texts the patterns."""


def lead(text: str) -> int:
    """Where the lead-in of a text ends; 0 where it has none."""
    start = match.end() if (match := _BEFORE.match(text)) else 0
    first = text[start : start + 1]
    if not (first.isalpha() or first == "["):
        return 0
    pattern = _LATIN if text[start + (first == "[") : start + 2] < "\u0370" else _OTHERS
    if (
        pattern is _LATIN
        and first != "["
        and (word := _WORD.match(text, start))
        and word.group().casefold() not in _FIRST
    ):
        return 0
    match = pattern.match(text, start, start + 300)
    return match.end() if match else 0


_LAST = frozenset(
    """answer option choice one result solution correct right definitely certainly surely sure think believe
    guess confident certain doubt course obviously clearly undoubtedly probably likely down indeed total
    overall end respuesta correcta correcto correta correto resposta alternativa correcte exacte exact juste
    richtig richtige korrekt korrekte antwort corretto corretta""".split()  # noqa: SIM905
)
_LAST_WORD = re.compile(r"([A-Za-z]+)[).!]*$")


def closing(text: str) -> int:
    """Where the words begin that close a text; its length where there are none."""
    tail = max(0, len(text) - 120)
    if text.isascii() and not (
        (word := _LAST_WORD.search(text, max(tail, len(text) - 20))) and word.group(1).casefold() in _LAST
    ):
        return len(text)
    match = _CLOSING.search(text, tail)
    return match.start() if match else len(text)


_ENGLISH_CLOSING = (
    r" (?:is|are|must be|would be|should be) (?:(?:definitely|clearly|therefore|indeed|the|my) )*"
    rf"(?:(?:{_BEST} )*(?:answer|option|choice|one|result|solution)|correct|right)"
    r"|,? ?\(?(?:definitely|certainly|surely|for sure|i think|i believe|i guess|i'm (?:(?:quite|pretty|very"
    r"|100 ?%) )?(?:sure|confident|certain)"
    r"|i am (?:(?:quite|pretty|very|100 ?%) )?(?:sure|confident|certain)|without (?:a |any )?doubt|no doubt"
    r"|of course|obviously|clearly"
    r"|undoubtedly|probably|most likely|hands down|indeed|in total|overall|in the end|as (?:the"
    r"|my) (?:final )?answer)\)?"
)
_OTHER_CLOSING = (
    r" ?(?:就?是|为)(?:正确|最终|标准)?的?(?:答案|选项)|(?:就?是)?(?:正确的?|对的)|[,。]?(?:没错|肯定)"
    r"| ?(?:[이가] ?)?(?:정답 ?)?(?:입니다|이다|예요|이에요|이다|임)|[이가을를] ?(?:정답|선택)(?:합니다|이다"
    r"|입니다|임)?"
    r"| ?(?:が(?:正解|正しい|答え) ?)(?:です|である|だ)?| ?(?:です|である|だ|でしょう|になります|となります)(?:よ"
    r"|ね)?|を(?:選びます|選ぶ|選択します)"
    r"| (?:ही )?(?:सही (?:उत्तर |जवाब |विकल्प )?)?(?:है|हैं)|(?:को)? चुनता हूँ"
    r"| (?:es|son|sería) (?:la (?:respuesta|opción)(?: correcta)?|correct[oa])| (?:é|está) (?:a (?:resposta|opção"
    r"|alternativa)(?: correta)?|corret[oa])"
    r"| est (?:la )?(?:bonne |seule )?(?:réponse|correcte?|exacte?|juste)(?: correcte| exacte)?"
    r"| ist (?:die )?(?:richtige? ?|korrekte? ?)?(?:antwort|richtig|korrekt)| è (?:la risposta )?corrett[ao]"
    r"| (?:- |является )?(?:правильн(?:ый|ым)|верн(?:ый|ым)) ?(?:ответ(?:ом)?|вариант(?:ом)?)?| (?:- )?верно"
    r"| (?:هي|هو) (?:الإجابة|الجواب|الخيار) ?(?:الصحيحة|الصحيح)?| صحيحة?"
)
_CLOSING = re.compile(rf"(?:{_ENGLISH_CLOSING}|{_OTHER_CLOSING})[.!]*$", re.IGNORECASE)
"""At the end of a text: what closes it without a doubt ("is the correct answer", ", definitely", 입니다, です, है)."""

_DENY = {
    "en": (
        r"scratch that|all but|(?:any|every)thing but|nothing|nobody|neither|nor|none|excluding|excluded?s?|rather than"
        r"|instead of|without|wrong|incorrect|incorrectly|false|untrue|eliminated?|eliminates|eliminating"
        r"|rul(?:e|es|ed|ing) (?:\w+ )?out|ruled? out|unlikely|impossible|invalid|fails?|mistaken|distractors?|decoys?"
        r"|inaccurate|far from|lacks?|discard(?:ed)?|reject(?:ed|s)?|refuted?|contradicts?"
    ),
    "es": r"ni|tampoco|falso|falsa|incorrect[oa]s?",
    "pt": r"nem|falso|falsa|incorret[oa]s?|errad[oa]s?",
    "fr": r"ni|faux|fausse|incorrecte?s?|non|aucune?|impossible",
    "de": r"weder|außer|falsch|falsche|inkorrekt|unmöglich|nein",
    "it": r"né|falso|falsa|sbagliat[oa]|errat[oa]",
    "ru": r"нет|ни|неверно|неверный|неверен|неправильно|неправильный|неправильным|ложь|ложно|нельзя|исключ\w+",
    "ar": r"غير|خطأ|خاطئ|خاطئة|عدا",
    "hi": r"न|ना|गलत|ग़लत|सिवाय|अलावा|असत्य",
}
"""Denials beside not and no."""
_DENY_CJK = (
    r"不(?!仅|但|只|过)|非(?!常)|没有?|没|無|无|错|錯|排除|除了|除外|并未|未(?!来)|否|ません|ない|ではなくて?|じゃなくて?|でなく|違い|違う"
    r"|違います|ではな|じゃな|誤|間違|以外"
    r"|아니(?:라|고)?|말고|아닙|아닌|않|틀리|틀렸|틀린|제외|오답|없"
)
DENIAL = re.compile(rf"{START}(?:{any_of(NOT, NO, _DENY)}){END}|{_DENY_CJK}", re.IGNORECASE)
NO_DENIAL = re.compile(
    r"\b(?:no|without(?: a| any)?) doubt\b|\bnot only\b|\bnothing (?:but|else)\b"
    r"|\bnone other than\b|\bno (?:need|more|less|wonder)\b|毫无疑问|无疑|不难"
    r"|不可否认|間違いな[くい]"
    r"|\bsans aucun doute\b|\bsin duda\b|\bsem dúvida\b|\bohne zweifel\b|\bsenza dubbio\b|\bнесомненно\b|بلا شك|बेशक",
    re.IGNORECASE,
)
"""Denials in form only."""

DOUBT = re.compile(
    rf"{START}(?:maybe|perhaps|possibly|might|may(?! \d)|could|potentially|uncertain|unsure|unclear|unknown"
    rf"|not sure|not certain|can't decide"
    r"|cannot (?:be )?(?:decided?|determined?|tell|say)|can't (?:tell|say)|no idea|don't know|do not know"
    r"|hard to (?:say|tell)|unable to"
    r"|quizás|tal vez|puede ser|podría|talvez|pode ser|poderia|peut-être|pourrait|vielleicht|möglicherweise|könnte"
    r"|forse|potrebbe"
    r"|может быть|возможно|может|наверное|ربما|قد يكون|शायद|संभवतः|हो सकता है)"
    + END
    + r"|可能|也许|也許|或许|或許|大概|不确定|不知道|说不定"
    r"|かもしれ|たぶん|おそらく|分からない|わかりません|아마|일지도|수도 있|모르",
    re.IGNORECASE,
)
"""What leaves an answer open."""

ALTERNATIVE = re.compile(
    rf"{START}(?:{any_of(OR)}|either|entweder|إما){END}|{OR_CJK}|要么|아니면",
    re.IGNORECASE,
)

CORRECTION = re.compile(
    rf"{START}(?:(?:no[,.]? )?wait|actually|scratch that|correction|on second thought|let me (?:re\w+|correct"
    rf"|double-check|check)|hold on|hmm+|oops"
    r"|sorry|i mean|i meant|my mistake|i was wrong|i made a mistake"
    r"|i (?:need|have|want) to correct(?: (?:this|that|it|myself))?|to correct myself|espera|perdón|en realidad"
    r"|mejor dicho|attendez|attends"
    r"|pardon|en fait|plutôt|moment|warte|eigentlich|entschuldigung|na verdade|desculpe|aspetta|anzi|in realtà"
    r"|подожди(?:те)?|постойте|точнее"
    rf"|на самом деле|извините|انتظر|عفوا|في الواقع|रुको|रुकिए|वास्तव में|दरअसल"
    rf"|माफ़ कीजिए){END}[,.:!\- ]*(?:no[,.:!] )?"
    rf"|{START}(?:no|nope|non|nein|não|нет)[:,.!] (?=\S)|(?:不对|不對|等等|等一下|更正|纠正一下|其实|其實|实际上"
    rf"|抱歉|待って|いや|訂正|실제로는|잠깐|아니,)[,.:!]* ?",
    re.IGNORECASE,
)
"""What takes back the words before it."""
