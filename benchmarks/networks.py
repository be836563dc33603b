"""The four networks that every library trains, with their data and starting weights.

They span what a CPU is used for: in the first, the calls of array functions take the time; in the last, the matrix
products do. One batch of random numbers is trained on again and again, since only the time matters.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

__all__ = ["NETWORKS", "WITH_DROPOUT", "Layer", "Network", "batch_of", "layers_of"]


class Network(NamedTuple):
    """Dense layers of the given sizes with ReLU between them, trained on batches of `batch` rows.

    With `dropout`, that share of what ReLU gives is dropped.
    """

    sizes: tuple[int, ...]
    batch: int
    dropout: float = 0.0

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes)) + (f"-dropout-{self.dropout}" if self.dropout else "")

    @property
    def binary(self) -> bool:
        """Whether the one output is the logit of a yes or no; else there is one logit for each class."""
        return self.sizes[-1] == 1


class Layer(NamedTuple):
    """The starting weights of one dense layer: `weight` (out, in) and `bias` (out,)."""

    weight: np.ndarray
    bias: np.ndarray


NETWORKS = {
    network.name: network
    for network in [
        Network((30, 32, 16, 1), 32),
        Network((64, 100, 10), 200),
        Network((784, 256, 128, 10), 128),
        Network((784, 1024, 1024, 10), 512),
    ]
}
WITH_DROPOUT = {network.name: network for network in [Network((784, 1024, 1024, 10), 512, dropout=0.2)]}


def batch_of(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Inputs in float32, and targets: 0.0 or 1.0 of shape (batch, 1), or integer labels of shape (batch,)."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((network.batch, network.sizes[0]), dtype=np.float32)
    if network.binary:
        return x, generator.integers(0, 2, size=(network.batch, 1)).astype(np.float32)
    return x, generator.integers(0, network.sizes[-1], size=network.batch)


def layers_of(network: Network) -> list[Layer]:
    """The same starting weights for every library, uniform within ±1 / sqrt(in) as PyTorch draws them."""
    generator = np.random.default_rng(1)

    def draw(*shape: int, bound: float) -> np.ndarray:
        return generator.uniform(-bound, bound, size=shape).astype(np.float32)

    return [Layer(draw(n, m, bound=m**-0.5), draw(n, bound=m**-0.5)) for m, n in pairwise(network.sizes)]
