from pathlib import Path

import pytest

from generators.embedded import reference_folder
from generators.serving.arguments import serve_arguments
from schemas.engine import ModelConfig
from schemas.errors import ConfigError


def arguments(model: str = "reference-vlm", revision: str | None = None, **args: object) -> list[str]:
    return serve_arguments(ModelConfig(model=model, revision=revision, args=args, concurrency=7), "127.0.0.1", 8003)


def after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_a_server_has_the_weights_and_the_name_of_the_model() -> None:
    words = arguments()
    assert words[0] == str(reference_folder())
    assert (after(words, "--host"), after(words, "--port")) == ("127.0.0.1", "8003")
    assert after(words, "--served-model-name") == "reference-vlm"
    assert after(words, "--max-num-seqs") == "7"
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert after(arguments("org/model", commit), "--revision") == commit
    with pytest.raises(ConfigError, match="there is no model 'reference-vlmm'"):
        arguments("reference-vlmm")


def test_arguments_of_the_engine_are_options_of_the_server(tmp_path: Path) -> None:
    words = arguments(
        max_model_len=4096,
        reasoning_parser="qwen3",
        enforce_eager=True,
        enable_prefix_caching=False,
        limit_mm_per_prompt={"image": 4},
        chat_template="{{ messages }}",
        quantization=None,
        max_num_seqs=16,
        chat_template_kwargs={"enable_thinking": False},
        allowed_origins=["a", "b"],
    )
    assert after(words, "--max-model-len") == "4096"
    assert after(words, "--reasoning-parser") == "qwen3"
    assert {"--enforce-eager", "--no-enable-prefix-caching"} <= set(words)
    assert after(words, "--limit-mm-per-prompt") == '{"image": 4}'
    assert after(words, "--chat-template") == "{{ messages }}"
    assert after(words, "--max-num-seqs") == "16"
    assert words.count("--max-num-seqs") == 1
    assert words[words.index("--allowed-origins") + 1 :] == ["a", "b"]
    assert not {"--quantization", "--chat-template-kwargs"} & set(words)  # nothing, and sent with each request


def test_what_the_engine_in_process_has_a_server_has_unless_the_recipe_says_otherwise() -> None:
    assert (
        after(arguments(), "--structured-outputs-config") == '{"backend": "xgrammar", "disable_any_whitespace": true}'
    )
    own = arguments(structured_outputs_config={"backend": "guidance"})
    assert after(own, "--structured-outputs-config") == '{"backend": "guidance"}'
