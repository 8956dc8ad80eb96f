"""Any model that `transformers` loads as a student, trained by TRL (`SFTTrainer`, `GRPOTrainer`): for GPUs.

Rows go in as TRL reads those of a release, in its columns `prompt`, `completion` and `images`, and our reward is its reward
function.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generators.fingerprint import model_files, remembered_hash
from generators.training.reference import parts
from generators.training.student import Question, Reward, RlBudget, SftBudget, Trained
from schemas.errors import MissingDependencyError

BATCH = 32
"""Replies that are drawn at a time."""


class TrlStudent:
    """A student from a folder or from the Hub. Trains on the GPU where there is one."""

    def __init__(self, model: str) -> None:
        try:
            import trl  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("trl", "trl", f"training {model}") from error
        from transformers import AutoConfig, AutoProcessor

        self._name = model
        self._processor: Any = AutoProcessor.from_pretrained(model)
        self._tokenizer: Any = getattr(self._processor, "tokenizer", self._processor)
        self._sees = hasattr(AutoConfig.from_pretrained(model), "vision_config")
        self.model: Any = None
        self.load(None)

    def identity(self) -> dict[str, str]:
        from importlib.metadata import version

        versions = {name: version(name) for name in ("trl", "transformers", "torch")}
        return _model(self._name, self.model) | {"trainer": "trl", **versions}

    def sft(self, questions: Sequence[Question], replies: Sequence[str], budget: SftBudget, seed: int) -> Trained:
        with tempfile.TemporaryDirectory() as folder:
            trainer = self.sft_trainer(questions, replies, budget, seed, folder)
            trainer.train()
        mean = sum(len(self._tokenizer(text)["input_ids"]) + 1 for text in replies) / len(replies)
        return Trained(_logged(trainer, "loss"), round(mean * budget.batch * budget.steps))

    def rl(self, questions: Sequence[Question], reward: Reward, budget: RlBudget, tokens: int, seed: int) -> Trained:
        with tempfile.TemporaryDirectory() as folder:
            trainer = self.rl_trainer(questions, reward, budget, tokens, seed, folder)
            trainer.train()
        lengths, silent = _logged(trainer, "completions/mean_length"), _logged(trainer, "frac_reward_zero_std")
        drawn = round(sum(lengths) * budget.prompts * budget.completions)
        return Trained(_logged(trainer, "reward"), drawn, sum(silent) / max(1, len(silent)))

    def sft_trainer(
        self, questions: Sequence[Question], replies: Sequence[str], budget: SftBudget, seed: int, folder: str
    ) -> Any:
        """TRL's trainer, which learns the tokens of the replies alone."""
        trl = _trl()
        given = [{"completion": [{"role": "assistant", "content": reply}]} for reply in replies]
        own: dict[str, Any] = {"per_device_train_batch_size": budget.batch, "max_length": None, "adam_beta2": 0.95}
        config, data = trl.SFTConfig(**_common(folder, budget, seed), **own), self._dataset(questions, given)
        return _silent(trl.SFTTrainer(self.model, args=config, train_dataset=data, processing_class=self._processor))

    def rl_trainer(
        self, questions: Sequence[Question], reward: Reward, budget: RlBudget, tokens: int, seed: int, folder: str
    ) -> Any:
        """TRL's trainer with `reward`: every token of a batch weighs the same, and there is no KL term."""
        trl = _trl()

        def scored(completions: list[Any], place: list[int], **columns: Any) -> list[float | None]:
            texts = [turns if isinstance(turns, str) else turns[-1]["content"] or "" for turns in completions]
            return list(reward(place, texts))

        own: dict[str, Any] = {
            "per_device_train_batch_size": budget.prompts * budget.completions, "num_generations": budget.completions,
            "max_completion_length": tokens, "temperature": budget.temperature, "beta": 0.0, "loss_type": "dapo",
            "lr_scheduler_type": "constant_with_warmup", "adam_beta2": 0.95,
        }  # fmt: skip
        mark = getattr(self.model.config, "image_token_id", None)
        if mark is not None:  # a reply that holds it has no image for it
            own["generation_kwargs"] = {"suppress_tokens": [mark]}
        config = trl.GRPOConfig(**(_common(folder, budget, seed) | own))
        data = self._dataset(questions, [{"place": place} for place in range(len(questions))])
        return _silent(
            trl.GRPOTrainer(
                self.model, reward_funcs=scored, args=config, train_dataset=data, processing_class=self._processor
            )
        )

    def reply(
        self, questions: Sequence[Question], *, number: int, temperature: float, tokens: int, seed: int
    ) -> list[list[str]]:
        import torch

        torch.manual_seed(seed)
        self.model.eval()
        how = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        how |= {"max_new_tokens": tokens, "num_return_sequences": number, "pad_token_id": self._tokenizer.pad_token_id}
        # One call of a processor takes images for all of its rows or for none.
        order = sorted(range(len(questions)), key=lambda i: (not questions[i].images, len(questions[i].turns[-1][1])))
        found, size = dict[int, list[str]](), max(1, BATCH // number)
        for shown in (True, False):
            mine = [i for i in order if bool(questions[i].images) == shown]
            for start in range(0, len(mine), size):
                chunk = mine[start : start + size]
                texts = self._drawn([questions[i] for i in chunk], how)
                found |= {i: texts[k * number : (k + 1) * number] for k, i in enumerate(chunk)}
        return [found[i] for i in range(len(questions))]

    def length(self, texts: Sequence[str]) -> int:
        return max((len(self._tokenizer(text)["input_ids"]) for text in texts), default=0)

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)

    def load(self, folder: Path | None) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

        kind = AutoModelForImageTextToText if self._sees else AutoModelForCausalLM
        gpu = torch.cuda.is_available()
        found = kind.from_pretrained(folder or self._name, dtype="bfloat16" if gpu else "float32")
        self.model = found.to("cuda") if gpu else found

    def _drawn(self, questions: Sequence[Question], how: dict[str, Any]) -> list[str]:
        import torch

        texts = [self._text(question) for question in questions]
        images = [[image.convert("RGB") for image in question.images] for question in questions]
        self._tokenizer.padding_side = "left"
        shown = {"images": images} if images[0] else {}
        inputs = self._processor(text=texts, **shown, padding=True, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            out = self.model.generate(**inputs, **how)
        replies = self._tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return [text.strip() for text in replies]

    def _text(self, question: Question) -> str:
        messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in question.turns]
        if question.images:
            messages = [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in question.turns]
            messages[-1]["content"] = parts(question)
        return str(self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def _dataset(self, questions: Sequence[Question], given: Sequence[dict[str, Any]]) -> Any:
        """Rows as TRL reads them. It puts a row's images before its words by itself; where one has places for them, the
        turns of all rows are in parts, because a column is of one type."""
        from datasets import Dataset

        placed = any(question.positions for question in questions)
        rows = []
        for question, more in zip(questions, given, strict=True):
            prompt: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in question.turns]
            if placed:
                prompt = [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in question.turns]
                prompt[-1]["content"] = parts(question)
            rows.append({"prompt": prompt, **({"images": list(question.images)} if self._sees else {}), **more})
        return Dataset.from_list(rows)


def _model(name: str, model: Any) -> dict[str, str]:
    """A model of the Hub by its revision; one of a folder, which has none, by what lies there, and not by where."""
    folder = Path(name).resolve()
    if not folder.is_dir():
        return {"model": name, "revision": str(getattr(model.config, "_commit_hash", None) or "")}
    return {"model": folder.name, "files": remembered_hash([*model_files(folder), *folder.glob("*.jinja")])}


def _trl() -> Any:
    import trl

    return trl


def _silent(trainer: Any) -> Any:
    """The trainer without the callback that prints what it logs."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _common(folder: str, budget: SftBudget | RlBudget, seed: int) -> dict[str, Any]:
    import torch

    gpu = torch.cuda.is_available()
    return {
        "output_dir": folder, "report_to": "none", "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True,
        "use_cpu": not gpu, "bf16": gpu, "max_steps": budget.steps, "learning_rate": budget.rate, "seed": seed,
        "warmup_steps": budget.warmup, "max_grad_norm": 1.0, "weight_decay": 0.0, "gradient_checkpointing": gpu,
    }  # fmt: skip


def _logged(trainer: Any, name: str) -> tuple[float, ...]:
    return tuple(float(entry[name]) for entry in trainer.state.log_history if name in entry)
