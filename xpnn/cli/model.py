"""A trained model of a table, from raw rows to predictions, and its file.

The file holds what the preprocessing and the target learned, what the network looks like, and its weights: arrays and
JSON (`xpnn.training.save`). The network is built from its description; nothing in the file is executed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.devices import device as find_device
from xpnn.cli.network import Design, TableNetwork
from xpnn.cli.words import way_of_class_labels, ways_of_columns
from xpnn.tables.features import Features
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.target import Target
from xpnn.training.checkpoint import load, save
from xpnn.training.layout import CheckpointError
from xpnn.training.threads import few_threads

__all__ = ["Predictions", "TableModel"]

KIND, FORMAT = "xpnn model of a table", 1
_AT_ONCE = 1024  # rows


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for rows.

    Attributes
    ----------
    values
        Shape (n,): numbers, or the most likely labels.
    probabilities
        Of classes, shape (n, k), float64; None for numbers.
    outputs
        Of the network, shape (n, outputs).
    """

    values: numpy.ndarray
    probabilities: numpy.ndarray | None
    outputs: numpy.ndarray


@dataclass(eq=False)
class TableModel:
    """Preprocessing, network and target, and what else is known about them.

    Attributes
    ----------
    about
        Plain data: how it was trained, on what, by which versions.
    """

    preprocessing: Preprocessing
    target: Target
    design: Design
    network: TableNetwork
    about: dict[str, Any] = field(default_factory=dict)

    def ways(self) -> dict[str, str]:
        """In what way each column of new rows is read, so that it means what it meant in training."""
        classes = "" if self.target.task == "regression" else self.target.classes.dtype.kind
        ways = {self.target.name: way_of_class_labels(classes)}
        return ways | ways_of_columns(self.preprocessing.summary(), self.preprocessing.columns)

    def predict(self, features: Features, place: Device | None = None) -> Predictions:
        """Predictions for features that `preprocessing` made; numbers lie between the least and largest of training."""
        outputs = self.outputs(features, place or find_device("cpu"))
        if self.target.task == "regression":
            return Predictions(self.target.inverse(outputs, clamp=True), None, outputs)
        return Predictions(self.target.inverse(outputs), self.target.probabilities(outputs), outputs)

    def outputs(self, features: Features, place: Device) -> numpy.ndarray:
        """The network's outputs on the host, shape (n, outputs), float32."""
        self.network.eval()
        self.network.to(place)
        inputs = self.design.inputs(features)
        made = [numpy.empty((0, self.design.outputs), dtype=numpy.float32)]
        with few_threads(_AT_ONCE, self.network.widest()):
            for start in range(0, len(features), _AT_ONCE):
                part = [place.asarray(array[start : start + _AT_ONCE]) for array in inputs]
                made.append(place.to_host(self.network(*part)))
        return numpy.concatenate(made)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it into one file, all or nothing."""
        preprocessing, prepared = self.preprocessing.state()
        target, aimed = self.target.state()
        arrays = {
            **{f"network.{name}": array for name, array in self.network.state_dict().items()},
            **{f"preprocessing.{name}": array for name, array in preprocessing.items()},
            **{f"target.{name}": array for name, array in target.items()},
        }
        data = {"network": self.design.as_json(), "preprocessing": prepared, "target": aimed, "about": self.about}
        save(path, arrays, {"kind": KIND, "format": FORMAT, **data})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """The model in a file.

        Raises
        ------
        CheckpointError
            If it is damaged, of another kind or of a newer version. It is a ValueError.
        OSError
            If it cannot be read.
        """
        arrays, data = load(path)
        if data.get("kind") != KIND:
            raise CheckpointError(f"{path} holds no model of a table that `xpnn train` wrote")
        number = data.get("format")
        if type(number) is not int or number < 1:
            raise CheckpointError(f"{path} holds no model of a table: its format is {number!r:.40}")
        if number > FORMAT:
            raise CheckpointError(f"{path} has format {number}, this xpnn reads up to {FORMAT}: update xpnn")
        try:
            return cls._from_state(arrays, data)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise CheckpointError(f"{path} holds no whole model of a table: {error}") from error

    @classmethod
    def _from_state(cls, arrays: Mapping[str, numpy.ndarray], data: Mapping[str, Any]) -> TableModel:
        """The model, if its parts are there and fit each other: a file may say anything."""
        about = data["about"]
        if not isinstance(about, dict) or not isinstance(about.get("data", {}), dict):
            raise ValueError(f"what it says about its training is {about!r:.60}")
        preprocessing = Preprocessing.from_state(_under("preprocessing.", arrays), data["preprocessing"])
        target = Target.from_state(_under("target.", arrays), data["target"])
        design = Design.from_json(data["network"])
        no_rows: dict[str, list[Any]] = {name: [] for name in preprocessing.columns}
        if not design.takes(preprocessing.transform(no_rows)) or design.outputs != target.outputs:
            raise ValueError("its network is not one for its columns and target")
        made = cls(preprocessing, target, design, _network(design, _under("network.", arrays)), about)
        made.ways()
        return made


def _network(design: Design, arrays: Mapping[str, numpy.ndarray]) -> TableNetwork:
    """The network with these arrays; none is made of which the file does not hold the weights."""
    expected, found = design.shapes(), {name: array.shape for name, array in arrays.items()}
    wrong = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    if wrong:
        raise ValueError(
            f"{wrong[0]!r:.60} expected shape {expected.get(wrong[0])} in this network, got {found.get(wrong[0])}"
        )
    return TableNetwork(design).load_state_dict(arrays)


def _under(start: str, arrays: Mapping[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
