"""vLLM's reasoning parsers: where a reply's thoughts end, by the same code that its server uses.

Most replies need none, because `schemas.reply` knows the marks of thinking. A parser is for models whose marks are special
tokens, which are not in the text of a reply, and for those whose marks `schemas.reply` does not know.
"""

from typing import Any

from schemas.errors import ConfigError, nearest


class ReasoningParser:
    """The parser with a name that vLLM knows (`args.reasoning_parser`, as in `vllm serve --reasoning-parser`)."""

    def __init__(self, name: str, tokenizer: Any, template_kwargs: dict[str, Any]) -> None:
        """Raises ConfigError: there is no such parser, or it does not fit the model's tokenizer."""
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
        from vllm.reasoning import ReasoningParserManager

        try:
            self._type = ReasoningParserManager.get_reasoning_parser(name)
        except (KeyError, TypeError) as error:
            known = ReasoningParserManager.list_registered()
            raise ConfigError(
                f"vLLM has no reasoning parser '{name}' (args.reasoning_parser).{nearest(name, known)}"
            ) from error
        self._tokenizer = tokenizer
        self._options = {"chat_template_kwargs": template_kwargs}
        self._request = ChatCompletionRequest(messages=[{"role": "user", "content": ""}])
        try:
            self._request = self._new().adjust_request(self._request)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"the reasoning parser '{name}' (args.reasoning_parser) does not fit the model: {error}"
            ) from error
        self.skips_special_tokens = bool(self._request.skip_special_tokens)
        """Whether the reply's text may be without special tokens; some parsers look for them."""

    def split(self, text: str, prefix: str) -> tuple[str, str | None]:
        """A reply's content and its thoughts. Thoughts that were cut off are all thoughts, and there is no content; behind a
        `prefix` that ends its thoughts all is content."""
        parser = self._new()
        if prefix and parser.is_reasoning_end(self._tokenizer(prefix, add_special_tokens=False)["input_ids"]):
            return text, None
        thoughts, content = parser.extract_reasoning(text, self._request)
        return content or "", thoughts or None

    def _new(self) -> Any:
        """Parsers hold a state."""
        return self._type(self._tokenizer, **self._options)
