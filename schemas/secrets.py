"""What looks like a secret: tokens of known forms, passwords in addresses, and the names that hold them."""

import re
from urllib.parse import urlsplit

_TOKEN = re.compile(
    r"\b(?:sk|gsk|xai|hf|nvapi|pplx|csk)[-_](?=[\w-]*\d)[A-Za-z0-9_-]{16,}"  # OpenAI, Groq, xAI, Hugging Face, NVIDIA, …
    r"|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bxox[abprs]-[\w-]{10,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_BEARER = re.compile(r"\b(?:bearer|basic)\s+[\w.~+/-]{16,}=*", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<=://)[^\s/?#@:]*:[^\s/?#@]+(?=@)")

_WORDS = (
    r"(?:[\w.-]*[-_.])?(?:api[-_]?key|access[-_]?key(?:[-_]?id)?|secret(?:[-_]\w+)?|pass(?:word|wd|phrase)|authorization"
    r"|credentials?|(?:auth|access|bearer|refresh|session|security|hf|use[-_]auth)[-_]?token|cookie|private[-_]?key|signature"
    r"|sig)"
)
_NAME = re.compile(rf"{_WORDS}|token|key", re.IGNORECASE)
_PAIR = re.compile(rf"(?i)(?<![\w.-])({_WORDS}[\"']?\s*[:=]\s*[\"']?)([^\s\"',;&}}\])]{{4,}})")


def secret_in(text: str) -> str | None:
    """What a text seems to hold: a token, or a password in an address. None for any other."""
    if _PASSWORD.search(text):
        return "a password in an address"
    return "a token" if _TOKEN.search(text) or _BEARER.search(text) else None


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is kept secret: `api_key`, `X-Auth-Token`, `Authorization`; not `max_tokens`."""
    return _NAME.fullmatch(name) is not None


def hidden(text: str) -> str:
    """The text with `***` for what seems to be a secret, for messages that show what was given."""
    for kind in (_BEARER, _PASSWORD, _TOKEN):
        text = kind.sub("***", text)
    return _PAIR.sub(r"\1***", text)


def plain_address(address: str) -> str:
    """Where a server is, without all that may be a secret: `tcp://me:pass@host:8786/a?token=x` is `tcp://host:8786/a`.

    An address need not be a well-formed one, nor have a scheme; what comes before an `@` is left out whatever it is.
    """
    scheme, mark, rest = address.partition("://")
    place = re.split(r"[?#;\s]", (rest if mark else address).rpartition("@")[2], maxsplit=1)[0]
    return hidden(f"{scheme}{mark}{place}" if mark and re.fullmatch(r"[\w+.-]+", scheme) else place)


def without_user(url: str) -> str:
    """An address without the name and the password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
