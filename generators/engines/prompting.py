"""Requests as the models' libraries want them: text by the model's own chat template, and decoded images."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from generators.models import ResolvedModel, chat_template_text
from schemas.completion import Message, Request
from schemas.engine import MediaReader
from schemas.errors import ConfigError, MediaError, PermanentEngineError

if TYPE_CHECKING:
    from PIL.Image import Image

DECODED_IMAGES = 64
"""Images kept decoded; the driver sends the requests of one image close to each other."""


class ImageCache:
    """Stored images as RGB, each decoded once while it is in use. Safe to call from several threads."""

    def __init__(self, media: MediaReader, size: int = DECODED_IMAGES) -> None:
        self._media = media
        self._size = size
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, sha256: str) -> "Image":
        """The image with this hash.

        Raises:
            MediaError: it is not stored, or damaged.
            PermanentEngineError: it cannot be decoded.
        """
        from PIL import Image

        with self._lock:
            if sha256 in self._images:
                self._images.move_to_end(sha256)
                return self._images[sha256]
            try:
                with Image.open(BytesIO(self._media.read(sha256))) as file:
                    image = file.convert("RGB")
            except MediaError:  # what lies on this disk is no reason to call the request refused
                raise
            except Exception as error:
                raise PermanentEngineError(f"image {sha256} cannot be read: {error}") from error
            self._images[sha256] = image
            if len(self._images) > self._size:
                self._images.popitem(last=False)
            return image


_TOKENS = ("image_token", "boi_token", "video_token", "audio_token")
"""Where a processor names the tokens that it puts media in place of."""


def media_tokens(processor: Any) -> tuple[str, ...]:
    """The texts that a processor takes for an image, a video or a sound wherever they occur."""
    named = (getattr(processor, name, None) for name in _TOKENS)
    return tuple(token for token in named if isinstance(token, str) and token)


def disarmed(text: str, tokens: Iterable[str]) -> str:
    """The text with each of `tokens` in other brackets: `<image>` is `[image]`, `[IMG]` is `(IMG)`. It was not an image."""
    for token in tokens:
        name = token.strip("<|>[]")
        text = text.replace(token, f"[{name}]" if token.startswith("<") else f"({name})")
    return text


class ChatPrompts:
    """Turns requests into prompt text with a model's processor (images) or tokenizer (text only).

    Only an image is an image: a text that holds the token of one is sent with it in other brackets.
    """

    def __init__(self, model: ResolvedModel, args: dict[str, Any]) -> None:
        """Load processor and tokenizer; `args` is the recipe's (`chat_template`, `chat_template_kwargs`).

        Raises:
            ConfigError: the model has no chat template.
        """
        from transformers import AutoConfig, AutoProcessor, AutoTokenizer
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        from transformers.utils.logging import disable_progress_bar, set_verbosity_error

        disable_progress_bar()
        set_verbosity_error()

        load = {"revision": model.revision, "trust_remote_code": bool(args.get("trust_remote_code", False))}
        self.config = AutoConfig.from_pretrained(model.path_or_id, **load)
        self.sees_images = type(self.config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        loader = AutoProcessor if self.sees_images else AutoTokenizer
        self.processor = loader.from_pretrained(model.path_or_id, **load)
        self.tokenizer = self.processor.tokenizer if self.sees_images else self.processor
        self._tokens = media_tokens(self.processor) if self.sees_images else ()
        self.template = chat_template_text(str(args["chat_template"])) if args.get("chat_template") else None
        self.template_kwargs: dict[str, Any] = dict(args.get("chat_template_kwargs") or {})
        if not (self.template or self.processor.chat_template or self.tokenizer.chat_template):
            raise ConfigError(
                f"the model '{model.path_or_id}' has no chat template. Give its text, or a file, as args.chat_template."
            )

    def text(self, request: Request) -> str:
        """The whole prompt, ending in the forced start of the reply.

        Raises:
            PermanentEngineError: images for a model that sees none, or messages that the template refuses.
        """
        if request.images and not self.sees_images:
            raise PermanentEngineError("the request holds an image, and the model reads text only")
        messages = [self._message(m) for m in request.messages]
        try:
            text = self.processor.apply_chat_template(
                messages,
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=True,
                **self.template_kwargs,
            )
        except Exception as error:
            raise PermanentEngineError(f"the chat template refuses the messages: {error}") from error
        return str(text) + disarmed(request.prefix, self._tokens)

    def _message(self, message: Message) -> dict[str, Any]:
        if not self.sees_images:
            return {"role": message.role, "content": "".join(p for p in message.content if isinstance(p, str))}
        parts = [
            {"type": "text", "text": disarmed(p, self._tokens)} if isinstance(p, str) else {"type": "image"}
            for p in message.content
        ]
        return {"role": message.role, "content": parts}
