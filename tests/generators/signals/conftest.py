"""The formula taken literally: slow, and plain to see."""

from collections.abc import Callable

import pytest
import torch

from generators.signals.columns import Heads


def literal_psi(attention: list[torch.Tensor], heads: Heads, window: int | None) -> list[float]:
    """psi_j with sigma = 1 of one reply, in 64 bits, from its rows of `(heads, keys)`; the last keys are its own."""
    length = len(attention)
    found = []
    for j in range(length):
        last = length if window is None else min(length, j + window)
        products = []
        for head in range(attention[0].shape[0]):
            product = 1.0
            for i in range(j, last):
                row = attention[i].double()
                column = row.shape[1] - length + j
                most = row.max(dim=0).values
                factor = {
                    "max": most[column],
                    "opera": most[column] / most.sum(),
                    "mean": row.mean(dim=0)[column],
                    "each": row[head, column],
                }[heads]
                product *= float(factor)
            products.append(product)
        found.append(max(products))
    return found


@pytest.fixture(scope="session")
def literal() -> Callable[[list[torch.Tensor], Heads, int | None], list[float]]:
    """`literal_psi`."""
    return literal_psi
