"""Targets that are numbers: what a loss allows of them, and predictions from a network's outputs."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.arrays.namespaces import namespace_of
from xpnn.estimators.objectives import Objective

__all__ = ["central", "predicted_numbers", "quantiles_of", "require_numbers", "require_positive"]

_POSITIVE = ("poisson", "gamma", "tweedie")


def quantiles_of(given: Any) -> list[float]:
    """The parameter `quantiles`, one or several, as a list.

    Raises
    ------
    ValueError
        If there is none, or one is no number between 0 and 1.

    Examples
    --------
    >>> quantiles_of(0.5)
    [0.5]
    """
    several: list[float] = numpy.atleast_1d(given).tolist()
    if not several or not all(isinstance(q, float) and 0 < q < 1 for q in several):
        raise ValueError(f"quantiles expected numbers between 0 and 1, one or more, got {given!r}")
    return several


def require_numbers(y: Any) -> None:
    """Raise if targets are dates, times or texts, which NumPy makes numbers of in its own way, or one is missing: of
    None it makes NaN, after scikit-learn has looked for it.

    Raises
    ------
    TypeError
        Naming what they are.
    ValueError
        Naming the first row where one is missing.

    Examples
    --------
    >>> require_numbers(numpy.asarray([1.0, None], dtype="float64"))
    Traceback (most recent call last):
    ValueError: Input y contains NaN: its value in row 1 is missing. Leave out such rows, of X, too
    """
    if y.dtype.kind in "mMSU":
        raise TypeError(f"y expected numbers, got an array of dtype {y.dtype}")
    if y.dtype.kind == "f" and (missing := numpy.isnan(y.reshape(len(y), -1)).any(axis=1)).any():
        raise ValueError(
            f"Input y contains NaN: its value in row {missing.argmax()} is missing. Leave out such rows, of X, too"
        )


def require_positive(loss: Any, tweedie_power: float, y: Any) -> None:
    """Raise if targets are out of the range of a deviance: one of power 2 has no meaning at 0, another none below it.

    Raises
    ------
    ValueError
        Naming the loss, the bound and the least target.
    """
    if not isinstance(loss, str) or loss not in _POSITIVE:
        return
    strict = loss == "gamma" or (loss == "tweedie" and tweedie_power == 2)
    if (y <= 0).any() if strict else (y < 0).any():
        of = f" with tweedie_power={tweedie_power}" if loss == "tweedie" else ""
        raise ValueError(f"loss={loss!r}{of} needs targets y {'above' if strict else 'at least'} 0, got {y.min()}")


def predicted_numbers(objective: Objective, outputs: Any) -> Any:
    """Predictions of shape (n,) or (n, targets), with a last axis more for several quantiles."""
    if objective.link == "exp":
        outputs = namespace_of(outputs).exp(outputs)
    quantiles = len(objective.quantiles)
    if quantiles > 1:
        outputs = namespace_of(outputs).reshape(outputs, (outputs.shape[0], -1, quantiles))
    return outputs[:, 0, ...] if outputs.shape[1] == 1 else outputs


def central(objective: Objective, predictions: Any) -> Any:
    """Of several quantiles the one next to the median, the lower of two; other predictions as they are."""
    quantiles = objective.quantiles
    if len(quantiles) < 2:
        return predictions
    return predictions[..., min(range(len(quantiles)), key=lambda n: (abs(quantiles[n] - 0.5), quantiles[n]))]
