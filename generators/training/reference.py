"""The embedded VLM as a student, in the product's own training loops (`generators.reference.sft`, `.grpo`).

TRL trains the same model to the same loss (a test holds that on a batch); it repeats image and prompt for every reply of a
group and keeps a cache of its own, which for a model of three million parameters is most of the work.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generators.embedded import REFERENCE_VLM, reference_folder
from generators.training.student import Question, Reward, RlBudget, SftBudget, Trained
from schemas.digests import file_hash
from schemas.marks import cut

_WEIGHTS = "weights.safetensors"


class ReferenceStudent:
    """Trains on the threads that torch has; the same seed on the same machine gives the same weights."""

    def __init__(self) -> None:
        from transformers import AutoProcessor
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        self._folder = reference_folder()
        self._processor: Any = AutoProcessor.from_pretrained(self._folder)
        self._seen: dict[bytes, Any] = {}
        self.model: Any = None
        self.load(None)

    def identity(self) -> dict[str, str]:
        import torch

        weights = file_hash(self._folder / "model.safetensors")
        return {"model": REFERENCE_VLM, "weights": weights, "trainer": "curate", "torch": torch.__version__}

    def sft(self, questions: Sequence[Question], replies: Sequence[str], budget: SftBudget, seed: int) -> Trained:
        from generators.reference.sft import reply_ids, sft

        tokenizer = self._processor.tokenizer
        ids = [reply_ids(tokenizer, text) for text in replies]
        losses = sft(self.model, tokenizer, self.prompts(questions), ids, **budget.model_dump(), seed=seed)
        mean = sum(map(len, ids)) / len(ids)
        return Trained(tuple(losses), round(mean * budget.batch * budget.steps))

    def rl(self, questions: Sequence[Question], reward: Reward, budget: RlBudget, tokens: int, seed: int) -> Trained:
        from generators.reference.grpo import GrpoConfig, grpo

        config = GrpoConfig(**budget.model_dump(), tokens=tokens, seed=seed)
        records = grpo(self.model, self._processor.tokenizer, self.prompts(questions), reward, config)
        silent = sum(record.silent for record in records) / len(records)
        return Trained(tuple(record.reward for record in records), sum(record.tokens for record in records), silent)

    def reply(
        self, questions: Sequence[Question], *, number: int, temperature: float, tokens: int, seed: int
    ) -> list[list[str]]:
        import torch

        from generators.reference.grpo import reply

        torch.manual_seed(seed)
        self.model.eval()
        how = {"number": number, "temperature": temperature, "tokens": tokens}
        return reply(self.model, self._processor.tokenizer, self.prompts(questions), **how)  # type: ignore[arg-type]

    def length(self, texts: Sequence[str]) -> int:
        return max((len(self._processor.tokenizer(text)["input_ids"]) for text in texts), default=0)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        state = {name: tensor.detach().contiguous() for name, tensor in self.model.state_dict().items()}
        save_file(state, folder / _WEIGHTS)

    def load(self, folder: Path | None) -> None:
        if folder is None:
            from transformers import AutoModelForImageTextToText

            self.model = AutoModelForImageTextToText.from_pretrained(self._folder, dtype="float32")
            return
        from safetensors.torch import load_file

        self.model.load_state_dict(load_file(folder / _WEIGHTS))

    def prompts(self, questions: Sequence[Question]) -> list[Any]:
        """What the loops read, in the words of the model's own chat template."""
        from generators.reference.grpo import Prompt

        return [Prompt(self._text(q), tuple(self._pixels(image) for image in q.images)) for q in questions]

    def _text(self, question: Question) -> str:
        messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in question.turns]
        messages[-1]["content"] = parts(question)
        return str(self._processor.apply_chat_template(messages, add_generation_prompt=True))

    def _pixels(self, image: Any) -> Any:
        """An image as the model's own processor makes it: (3, 64, 64)."""
        shown = image.convert("RGB")
        key = shown.tobytes() + repr(shown.size).encode()
        if key not in self._seen:
            made = self._processor.image_processor(images=[[shown]], return_tensors="pt")
            self._seen[key] = made["pixel_values"][0, 0]
        return self._seen[key]


def parts(question: Question) -> list[dict[str, str]]:
    """The last turn of a question in the parts that chat templates read: texts, and images where they are."""
    text = question.turns[-1][1]
    mark = {"type": "image"}
    if not question.positions:
        return [*(mark for _ in question.images), {"type": "text", "text": text}]
    first, *rest = cut(text, question.positions)
    found = [{"type": "text", "text": first}]
    for piece in rest:
        found += [mark, {"type": "text", "text": piece}]
    return [part for part in found if part.get("text") != ""]
