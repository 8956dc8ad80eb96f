"""What a model answered, found in a decoded conversation: for trainers that show a reward the prompt with its reply."""


def reply_in(query: str) -> str:
    """What the model answered in a decoded conversation: from the first mark of its turn, without the marks of its end.

    The marks are those of TideDra/lmm-r1, openrlhf/models/remote_rm/math_verifier.py, and Llama 3's.
    """
    starts = [(query.find(mark), mark) for mark in _TURNS if mark in query]
    if starts:
        at, mark = min(starts)
        query = query[at + len(mark) :]
    for mark in _ENDS:
        query = query.replace(mark, "")
    return query.strip()


_TURNS = (
    "<|im_start|>assistant\n",
    "<｜Assistant｜>",
    "<|assistant|>\n",
    "<start_of_turn>model\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
)
_ENDS = ("<|im_end|>", "<｜end▁of▁sentence｜>", "<|endoftext|>", "<end_of_turn>", "<|eot_id|>", "<|end|>", "<pad>")
