"""Which tokens may come next in a reply of a wanted form: one matcher a sequence, over grammars compiled once."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from generators.engines.constraints import grammar_of
from schemas.completion import Constraint
from schemas.errors import PermanentEngineError

KEPT_GRAMMARS = 256
"""Compiled grammars that are kept. A recipe has a handful; a choice of a row's own options is one a row."""

CANNOT_WRITE = "the model's tokens cannot write a reply of the wanted form"


class Matcher:
    """How far one reply has come in its grammar."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def allowed(self) -> npt.NDArray[np.bool_] | None:
        """One value a token of the vocabulary; None where no token leads on, or the grammar became too much work.

        A token that ends the reply is allowed where the form may end, and only there.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        if self._matcher.is_error() or (self._matcher.is_stopped() and not self._matcher.is_accepting()):
            return None
        return np.unpackbits(bits, bitorder="little").view(np.bool_)

    def push(self, token: int) -> None:
        """Take a token that was allowed."""
        self._matcher.consume_token(token)

    @property
    def complete(self) -> bool:
        """Whether the form is whole and nothing can follow it."""
        return bool(self._matcher.is_stopped() and self._matcher.is_accepting())

    @property
    def fault(self) -> str:
        """Why no token is allowed."""
        return str(self._matcher.get_error()).splitlines()[0] if self._matcher.is_error() else CANNOT_WRITE


class _Vocabulary:
    """A tokenizer as llguidance's `TokenizerWrapper` wants it: the bytes that each token writes.

    llguidance reads them itself from a tokenizer of Hugging Face, but takes every added token in angle brackets for a
    special one that writes nothing, and then fails (1.7.6, 1.9.1) where a form holds `<answer>` and the model has it as one
    token.
    """

    bos_token_id = None

    def __init__(self, tokenizer: Any, size: int, end: int) -> None:
        from llguidance.hf import from_tokenizer

        read = self._read = from_tokenizer(tokenizer, n_vocab=size, eos_token=end)
        plain = {i for i, token in tokenizer.added_tokens_decoder.items() if not token.special}
        self._tokenizer = tokenizer
        self.eos_token_id = end
        self.tokens = [read.decode_bytes([i]) for i in range(size)]
        self.special_token_ids = [i for i in range(size) if read.is_special_token(i) and i not in plain]

    def __call__(self, text: str) -> list[int]:
        """How the model would spell a text. Where its tokenizer changes the text (a normaliser, a blank before it), the
        longest tokens that spell it as it is."""
        found = list(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))
        if b"".join(self.tokens[i] for i in found) == text.encode():
            return found
        return list(self._read.greedy_tokenize(text))


class Matchers:
    """Makes matchers for the tokenizer of one model. Used by one thread."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Iterable[int]) -> None:
        """`vocabulary`: the width of the model's logits; `ends`: tokens that end a reply."""
        self._tokenizer = tokenizer
        self._vocabulary = max(vocabulary, len(tokenizer))
        self._ends = sorted(ends)
        self._tokens: Any = None
        self._compiled: OrderedDict[Constraint, Any] = OrderedDict()

    def matcher(self, constraint: Constraint) -> Matcher:
        """A matcher at the start of a reply. A reply's forced start is part of the prompt: the form begins after it.

        Raises:
            PermanentEngineError: the form is not one that can be enforced, or not with this tokenizer.
        """
        compiled = self._compiled.pop(constraint, None)
        if compiled is None:
            compiled = self._compile(constraint)
        self._compiled[constraint] = compiled
        if len(self._compiled) > KEPT_GRAMMARS:
            self._compiled.popitem(last=False)
        return Matcher(compiled.deep_copy())

    def _compile(self, constraint: Constraint) -> Any:
        from llguidance import LLMatcher

        if self._tokens is None:
            self._tokens = self._read_tokenizer()
        try:
            matcher = LLMatcher(self._tokens, grammar_of(constraint), log_level=0)
        except ValueError as error:
            raise PermanentEngineError(
                f"the form of the reply ({constraint.kind}) cannot be enforced: {error}"
            ) from error
        if matcher.is_error():
            why = matcher.get_error()
            raise PermanentEngineError(f"the form of the reply ({constraint.kind}) cannot be enforced: {why}")
        return matcher

    def _read_tokenizer(self) -> Any:
        from llguidance import LLTokenizer, TokenizerWrapper

        try:
            vocabulary = _Vocabulary(self._tokenizer, self._vocabulary, self._ends[0])
            return LLTokenizer(TokenizerWrapper(vocabulary), n_vocab=self._vocabulary, eos_token=self._ends)
        except Exception as error:
            raise PermanentEngineError(
                f"a reply of a given form needs a tokenizer of the tokenizers library, and this model's is none: {error}"
            ) from error
