"""What a model answered, found in a decoded conversation: for trainers that show a reward the prompt with its reply."""

from typing import Any


def reply_in(query: str) -> str:
    """What the model answered in a decoded conversation: from the first mark of its turn, without the marks of its end.

    The marks are those of TideDra/lmm-r1, openrlhf/models/remote_rm/math_verifier.py, and Llama 3's.
    """
    starts = [(query.find(mark), mark) for mark in _TURNS if mark in query]
    if starts:
        at, mark = min(starts)
        query = query[at + len(mark) :]
    return str(without_ends(query))


def reply_after(query: Any, prompt: Any) -> Any:
    """What follows the end of the prompt in a decoded conversation: for trainers that give both.

    The whole prompt need not be there, as an image is many tokens in the query and one in the prompt, so its last characters
    are looked for: those by which its template begins the model's turn. What is no text is given back as it is.
    """
    if not isinstance(query, str):
        return query
    before, _, reply = query.partition(prompt[-_TAIL:]) if isinstance(prompt, str) and prompt else (query, "", "")
    return without_ends(reply) if len(before) < len(query) else reply_in(query)


def without_ends(reply: Any) -> Any:
    """A decoded reply without the marks at its end and the blanks around it; what is no text, as it is."""
    if not isinstance(reply, str):
        return reply
    reply = reply.strip()
    while ended := next((mark for mark in _ENDS if reply.endswith(mark)), None):
        reply = reply.removesuffix(ended).rstrip()
    return reply


_TAIL = 16
_TURNS = (
    "<|im_start|>assistant\n",
    "<｜Assistant｜>",
    "<|assistant|>\n",
    "<start_of_turn>model\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
)
_ENDS = (
    *("<|im_end|>", "<｜end▁of▁sentence｜>", "<|endoftext|>", "<end_of_turn>", "<|eot_id|>", "<|end|>", "<pad>"),
    *("<end_of_utterance>", "</s>"),
)
