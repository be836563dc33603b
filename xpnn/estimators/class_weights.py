"""Weights of classes: 'balanced', or from a dictionary."""

from __future__ import annotations

from typing import Any

import numpy
from scipy import sparse

__all__ = ["balanced", "columns_of", "of_named"]


def of_named(classes: Any, weights: dict[Any, float]) -> Any:
    """The weight of each class, 1 if the dictionary does not name it.

    scikit-learn's `compute_class_weight` says the same of classes that are all in the rows, but in 1.9 takes words such
    as "1" for numbers.

    Raises
    ------
    ValueError
        If it names what is no class, and not all that are.

    Examples
    --------
    >>> of_named(numpy.asarray(["rare", "usual"]), {"rare": 5.0})
    array([5., 1.])
    """
    names = classes.tolist()
    unnamed, unknown = [name for name in names if name not in weights], [name for name in weights if name not in names]
    if unnamed and unknown:
        raise ValueError(f"The classes, {unnamed}, are not in class_weight, which names {unknown} instead")
    return numpy.asarray([weights.get(name, 1.0) for name in names], dtype=numpy.float64)


def balanced(places: Any, classes: int, sample_weight: Any) -> Any:
    """The weight of each of so many classes, of rows that have these: scikit-learn's 'balanced'. They are counted by
    their rows' weights, so that a row of weight 2 is two rows, and one of weight 0 none. A class without rows weighs 0.

    Examples
    --------
    >>> balanced(numpy.asarray([0, 0, 0, 1]), 3, None).round(2)
    array([0.67, 2.  , 0.  ])
    """
    total = numpy.bincount(places, weights=sample_weight, minlength=classes).astype(numpy.float64)
    there = total > 0
    found = numpy.zeros(classes)
    found[there] = total.sum() / (there.sum() * total[there])
    return found


def columns_of(y: Any) -> Any:
    """The labels of each question."""
    y = y.toarray() if sparse.issparse(y) else numpy.asarray(y)
    return y.reshape(len(y), -1).T
