"""The matrix products of a training step of each network."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.networks import Network

__all__ = ["operands", "operands_of", "products_of"]


def products_of(network: Network) -> list[tuple[str, int, int, int]]:
    """(kind, m, k, n) of each product of an (m, k) by a (k, n) matrix; 'NT': the second is a transpose, 'TN' the first.

    Forward x @ w.T, gradients of the weights dy.T @ x, gradients of the inputs dy @ w, but for the first layer.
    """
    batch, layers = network.batch, list(pairwise(network.sizes))
    forward = [("NT", batch, m, n) for m, n in layers]
    weights = [("TN", n, batch, m) for m, n in layers]
    inputs = [("NN", batch, n, m) for m, n in layers[1:]]
    return [*forward, *weights, *inputs]


def operands_of(network: Network, random: Any, empty: Any) -> list[tuple[Any, Any, Any]]:
    """(a, b, out) for each product, from `random(shape)` and `empty(shape)`."""
    return [operands(*product, random, empty) for product in products_of(network)]


def operands(kind: str, m: int, k: int, n: int, random: Any, empty: Any) -> tuple[Any, Any, Any]:
    """(a, b, out) for one product."""
    a = random((k, m)).T if kind == "TN" else random((m, k))
    b = random((n, k)).T if kind == "NT" else random((k, n))
    return a, b, empty((m, n))
