"""The network of the tabular estimators: numbers as vectors, categories as vectors, a scale for each, dense layers.

    numbers ──► embedding ──┐
    numeric features ───────┼─► times a learned scale ─► [dense ► ReLU ► dropout] ... ─► dense ─► outputs
    codes ──► embedding ────┘

A number that enters a dense layer as it is can only be weighed; as a vector it can mean different things in different
ranges, which is what trees are good at. The learned scale lets the network soon turn down columns that say nothing.

Holzmüller, Grinsztajn and Steinwart, Better by default: strong pre-tuned MLPs and boosted trees on tabular data
(2024), section 3 (RealMLP): the scale, the short vectors with the number itself beside them. Gorishniy, Rubachev and
Babenko, On embeddings for numerical features in tabular deep learning (2022): the vectors. Ours have ReLUs where
RealMLP learns its activations, as exponentials are slow on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.estimators.tabular_plan import Plan
from xpnn.nn.activations import ReLU
from xpnn.nn.declarations import Parameter
from xpnn.nn.dense import Linear
from xpnn.nn.dropout import Dropout
from xpnn.nn.ensemble import EnsembleLinear
from xpnn.nn.feature_encodings import quantile_edges
from xpnn.nn.module import Module
from xpnn.nn.sequential import Sequential
from xpnn.nn.tabular import CategoricalEmbedding, PeriodicEmbedding, PiecewiseLinearEmbedding
from xpnn.tables.features import Features

__all__ = [
    "EMBEDDINGS", "Columns", "TabularNetwork", "architecture", "inputs_of", "network_of", "numbers_in", "of_columns",
    "order_of",
]  # fmt: skip

EMBEDDINGS = ("periodic", "piecewise", "none")
_WAVES, _DEVIATION = 16, 0.3
_BINS = 32
_NUMBER_SIZE, _CATEGORY_SIZE = 4, 8


@dataclass(frozen=True)
class Columns:
    """What the network takes: how many numeric columns, how many of them (the first) are embedded, and the categories
    of each column of codes.
    """

    numeric: int
    embedded: int
    categories: tuple[int, ...]


def numbers_in(features: Features) -> list[int]:
    """Which of the numeric columns are numbers themselves: not "town=Rome", "age missing"."""
    names = zip(features.names, features.sources, strict=True)
    return [place for place, (name, source) in enumerate(names) if name == source]


def order_of(features: Features, embedding: str) -> tuple[tuple[int, ...], int]:
    """The order of the numeric columns, those that are embedded first, and how many these are."""
    first = [] if embedding == "none" else numbers_in(features)
    rest = [place for place in range(len(features.names)) if place not in set(first)]
    return (*first, *rest), len(first)


def inputs_of(features: Features, order: tuple[int, ...]) -> tuple[numpy.ndarray, ...]:
    """The features as the network takes them: the numeric columns in its order, and the codes; each if any."""
    numeric = numpy.ascontiguousarray(features.numeric[:, order])
    return (numeric,) * bool(order) + (features.codes,) * bool(features.categories)


def architecture(features: Features, plan: Plan, outputs: int) -> dict[str, Any]:
    """What a network for such features is built from, as plain values; but for the edges of bins."""
    order, embedded = order_of(features, plan.embedding)
    return {
        "numeric": len(order), "embedded": embedded, "categories": features.categories,
        "embedding": plan.embedding if embedded else "none", "hidden": plan.hidden, "outputs": outputs,
        "dropout": float(plan.dropout), "members": int(plan.members), "dtype": features.numeric.dtype.name,
    }  # fmt: skip


def network_of(features: Features, plan: Plan, outputs: int, seed: int) -> TabularNetwork:
    """A network for such features, with first weights that `seed` decides and last ones that are 0."""
    about = architecture(features, plan, outputs)
    edges = None
    if about["embedding"] == "piecewise":
        order, embedded = order_of(features, plan.embedding)
        edges = quantile_edges(features.numeric[:, order[:embedded]], bins=_BINS)
    made = of_columns(Columns(about["numeric"], about["embedded"], about["categories"]), about, edges)
    made.initialize(seed=seed)
    last = f"dense.{len(made.dense) - 1}."
    for name, p in made.named_parameters():
        if name.startswith(last):
            p[...] = 0
    return made


def of_columns(columns: Columns, about: dict[str, Any], edges: Any) -> TabularNetwork:
    """The network that `architecture` says, its weights to be drawn or read."""
    dtype = about["dtype"]
    numbers: Module | None = None
    if about["embedding"] == "periodic":
        numbers = PeriodicEmbedding(
            columns.embedded, _NUMBER_SIZE, frequencies=_WAVES, deviation=_DEVIATION, activation=False, dtype=dtype
        )
    elif about["embedding"] == "piecewise":
        numbers = PiecewiseLinearEmbedding(edges, _NUMBER_SIZE, dtype=dtype)
    hidden = tuple(about["hidden"])
    return TabularNetwork(columns, numbers, hidden, about["outputs"], about["dropout"], about["members"], dtype)


class TabularNetwork(Module):
    """Called with the arrays that `inputs_of` gives; outputs of shape (n, outputs), or (members, n, outputs)."""

    scale: Array

    def __init__(
        self, columns: Columns, numbers: Module | None, hidden: tuple[int, ...], outputs: int, dropout: float,
        members: int, dtype: str,
    ) -> None:  # fmt: skip
        self.numeric, self.embedded, self.members = columns.numeric, columns.embedded, members
        width = columns.numeric
        if numbers is not None:
            self.numbers = numbers
            width += columns.embedded * _NUMBER_SIZE
        if columns.categories:
            self.categories = CategoricalEmbedding(columns.categories, _CATEGORY_SIZE, dtype=dtype)
            width += len(columns.categories) * _CATEGORY_SIZE
        self.scale = Parameter(numpy.ones(width, dtype=dtype))
        layers: list[Module] = []
        for size in hidden:
            layers += [_dense(members, width, size, dtype), ReLU(), *([Dropout(dropout)] if dropout else [])]
            width = size
        self.dense = Sequential(*layers, _dense(members, width, outputs, dtype))

    def widest(self) -> int:
        """How many weights the largest dense layer of a member has: there is a product for each member."""
        sizes = [int(layer.weight.size) for layer in self.dense if isinstance(layer, Linear | EnsembleLinear)]
        return max(sizes) // self.members

    def reset(self, *, seed: int, path: str) -> None:
        self.scale[...] = 1

    def forward(self, *inputs: Array) -> Array:
        parts = [inputs[0]] if self.numeric else []
        if self.embedded:
            parts.append(_in_rows(self.numbers(inputs[0][:, : self.embedded])))
        if len(inputs) > bool(self.numeric):
            parts.append(_in_rows(self.categories(inputs[-1])))
        x = namespace_of(*parts).concat(parts, axis=1) if len(parts) > 1 else parts[0]
        return self.dense(namespace_of(x, self.scale).multiply(x, self.scale))


def _dense(members: int, width: int, size: int, dtype: str) -> Module:
    if members == 1:
        return Linear(width, size, dtype=dtype)
    return EnsembleLinear(members, width, size, dtype=dtype)


def _in_rows(vectors: Array) -> Array:
    """From (n, columns, size) to (n, columns * size)."""
    return namespace_of(vectors).reshape(vectors, (vectors.shape[0], vectors.shape[1] * vectors.shape[2]))
