"""Yes and no, true and false, in twelve languages."""

import re

from schemas.connectives import END, START, any_of

_YES = {
    "en": "yes|yeah|yep|y|true|t|correct|right|supported|absolutely|indeed|certainly|1",
    "zh": "是|是的|对|对的|正确|正确的|真|没错|對|正確|有|有的|存在|会|会的|可以|能",
    "ja": "はい|正しい|正しいです|真|真である|あります|います",
    "ko": "네|예|맞다|맞습니다|맞아요|참|있습니다|있다",
    "fr": "oui|vrai|exact",
    "es": "sí|si|verdadero|cierto|correcto",
    "pt": "sim|verdadeiro|certo|correto",
    "de": "ja|wahr|richtig|korrekt",
    "it": "sì|vero|corretto",
    "ru": "да|верно|правда|истина|правильно",
    "ar": "نعم|صحيح|صح",
    "hi": "हाँ|हां|सही|सत्य",
}
_NO = {
    "en": "no|nope|n|false|f|incorrect|wrong|untrue|refuted|0",
    "zh": "否|不|不是|不是的|错|错的|错误|错误的|假|不对|不正确|錯|錯誤|没有|沒有|不存在|不会|不可以|不能",
    "ja": "いいえ|間違い|誤り|偽|正しくない|ありません|いません",
    "ko": "아니요|아니오|아니다|아닙니다|틀리다|틀렸습니다|거짓|없습니다|없다",
    "fr": "non|faux|inexact",
    "es": "falso|incorrecto",
    "pt": "não|incorreto|errado",
    "de": "nein|falsch|inkorrekt",
    "it": "scorretto",
    "ru": "нет|неверно|ложь|неправда|неправильно",
    "ar": "لا|خطأ|خاطئ",
    "hi": "नहीं|गलत|असत्य",
}
TRUE = frozenset(any_of(_YES).split("|"))
FALSE = frozenset(any_of(_NO).split("|"))
PARTICLES = frozenset(
    ("yes", "no", "yeah", "yep", "nope", "oui", "non", "sí", "sim", "não", "ja", "nein", "sì", "да", "нет",
     "نعم", "لا", "हाँ", "नहीं", "はい", "いいえ", "네", "예", "아니요", "아니오", "是的", "不是", "是", "否")
)  # fmt: skip
"""Words that answer without saying of what; what is stated of the matter in a clause of its own ("it isn't") counts more."""
TRUTH = re.compile(
    rf"{START}(?P<true>true|correct|right|yes|supported|accurate|valid|wahr|richtig|vrai|correct[ao]|corret[ao]"
    rf"|verdadeir[ao]|cierto|certo|vero|верно"
    rf"|صحيح|सही){END}|{START}(?P<false>false|incorrect|wrong|untrue|inaccurate|invalid|refuted|falsch|faux|falso"
    rf"|falsa|incorrect[ao]|incorret[ao]"
    rf"|неверно|ложь|خطأ|गलत){END}|(?P<true_cjk>真|正确|正確|对|對|正しい|맞)|(?P<false_cjk>假|错误?|錯誤?|間違い|誤り|틀)",
    re.IGNORECASE,
)
"""What states, in the middle of a sentence, that something is true or false: fewer words than those that answer alone."""
