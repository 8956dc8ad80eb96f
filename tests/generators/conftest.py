"""A vision-language model small enough to run anywhere, of Qwen2.5-VL's make."""

from collections.abc import Callable
from typing import Any

import pytest

# Its marks of an image: start, each patch, end.
VISION_START, IMAGE, VISION_END = 90, 91, 92


@pytest.fixture(scope="session")
def tiny_qwen() -> Callable[[float], Any]:
    """Makes one whose weights spread by `initializer_range`, the same ones each time."""
    return _qwen


def _qwen(spread: float) -> Any:
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(0)
    text = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 256, "initializer_range": spread,
        "bos_token_id": 0, "eos_token_id": None, "pad_token_id": 1,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 16, "fullatt_block_indexes": [1],
        "initializer_range": spread,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, image_token_id=IMAGE, vision_start_token_id=VISION_START,
        vision_end_token_id=VISION_END, video_token_id=93,
    )  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(config).eval()
