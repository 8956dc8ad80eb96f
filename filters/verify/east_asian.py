"""Numbers in Chinese, Japanese and Korean answers: numerals (`三百五十`, `1万2千`, `오십`), counters, units, lead-ins."""

import re
from dataclasses import dataclass
from fractions import Fraction

_DIGITS = {
    **dict.fromkeys("〇零영공", 0), **dict.fromkeys("一壹일", 1), **dict.fromkeys("二贰两兩이", 2),
    **dict.fromkeys("三叁삼", 3), **dict.fromkeys("四肆사", 4), **dict.fromkeys("五伍오", 5),
    **dict.fromkeys("六陆육륙", 6), **dict.fromkeys("七柒칠", 7), **dict.fromkeys("八捌팔", 8), **dict.fromkeys("九玖구", 9),
}  # fmt: skip
_TENS = {**dict.fromkeys("十拾십", 10), **dict.fromkeys("百佰백", 100), **dict.fromkeys("千仟천", 1000)}
_MYRIADS = {**dict.fromkeys("万萬만", 10**4), **dict.fromkeys("亿億억", 10**8), **dict.fromkeys("兆조", 10**12)}
_NATIVE_TENS = {
    "열": 10, "스물": 20, "스무": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60, "일흔": 70, "여든": 80, "아흔": 90,
}  # fmt: skip
_NATIVE_ONES = {
    "하나": 1, "한": 1, "둘": 2, "두": 2, "셋": 3, "세": 3, "넷": 4, "네": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8,
    "아홉": 9,
}  # fmt: skip
_UNITS = {
    "厘米": "cm", "公分": "cm", "毫米": "mm", "千米": "km", "公里": "km", "米": "m", "平方厘米": "cm^2",
    "平方米": "m^2", "平方公里": "km^2", "立方厘米": "cm^3", "立方米": "m^3", "克": "g", "千克": "kg", "公斤": "kg",
    "毫克": "mg", "吨": "tonne", "升": "L", "毫升": "mL", "小时": "h", "小時": "h", "分钟": "min", "分鐘": "min",
    "秒": "s", "天": "day", "日": "day", "周": "week", "年": "year", "岁": "year", "歲": "year", "歳": "year",
    "元": "yuan", "块钱": "yuan", "人民币": "yuan", "円": "yen", "日元": "yen", "美元": "$", "ドル": "$", "欧元": "€",
    "ユーロ": "€", "度": "degrees", "摄氏度": "°C", "华氏度": "°F", "℃": "°C", "米每秒": "m/s", "千米每小时": "km/h",
    "公里每小时": "km/h", "牛顿": "N", "焦耳": "J", "瓦": "W", "千瓦": "kW", "伏": "V", "伏特": "V", "安培": "A",
    "欧姆": "ohm", "赫兹": "Hz", "帕": "Pa", "公顷": "ha", "センチメートル": "cm", "センチ": "cm",
    "ミリメートル": "mm", "ミリ": "mm", "キロメートル": "km", "メートル": "m", "グラム": "g", "キログラム": "kg",
    "リットル": "L", "ミリリットル": "mL", "時間": "h", "分": "min", "日間": "day", "週間": "week", "센티미터": "cm",
    "밀리미터": "mm", "킬로미터": "km", "미터": "m", "그램": "g", "킬로그램": "kg", "리터": "L", "밀리리터": "mL",
    "시간": "h", "분간": "min", "초": "s", "일간": "day", "주": "week", "년": "year", "살": "year", "원": "won",
    "달러": "$", "유로": "€", "도": "degrees", "섭씨": "°C", "제곱미터": "m^2", "제곱센티미터": "cm^2",
}  # fmt: skip
_COUNTERS = (
    "个|個|把|箇|ヶ|ケ|つ|只|隻|条|條|张|張|人|名|位|台|臺|辆|輛|件|块|塊|颗|顆|头|頭|匹|朵|棵|层|層|页|頁|次|回|月|点|點|本|冊|枚|"
    "羽|軒|杯|種|种|篇|首|组|組|对|對|双|雙|束|盒|箱|瓶|包|袋|片|根|支|枝|座|所|家|步|道题|道|题|題|問|问|票|分|格|段|句|字|圈|份|班|"
    "개월|개|명|마리|대|권|장|잔|병|그루|송이|켤레|채|층|번|회|자루|봉지|줄|쪽|점|가지|사람|문제|칸|조각|팀|쌍"
)
_NEGATIVE = "负|負|マイナス|마이너스|零下|氷点下|영하|-|−"
_KANJI = "〇零一壹二贰两兩三叁四肆五伍六陆七柒八捌九玖十拾百佰千仟万萬亿億兆"
_HANGUL = "영공일이삼사오육륙칠팔구십백천만억조"
_NATIVE = "|".join(sorted((*_NATIVE_TENS, *_NATIVE_ONES), key=len, reverse=True))
_LATIN = r"[$¥€£₩]?\s?[\d０-９][\d.,/ ]*(?:\^\d+)?"
_NUMERAL = (
    rf"(?:{_LATIN}(?:(?!千[克米瓦卡帕])[{_KANJI}{_HANGUL}]+[\d{_KANJI}{_HANGUL}]*)?"
    rf"|[{_KANJI}]+|(?:{_NATIVE}){{1,2}}|[{_HANGUL}]+)"
)
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?P<sign>{_NEGATIVE})?\s*(?P<number>一?半(?![^\W\d_])|[{_KANJI}\d]+分之[{_KANJI}\d]+|{_NUMERAL}(?:[点點점・][{_KANJI}{_HANGUL}]+)?)\s*"
    rf"(?P<percent>%|％|퍼센트|パーセント|个?百分点)?\s*"
    rf"(?:(?P<unit>{_UNIT}|[a-zA-ZμΩ°][a-zA-Z/^\d°*]{{0,9}})|(?P<counter>{_COUNTERS}))?(?P<tail>[^\W\d_]*(?:\s[^\W\d_]+){{0,3}})\s*"
)
_MARKER = re.compile(
    r"等于|等於|多(?=\s?\d)|少(?=\s?\d)|剩下?|了(?=\s?\d)|将在|需要?|一共|总共|總共|共有|答案|結果|结果|得到|达到|是|为|為|有|共|得|約|约|大约|合計|全部で|答え|は|が|[:=]|"
    r"정답|답|(?:은|는|이|가|을|를|에는|총|약|모두|합은|합계)(?=\s)"
)
_SUBJECT = re.compile(
    rf"\d+(?:\.\d+)?\s?(?:{_UNIT}|{_COUNTERS})[\u3040-\u30ff\u3400-\u9fff]{{0,8}}?(?:一共|总共|總共|共|就)?(?:有|是|需要?|等于|等於)"
)
"""What has a number of its own and of which another is the amount: `2年有24个月`."""
_DENIED = re.compile(
    r"不|没|沒|無法|无法|非|否|未|小于|大于|少于|多于|低于|高于|超过|超過|至少|至多|最多|最少|以上|以下|以内|以內|或|还是|還是|可能|也许|也許|"
    r"除了|以外|第|倍|次方|平方根|根号|如果|假设|ない|ません|なかった|ではな|もし|たぶん|おそらく|아니|없|않|못|모르|또는|이상|이하|미만|초과|"
    r"번째|제곱근|루트|아마|만약|[?？!！±]"
)
_SCRIPT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_EDGES = " \t\n。．.,，、;；「」『』【】()（）*\"'“”"
_COPULAS = (
    "です", "入り", "입니다", "이다", "이에요", "예요", "だ", "あります", "ある", "います", "있습니다", "있다", "있어요",
    "でした", "である", "了", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """Either a value, or a number in digits that somebody else reads."""

    value: Fraction | None
    digits: str = ""
    unit: str | None = None
    percent: bool = False
    negative: bool = False


def in_east_asian(text: str) -> bool:
    """Whether a text has letters of Chinese, Japanese or Korean in it."""
    return bool(_SCRIPT.search(text))


def has_denial(text: str) -> bool:
    """Whether a word denies, doubts, bounds or asks."""
    return _DENIED.search(text) is not None


def read_east_asian(text: str) -> Found | None:
    """The one number that a short text states, alone or after a lead-in that ends in a verb or a topic mark."""
    text = text.strip(_EDGES)
    if not text or _DENIED.search(text):
        return None
    starts = [0, *(m.end() for m in _MARKER.finditer(text))]
    for start in reversed(starts):
        lead, rest = text[:start], text[start:].lstrip(" :=は約约")
        if re.search(r"\d", lead) and not _SUBJECT.fullmatch(lead):
            continue
        match = _NUMBER.match(rest)
        if match is not None and _ends(rest[match.end() :]) and (found := _found(match)) is not None:
            return found
    return None


def _ends(rest: str) -> bool:
    """Whether nothing that matters follows: a mark and words without another number."""
    return not rest or (rest[0] in "。．.,，、;；(（ " and not re.search(r"\d", rest))


def _found(match: re.Match[str]) -> Found | None:
    tail = match["tail"].strip()
    counted = match["unit"] is not None or match["counter"] is not None or match["percent"] is not None
    ended = tail in _COPULAS or any(tail.endswith(c) and len(tail) <= 12 for c in _COPULAS if c)
    if tail[:1] == "半" or not (counted or ended) or (match["unit"] is not None and len(tail) > 12):
        return None
    unit = _UNITS.get(match["unit"] or "", match["unit"])
    sign = -1 if match["sign"] is not None else 1
    text = match["number"]
    if re.fullmatch(_LATIN, text):
        return Found(None, text.strip(), unit=unit or ("%" if match["percent"] else None), negative=sign < 0)
    value = _part(text)
    percent = match["percent"] is not None or text.startswith("百分之")
    return None if value is None else Found(sign * value, unit=unit, percent=percent)


def _part(text: str) -> Fraction | None:
    """`百分之五十` (50), `三分之一`, `一半`, or a numeral."""
    if text in ("半", "一半"):
        return Fraction(1, 2)
    bottom, over, top = text.partition("分之")
    if not over:
        return _value(text)
    value, whole = _value(top), Fraction(1) if bottom == "百" else _value(bottom)
    return value / whole if value is not None and whole else None


def _value(text: str) -> Fraction | None:
    """A numeral in characters, or digits between characters (`1万2千`)."""
    native = _native(text)
    if native is not None:
        return native
    whole, point, decimals = re.sub(r"[点點점・]", ".", text).partition(".")
    if point and not re.search(r"[\d]", text):
        places = [_DIGITS.get(char) for char in decimals]
        value = _integer(whole)
        if value is None or not places or None in places:
            return None
        return value + Fraction(int("".join(map(str, places))), 10 ** len(places))
    return _integer(text)


def _native(text: str) -> Fraction | None:
    for word, tens in _NATIVE_TENS.items():
        if text.startswith(word):
            rest = text[len(word) :]
            return Fraction(tens + _NATIVE_ONES[rest]) if rest in _NATIVE_ONES else Fraction(tens) if not rest else None
    return Fraction(_NATIVE_ONES[text]) if text in _NATIVE_ONES else None


def _integer(text: str) -> Fraction | None:
    total, section, last = Fraction(0), "", 10**20
    for char in text:
        scale = _MYRIADS.get(char)
        if scale is None:
            section += char
            continue
        value = _section(section)
        if value is None or not section or scale >= last:
            return None
        total, section, last = total + value * scale, "", scale
    value = _section(section) if section else Fraction(0)
    return None if value is None else total + value


def _section(text: str) -> Fraction | None:
    """A number below 10,000, in characters (`三百五十`), digits with places (`2千`), or digits alone (`12`, `二〇二四`)."""
    tokens = re.findall(r"\d[\d.,]*|\D", text)
    if len(tokens) > 1 and all(token in _DIGITS for token in tokens) and not (tokens[0] in "零〇" and len(tokens) == 2):
        return Fraction(int("".join(str(_DIGITS[token]) for token in tokens)))
    total, number, last = Fraction(0), None, 10**5
    for token in tokens:
        if token in _TENS:
            scale = _TENS[token]
            if scale >= last:
                return None
            total, number, last = total + (Fraction(1) if number is None else number) * scale, None, scale
        elif token in _DIGITS or token[0].isdigit():
            if number:
                return None
            number = Fraction(_DIGITS[token]) if token in _DIGITS else _decimal(token)
            if number is None:
                return None
        else:
            return None
    return total + (number or 0)


def _decimal(token: str) -> Fraction | None:
    try:
        return Fraction(token.replace(",", ""))
    except ValueError:
        return None
