"""Predictions as columns of a file."""

from __future__ import annotations

from typing import Any

import numpy

from xpnn.cli.model import Predictions

__all__ = ["prediction_columns"]


def prediction_columns(predictions: Predictions, classes: numpy.ndarray) -> tuple[list[str], list[list[Any]]]:
    """Names and values: "prediction", and of classes a column "probability of ..." for each.

    Numbers are given with seven digits, as many as float32 has.

    Examples
    --------
    >>> found = Predictions(numpy.asarray(["no"]), numpy.asarray([[0.75, 0.25]]), numpy.asarray([[-1.0986]]))
    >>> prediction_columns(found, numpy.asarray(["no", "yes"]))
    (['prediction', 'probability of no', 'probability of yes'], [['no'], [0.75], [0.25]])
    """
    if predictions.probabilities is None:
        return ["prediction"], [_digits(predictions.values)]
    names = ["prediction", *(f"probability of {label}" for label in classes.tolist())]
    return names, [predictions.values.tolist(), *(_digits(column) for column in predictions.probabilities.T)]


def _digits(values: numpy.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values.tolist()]
