"""Shape of the reference model: Idefics3 at three million parameters, with its own tokenizer and chat template.

Idefics3 because `transformers`, TRL and vLLM all run it, and run it without torchvision. An image of 64 by 64 pixels
becomes 64 patches and 16 tokens; text is byte-level BPE, so that any prompt encodes, however far from the task texts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor, PreTrainedTokenizerFast
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

IMAGE_TOKENS = 16
USER, ASSISTANT, SYSTEM, END, PAD = "<|user|>", "<|assistant|>", "<|system|>", "<end_of_utterance>", "<|pad|>"
AROUND, GLOBAL, IMAGE = "<fake_token_around_image>", "<global-img>", "<image>"
MARKUP = ("<think>", "</think>", "<answer>", "</answer>")
CAPTION_PROMPT = "Describe the image."
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message.content is string -%}{%- set parts = [{"type": "text", "text": message.content}] -%}
{%- else -%}{%- set parts = message.content -%}{%- endif -%}
{{- "<|" + message.role + "|>" -}}
{%- if message.role == "assistant" -%}
{%- generation -%}
{%- for part in parts -%}{{- part.text -}}{%- endfor -%}{{- "<end_of_utterance>" -}}
{%- endgeneration -%}
{%- else -%}
{%- for part in parts -%}{%- if part.type == "image" -%}{{- "<image>" -}}{%- else -%}{{- part.text -}}{%- endif -%}
{%- endfor -%}{{- "<end_of_utterance>" -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<|assistant|>" -}}{%- endif -%}
"""
_PHRASES = (
    "Let me think about it step by step. First, I look at the image, then I find the shapes and their colors. "
    "There is a shape in the image, so the answer is \\boxed{yes}. "
    "There are no shapes left of it, so it is \\boxed{no}. "
    "The question asks for the number of shapes. "
    "The image shows that the options are given, and therefore we have it. "
    "Answer with a single word or number. Answer with the letter of the right option. "
    "Put the final answer in \\boxed{}. "
)


@dataclass(frozen=True)
class Size:
    """Widths and depths; heads are 32 wide, the smallest that vLLM's CPU attention takes."""

    vision_width: int = 160
    vision_layers: int = 5
    text_width: int = 192
    text_layers: int = 4
    vocabulary: int = 768
    positions: int = 2048


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on the task texts; single digits, so that numbers read alike everywhere."""
    tokenizer = Tokenizer(models.BPE())
    split, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = cast(Any, pre_tokenizers.Sequence([split, bytes_]))
    tokenizer.decoder = cast(Any, decoders.ByteLevel())
    special = [PAD, USER, ASSISTANT, SYSTEM, END, AROUND, GLOBAL, IMAGE]
    room = vocabulary - len(MARKUP)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=room, special_tokens=special, initial_alphabet=alphabet, min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator([_PHRASES * 40, *texts], trainer)
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in MARKUP])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, padding_side="left", model_max_length=2048,
        clean_up_tokenization_spaces=False, additional_special_tokens=[USER, ASSISTANT, SYSTEM, AROUND, GLOBAL, IMAGE],
    )  # fmt: skip


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Idefics3Processor:
    """Wrap the tokenizer with an image processor that makes one 64 by 64 crop of any image."""
    image_processor = Idefics3ImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 64}, do_image_splitting=False,
        image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5],
    )  # fmt: skip
    return Idefics3Processor(image_processor, tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE)


def build_model(tokenizer: PreTrainedTokenizerFast, size: Size) -> Idefics3ForConditionalGeneration:
    """Initialise the model from torch's current seed."""
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    vision = {
        "hidden_size": size.vision_width, "intermediate_size": 3 * size.vision_width,
        "num_hidden_layers": size.vision_layers, "num_attention_heads": size.vision_width // 32,
        "image_size": 64, "patch_size": 8,
    }  # fmt: skip
    text = {
        "model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": size.text_width, "head_dim": 32,
        "intermediate_size": 7 * size.text_width // 3, "num_hidden_layers": size.text_layers,
        "num_attention_heads": size.text_width // 32, "num_key_value_heads": size.text_width // 64,
        "max_position_embeddings": size.positions, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, **special,
    }  # fmt: skip
    image_token_id = tokenizer.convert_tokens_to_ids(IMAGE)
    config = Idefics3Config(
        vision_config=vision, text_config=text, scale_factor=2, image_token_id=image_token_id,
        tie_word_embeddings=False, **special,
    )  # fmt: skip
    model = Idefics3ForConditionalGeneration._from_config(config, attn_implementation="sdpa")
    # the default of 0.02 drowns in the patches (0.5): for a thousand steps such a model cannot tell where a thing is
    torch.nn.init.normal_(model.model.vision_model.embeddings.position_embedding.weight, std=0.4)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def save(model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, out: Path) -> None:
    """Write what `from_pretrained` and vLLM read, weights in bfloat16."""
    state = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()
    }
    dtype, model.config.dtype = model.config.dtype, torch.bfloat16
    try:
        model.save_pretrained(out, state_dict=state)
    finally:
        model.config.dtype = dtype
    processor.save_pretrained(out)
