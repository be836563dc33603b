"""Estimators in one file of data: `save` and `load`, without pickle, so that a file of a stranger's runs no code.

    model.save("model.safetensors")
    model = MLPClassifier.load("model.safetensors")

The file is that of `xpnn.training.checkpoint`: whole or not there, with a checksum, arrays of the host only. What it
holds is what `_reduced` of an estimator says: plain values, and the state of networks as arrays.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

from sklearn.utils.validation import check_is_fitted

from xpnn.arrays.devices import Device
from xpnn.arrays.devices import device as find_device
from xpnn.estimators.plain import packed, unpacked
from xpnn.estimators.requests import requests_of, set_requests
from xpnn.training.checkpoint import load, save
from xpnn.training.layout import CheckpointError

__all__ = ["FORMAT", "Savable", "loaded", "written"]

FORMAT = 1  # of what is said about an estimator; the file has a number of its own

Self = TypeVar("Self", bound="Savable")


class Savable:
    """`save` and `load` of an estimator that can say its state in plain values."""

    _saved_private: ClassVar[tuple[str, ...]]
    """The private attributes that a file may hold; a class with others of its own lists them, too."""

    @abstractmethod
    def _reduced(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was learned as plain values (see `plain`), and the network's state, arrays by name."""

    @abstractmethod
    def _rebuild(self, learned: dict[str, Any], network: dict[str, Any]) -> None:
        """The reverse of `_reduced`, on the CPU; `self` has its parameters already."""

    @abstractmethod
    def _move(self, place: Device) -> None:
        """Let the network compute there."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator into a safetensors file: parameters, what was learned, weights; no code.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there is nothing to save yet.
        TypeError
            If a parameter or an attribute is a function or another object that is no data; it is named.
        ValueError
            If an attribute was added whose name is private or hides a method; it is named.
        OSError
            If the file cannot be written; an older one of that name is then unchanged.
        """
        check_is_fitted(self)
        arrays: dict[str, Any] = {}
        parameters = self.get_params(deep=False)  # type: ignore[attr-defined]
        values = {name: packed(value, name, arrays) for name, value in parameters.items()}
        learned, network = self._reduced()
        written(self, path, {"parameters": values}, arrays, learned, network)

    @classmethod
    def load(cls: type[Self], path: str | os.PathLike[str], device: str | Device | None = None) -> Self:
        """The estimator of a file that `save` wrote; it computes on the CPU, wherever it was trained, or on `device`.

        Raises
        ------
        CheckpointError
            If the file is damaged or foreign, of another class, or of a newer version.
        DeviceUnavailable
            If `device` cannot be used; it is asked before the file is read.
        OSError
            If the file cannot be read.
        """
        estimator: Self = loaded(cls, path, device, {})
        return estimator


def written(
    estimator: Any, path: str | os.PathLike[str], about: dict[str, Any], arrays: dict[str, Any],
    learned: dict[str, Any], network: dict[str, Any],
) -> None:  # fmt: skip
    """Write what is said `about` an estimator, with its `arrays`, and what it has learned."""
    _require_attributes(type(estimator), learned)
    learned = {name: packed(value, name, arrays) for name, value in learned.items()}
    said = {"class": type(estimator).__name__, "format": FORMAT, **about, "learned": learned}
    if (requests := requests_of(estimator)) is not None:
        said["requests"] = requests
    arrays.update({f"network/{name}": array for name, array in network.items()})
    save(path, arrays, {"estimator": said})


def loaded(cls: Any, path: str | os.PathLike[str], device: str | Device | None, code: dict[str, Any]) -> Any:
    """The estimator of a file; `code` are the parameters that are no data (`modules_saving`)."""
    place = None if device is None else find_device(device)
    arrays, metadata = load(path)
    about = _about(cls, path, metadata)
    network = {name.removeprefix("network/"): a for name, a in arrays.items() if name.startswith("network/")}
    _require_code(cls, about.get("code"), code)
    try:
        parameters = {name: unpacked(value, arrays) for name, value in about["parameters"].items()}
        learned = {name: unpacked(value, arrays) for name, value in about["learned"].items()}
        _require_attributes(cls, learned)
        estimator = cls(**parameters, **code)
        estimator._rebuild(learned, network)
        set_requests(estimator, about.get("requests"))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        what = f"{'a' if 'code' not in about else 'this'} {cls.__name__}"  # which depends on what was given with it
        raise CheckpointError(f"cannot load {path}: it does not describe {what}: {error}") from error
    if place is not None:
        estimator.device = device
        estimator._move(place)
    return estimator


def _require_code(cls: type, needed: Any, given: dict[str, Any]) -> None:
    needed = needed if isinstance(needed, list) else []
    if unheard := [name for name in given if name not in needed]:
        raise ValueError(
            f"{cls.__name__}.load takes what the file does not hold, {', '.join(needed) or 'nothing'}, got "
            f"{', '.join(unheard)}: change others by set_params"
        )
    if missing := [str(name)[:100] for name in needed if name not in given]:
        raise ValueError(
            f"{cls.__name__}.load needs {', '.join(f'{name}=...' for name in missing)} as it was: the file holds data "
            "and no code"
        )


def _about(cls: type, path: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    """What the file says of the estimator, if it is one of `cls` that can be read here."""
    about = metadata.get("estimator")
    if not isinstance(about, dict):
        raise CheckpointError(f"cannot load {path}: it holds no estimator: expected a file of {cls.__name__}.save")
    if type(about.get("format")) is int and about["format"] > FORMAT:
        error = CheckpointError(
            f"cannot load {path}: its estimator is in format {about['format']}, this xpnn reads up to {FORMAT}: "
            "update xpnn"
        )
        error.newer = True
        raise error
    if about.get("class") != cls.__name__:
        found = str(about.get("class"))[:100]
        raise CheckpointError(f"cannot load {path}: expected a {cls.__name__}, got a {found}: use {found}.load")
    return about


def _require_attributes(cls: Any, learned: dict[str, Any]) -> None:
    """Raise if a name is none that a file may hold: it must not hide a method, or be a private one that is not known.
    The same before a file is written and after it is read, so that what is written can be read.
    """
    parameters = cls._get_param_names()
    for name in learned:
        private = name.startswith("_") and name not in cls._saved_private
        if private or name in parameters or hasattr(cls, name):
            raise ValueError(
                f"a file of a {cls.__name__} holds no attribute {name[:100]!r}: expected public names that hide nothing"
            )
