"""The network for tables: numbers as waves, categories as vectors, then dense layers.

    numbers ──► PeriodicEmbedding ──┐
    numeric features ───────────────┼─► [Linear ► ReLU ► Dropout] ... ─► Linear ─► outputs
    codes ──► CategoricalEmbedding ─┘

A number that enters a dense layer as it is can only be weighed; as waves of trained lengths it can mean different
things
in different ranges, which is what trees are good at. What a network looks like is plain data, so a file can hold it and
nothing in the file is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any

import numpy

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.nn.activations import ReLU
from xpnn.nn.dense import Linear
from xpnn.nn.dropout import Dropout
from xpnn.nn.module import Module
from xpnn.nn.sequential import Sequential
from xpnn.nn.tabular import CategoricalEmbedding, PeriodicEmbedding
from xpnn.tables.features import Features

__all__ = ["Design", "TableNetwork", "design_for"]

_MOST_WAVES = 64  # columns of numbers; a table of more has information enough, and each costs 128 products per row


@dataclass(frozen=True)
class Design:
    """What a `TableNetwork` looks like.

    Attributes
    ----------
    order
        Of the columns of `Features.numeric`: those that become waves first.
    waves
        How many of them become waves.
    categories
        For each column of codes, how many categories it has.
    hidden
        The widths of the dense layers.
    outputs
        How many outputs.
    dropout
        The share of each dense layer's outputs that is left out in training.
    wave_count, wave_size, deviation
        How many waves each number becomes, what length they are brought to, and the spread of their first frequencies.
    category_size
        The length of a category's vector.
    """

    order: tuple[int, ...]
    waves: int
    categories: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: int
    dropout: float
    wave_count: int = 16
    wave_size: int = 4
    deviation: float = 0.3
    category_size: int = 8

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Design:
        """What `as_json` gave.

        Raises
        ------
        ValueError
            If it is something else.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"this is no description of a network: {data!r:.60}")
        try:
            given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
            made = cls(**given)
        except TypeError as error:
            expected = ", ".join(field.name for field in fields(cls))
            raise ValueError(f"this is no description of a network, which has {expected}: {error}") from None
        for name, value in asdict(made).items():
            if not _fits(name, value):
                raise ValueError(f"this is no description of a network: its {name} is {value!r:.60}")
        return made

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array that the state of its `TableNetwork` has, without making one.

        So a file that says it holds a large network is believed only if it does.
        """
        found: dict[str, tuple[int, ...]] = {}
        width = len(self.order) + self.waves * self.wave_size + len(self.categories) * self.category_size
        if self.waves:
            found["periodic.frequencies"] = (self.waves, self.wave_count)
            found["periodic.weight"] = (self.waves, 2 * self.wave_count, self.wave_size)
            found["periodic.bias"] = (self.waves, self.wave_size)
        if self.categories:
            found["categories.weight"] = (sum(self.categories), self.category_size)
        place = 0
        for size in (*self.hidden, self.outputs):
            found |= {f"dense.{place}.weight": (size, width), f"dense.{place}.bias": (size,)}
            if self.dropout and place < len(self.hidden) * 3:
                found[f"dense.{place + 2}.calls"] = ()
            place += 3 if self.dropout else 2
            width = size
        return found

    def takes(self, features: Features) -> bool:
        """Whether it is a design for these features."""
        same = sorted(self.order) == list(range(features.numeric.shape[1]))
        return same and self.waves <= len(self.order) and self.categories == features.categories

    def inputs(self, features: Features) -> tuple[numpy.ndarray, ...]:
        """The features as the network takes them: the numeric columns in its order, and the codes; each if any."""
        numeric = numpy.ascontiguousarray(features.numeric[:, self.order])
        return (numeric,) * bool(self.order) + (features.codes,) * bool(self.categories)


def _fits(name: str, value: Any) -> bool:
    """Whether a value may be that of a field of `Design`."""
    if name in ("dropout", "deviation"):
        return type(value) in (int, float) and 0 <= value < (1 if name == "dropout" else inf)
    if name in ("order", "categories", "hidden"):
        return type(value) is tuple and all(type(n) is int and n >= (name != "order") for n in value)
    return type(value) is int and value >= (name != "waves")


def design_for(features: Features, *, hidden: tuple[int, ...], outputs: int, dropout: float) -> Design:
    """The design for a table's features: columns of numbers and dates become waves, if they are not too many.

    Parameters
    ----------
    features
        Of training rows.
    hidden, outputs, dropout
        As in `Design`.
    """
    names = list(zip(features.names, features.sources, strict=True))
    waves = [place for place, (name, source) in enumerate(names) if name == source]  # not "town=Rome", "age missing"
    waves = waves if len(waves) <= _MOST_WAVES else []
    others = [place for place in range(len(names)) if place not in set(waves)]
    return Design((*waves, *others), len(waves), features.categories, hidden, outputs, dropout)


class TableNetwork(Module):
    """The network of a `Design`; called with the arrays that `Design.inputs` gives."""

    def __init__(self, design: Design) -> None:
        self.waves, self.numeric = design.waves, len(design.order)
        width = len(design.order)
        if design.waves:
            self.periodic = PeriodicEmbedding(
                design.waves,
                design.wave_size,
                frequencies=design.wave_count,
                deviation=design.deviation,
                activation=False,
            )
            width += design.waves * design.wave_size
        if design.categories:
            self.categories = CategoricalEmbedding(design.categories, design.category_size)
            width += len(design.categories) * design.category_size
        layers: list[Module] = []
        for size in design.hidden:
            layers += [Linear(width, size), ReLU(), *([Dropout(design.dropout)] if design.dropout else [])]
            width = size
        self.dense = Sequential(*layers, Linear(width, design.outputs))

    def widest(self) -> int:
        """How many weights the largest dense layer has."""
        return max(int(layer.weight.size) for layer in self.dense if isinstance(layer, Linear))

    def forward(self, *inputs: Array) -> Array:
        parts = [inputs[0]] if self.numeric else []
        if self.waves:
            parts.append(_in_rows(self.periodic(inputs[0][:, : self.waves])))
        if len(inputs) > bool(self.numeric):
            parts.append(_in_rows(self.categories(inputs[-1])))
        x = namespace_of(*parts).concat(parts, axis=1) if len(parts) > 1 else parts[0]
        return self.dense(x)


def _in_rows(vectors: Array) -> Array:
    """From (n, columns, size) to (n, columns * size)."""
    return namespace_of(vectors).reshape(vectors, (vectors.shape[0], vectors.shape[1] * vectors.shape[2]))
