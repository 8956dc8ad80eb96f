"""The reference VLM behind a chat server on loopback, greedy, for tests of what asks a model through its address."""

import base64
import io
import threading
from typing import Any

from chat_server import Answer, Asked, ChatServer, completion

from generators.embedded import reference_folder


class VlmServer(ChatServer):
    """Answers as the reference VLM does with temperature 0, in at most `tokens`."""

    def __init__(self, tokens: int = 8) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        super().__init__(self._reply)
        self._processor: Any = AutoProcessor.from_pretrained(reference_folder())
        self._model: Any = AutoModelForImageTextToText.from_pretrained(reference_folder())
        self._tokens = tokens
        self._turn = threading.Lock()

    def _reply(self, body: Asked) -> Answer:
        from PIL import Image

        turns, images = [], []
        for turn in body["messages"]:
            parts = (
                turn["content"] if isinstance(turn["content"], list) else [{"type": "text", "text": turn["content"]}]
            )
            shown = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
            images += [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB") for url in shown]
            kinds = [part if part["type"] == "text" else {"type": "image"} for part in parts]
            turns.append({"role": turn["role"], "content": kinds})
        prompt = self._processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        with self._turn:
            inputs = self._processor(
                text=[prompt], images=images or None, return_tensors="pt", add_special_tokens=False
            )
            made = self._model.generate(**inputs, max_new_tokens=self._tokens, do_sample=False)
        text = self._processor.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return completion(body, content=text)
