"""How prompts are put through the model together: in which groups, and in which columns of the batch."""

from collections.abc import Sequence

PASS_TOKENS = 64
"""What a pass through the model costs beside its tokens, in tokens: more padding, or fewer tokens computed twice, decide
whether there are two passes or one."""


def groups(prompts: Sequence[tuple[str, int]], most: int) -> list[list[int]]:
    """Which prompts are computed together, as indexes of `prompts`, each a shape (`prompt_tensors.shape_of`) and a number of
    new tokens: of one shape, of like length, and at most `most` tokens with their padding (but for one longer prompt).
    """
    made: list[list[int]] = []
    padding = 0
    for at in sorted(range(len(prompts)), key=lambda i: prompts[i]):
        shape, new = prompts[at]
        group = made[-1] if made else []
        if group:
            padding += len(group) * (new - prompts[group[-1]][1])
        if group and shape == prompts[group[0]][0] and (len(group) + 1) * new <= most and padding <= PASS_TOKENS:
            group.append(at)
        else:
            made.append([at])
            padding = 0
    return made


def columns(prefix: int, agreed: int, more: int, known: int, width: int, new: int) -> list[int]:
    """The attention mask of one prompt: of `prefix` shared columns the first `agreed`, of `more` columns that are taken from
    the tree the last `known - agreed`, and of `width` columns to compute the last `new`.
    """
    own = known - agreed
    return [1] * agreed + [0] * (prefix - agreed + more - own) + [1] * own + [0] * (width - new) + [1] * new
