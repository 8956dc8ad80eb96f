r"""Splits a reply into thinking and answer: once, here, for traces, rollouts, judges and rewards alike.

A reply thinks in the server's own field (`reasoning_content`, `reasoning`), between marks such as `<think>…</think>` (the
opening one is often part of the prompt and so not in the reply), or in plain words before its answer. An answer is never
taken from inside thinking, and thinking that never ends has none. Every function is linear in the length of the reply.
"""

import re
from typing import NamedTuple

from schemas.boxed import boxed


class Reply(NamedTuple):
    """`thought` is empty where nothing marks thinking, `content` is the rest, `ended` is false if thinking never ends."""

    thought: str
    content: str
    ended: bool = True


class Found(NamedTuple):
    """An answer and the place of its statement in the text: a mark, a box, or the words that introduce it."""

    answer: str
    start: int
    end: int


THINKING = (
    ("<think>", "</think>"),  # DeepSeek-R1, QwQ, Qwen3, GLM-4.5, Phi-4-reasoning
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # EXAONE Deep
    ("<reasoning>", "</reasoning>"),
    ("<REASONING>", "</REASONING>"),  # LLaVA-CoT
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1, Virgo, OpenThoughts
    ("◁think▷", "◁/think▷"),  # Kimi-VL
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss (harmony)
)
"""Marks of thinking, opening and closing, as models write them; any closing mark ends it."""

_CLOSING = frozenset(close for _, close in THINKING)
_ALL = [mark for pair in THINKING for mark in pair]
_MARKS = {
    first: re.compile(re.escape(first) + "(?:" + "|".join(re.escape(m[1:]) for m in _ALL if m[0] == first) + ")")
    for first in dict.fromkeys(mark[0] for mark in _ALL)
}
"""By their first character, for which a text is looked through first; that is faster than for all marks at once."""
_TURN = re.compile(r"<\|start\|>assistant|<\|(?:start|end|return|im_end|endoftext|eot_id)\|>")
_GLUED = ("analysis", "assistantfinal")
"""Channels of gpt-oss, where a server left the special tokens out."""
_WRAP = re.compile(r"<\|(?:begin|end)_of_solution\|>|</?(?:response|output|CONCLUSION)>")
_ANSWER, _ANSWER_END = "<answer>", "</answer>"
_BOXES = (("<|begin_of_box|>", "<|end_of_box|>"),)  # GLM-4.1V and later


def split_reply(text: str | None, field: str | None = None) -> Reply:
    """Split a reply's text, and what its server put into a field of reasoning, into thinking and content.

    Where a server put all of a reply into its field (its parser saw no end of thinking), that is the reply.
    """
    text, thought = text or "", unmarked(field or "")
    if not thought:
        return _part(text)
    if not text.strip():
        return _part(field or "")
    reply = _part(text)
    inside = reply.thought if reply.thought not in thought else ""
    return reply._replace(thought=f"{thought}\n\n{inside}" if inside else thought)


def content_of(text: str) -> str:
    """All of a reply after its thinking; nothing where that never ends.

    Of a thought that was never closed, an `<answer>` that ends the reply is the content: the closing mark was forgotten.
    """
    _, end, open_ = _where(text)
    start = end if open_ < 0 else _forgotten(text, open_)
    return _clean(text[start:]) if start >= 0 else ""


def thinks(text: str) -> bool:
    """Whether any mark of thinking splits the reply."""
    begin, _, open_ = _where(text)
    return max(begin, open_) >= 0


def unmarked(text: str) -> str:
    """A thought without the marks around it."""
    for first, mark in _MARKS.items():
        text = mark.sub("", text) if first in text else text
    return _clean(text).strip()


def marked_answer(content: str) -> Found | None:
    r"""The last `<answer>` (a stop string may have eaten its end), else the last balanced `\boxed{}`.

    The answer may be empty. A box inside the answer is unwrapped.
    """
    return answer_section(content) or boxed_answer(content)


def answer_section(content: str) -> Found | None:
    """The last `<answer>`, to its closing mark or to the end."""
    start = content.rfind(_ANSWER)
    if start < 0:
        return None
    close = content.find(_ANSWER_END, start)
    end = len(content) if close < 0 else close + len(_ANSWER_END)
    inside = content[start + len(_ANSWER) : close if close >= 0 else len(content)]
    boxed = boxed_answer(inside) if "box" in inside else None
    return Found((boxed.answer if boxed and boxed.answer else inside).strip(), start, end)


def boxed_answer(content: str) -> Found | None:
    r"""The last `\boxed{}` or `\fbox{}` whose braces balance, with those joined to it; or the last box of GLM; or None."""
    if "box" not in content:
        return None
    for open_, close in _BOXES:
        end = content.rfind(close)
        start = content.rfind(open_, 0, end) if end >= 0 else -1
        if start >= 0:
            return Found(content[start + len(open_) : end].strip(), start, end + len(close))
    box = boxed(content)
    return Found(*box) if box else None


_LEAD = re.compile(
    r"(?i:\b(?:answers?|(?:correct|right|best) (?:option|choice))\b(?: to [^.:\n]{1,80}?)?[*_`\" ]{0,4}"
    r"(?:(?:is|are|was|(?:would|should|must|will) be)\b[ \t]{0,2}[:：]?|[:：=])"
    r"|答案(?:[是为為]|[应應][为為])?[:：]?|^[#*_ \t]{0,6}(?:(?:the|my) )?(?:final )?answer[*_: \t]{0,6}$)"
    r"[*_: \t]{0,6}(?i:(?:therefore|thus|then|indeed|simply|hence)[, ]{1,2})?",
    re.MULTILINE,
)
"""What introduces an answer: "the answer is", "**Answer:**", "the correct option is", a heading "Final answer"."""

_SENTENCE_END = re.compile(r"[.!?](?=[\s*]|$)|[。！？]")
_VERB = re.compile(r"(?i)\b(?:is|are|was|be)\b|[是为為]")
_LINKING = re.compile(
    r"(?:\W|(?:so|thus|hence|therefore|then|the|my|our|final|correct|right|and|it|this|that|is|in|conclusion|sure|okay|ok|"
    r"here)\b)*",
    re.IGNORECASE,
)
_LOOK_BACK = 200
LAST_WORDS = 20_000
"""Characters at the end of a reply in which words that introduce an answer are looked for."""


def stated_answer(content: str) -> Found | None:
    """The last answer that the text introduces by words, up to the end of its sentence; None where it introduces none.

    It is looked for in the last `LAST_WORDS` characters.
    """
    for lead in reversed(list(_LEAD.finditer(content, max(0, len(content) - LAST_WORDS)))):
        begin = lead.end()
        while content[begin : begin + 1].isspace():  # a heading: the answer is below
            begin += 1
        line_end = content.find("\n", begin)
        line = content[begin : line_end if line_end >= 0 else len(content)]
        stop = _SENTENCE_END.search(line)
        value = (line[: stop.start()] if stop else line).strip(" \t*_`")
        if value:
            return Found(value, lead.start(), begin + (stop.end() if stop else len(line)))
    return None


def final_sentence(content: str) -> str:
    """The last sentence of a text, without marks of emphasis; empty for an empty text."""
    line = _WRAP.sub("", content).strip().rsplit("\n", 1)[-1].strip(" \t*_`")
    ends = [m.end() for m in _SENTENCE_END.finditer(line, 0, max(len(line) - 1, 0))]
    return line[ends[-1] :].strip(" \t*_`") if ends else line


def before_statement(content: str, found: Found) -> str:
    r"""What leads to an answer, of a reply that marks no thinking: all before it, with its sentence where that is one.

    A label ("**Answer:** 4"), a mark and a box on a line of its own are no part of a thought.
    """
    line = content.rfind("\n", 0, found.start) + 1
    own_line = _LINKING.fullmatch(content, line, found.start) is not None if found.start - line <= _LOOK_BACK else False
    lead = _LEAD.match(content, found.start)
    labelled = lead is not None and not _VERB.search(lead.group())
    if content.startswith(_ANSWER, found.start):
        thought = content[: found.start]
    elif own_line and (labelled or content.startswith("\\", found.start)):
        thought = content[:line]
    else:
        end = found.end
        while end < len(content) and content[end] in "$*.)":
            end += 1
        thought = content[:end]
    return thought.strip()


def around_statement(content: str, found: Found) -> str:
    """What else a reply says beside its answer: the whole sentences before it, and all after it."""
    ends = [m.end() for m in _SENTENCE_END.finditer(content, 0, found.start)]
    cut = max(content.rfind("\n", 0, found.start), ends[-1] if ends else 0)
    return "\n".join(
        part for part in (content[: max(cut, 0)].strip(), content[found.end :].lstrip(" \n.*$").rstrip()) if part
    )


def only_states(text: str) -> bool:
    """Whether a text is nothing but a statement of an answer, such as "So the answer is 4.": no thought leads to it."""
    text = text.strip()
    lead = _LEAD.search(text, 0, 2 * _LOOK_BACK)
    box = text.find("\\boxed", 0, _LOOK_BACK)
    start = min(p for p in (lead.start() if lead else len(text), box if box >= 0 else len(text)))
    if start == len(text) or start > _LOOK_BACK or _LINKING.fullmatch(text, 0, start) is None:
        return False
    rest = text[start:].strip()
    stop = _SENTENCE_END.search(rest.replace("\n", " "))
    return not (rest[stop.end() :].strip(" \t\n*_`") if stop else "")


def _part(text: str) -> Reply:
    begin, end, open_ = _where(text)
    if open_ >= 0:  # thinking that goes on to the end
        start = _forgotten(text, open_)
        if start < 0:
            return Reply(unmarked(text), "", ended=False)
        return Reply(unmarked(text[:start]), _clean(text[start:]))
    if begin < 0:
        return Reply("", _clean(text))
    start = len(_GLUED[0]) if text[begin:end] == _GLUED[1] else 0
    return Reply(unmarked(text[start:begin]), _clean(text[end:]))


def _forgotten(text: str, open_: int) -> int:
    """Where an answer begins that ends a reply whose thinking was never closed; -1 where there is none."""
    return text.rfind(_ANSWER, open_) if text.rstrip().endswith(_ANSWER_END) else -1


def _clean(content: str) -> str:
    return _TURN.sub("", content) if "<|" in content else content


def _where(text: str) -> tuple[int, int, int]:
    """Where the last closing mark begins (-1: there is none) and ends, and where thinking opens after it (-1: nowhere)."""
    marks = [m.span() for first, mark in _MARKS.items() if first in text for m in mark.finditer(text)]
    closing = [span for span in marks if text[slice(*span)] in _CLOSING]
    begin, end = max(closing) if closing else _glued(text)
    return begin, end, min((start for start, _ in marks if start >= end), default=-1)


def _glued(text: str) -> tuple[int, int]:
    at = text.find(_GLUED[1]) if text.startswith(_GLUED[0]) else -1
    return (at, at + len(_GLUED[1])) if at >= 0 else (-1, 0)
