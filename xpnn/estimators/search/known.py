"""Which fits the batched training of `together` knows: those of scikit-learn's own kind."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy

from xpnn.estimators.rows import Dense
from xpnn.estimators.search.activations import ACTIVATIONS

__all__ = ["LARGEST", "has_known_rows", "is_known", "may_wait", "output_bytes"]

LARGEST = 2**28  # bytes of rows, which are copied to have a column of ones beside them, and of outputs of an epoch


def is_known(estimator: Any) -> bool:
    """Whether the parameters of an MLP are ones that `together` knows."""
    plain = estimator.normalization is None and estimator.schedule is None and estimator.max_norm is None
    known = estimator.solver in ("adam", "sgd") and isinstance(estimator.activation, str)
    return (
        plain and known and estimator.activation in ACTIVATIONS and not estimator.callbacks
        and isinstance(estimator.dropout, int | float) and not estimator.dropout and not estimator.verbose
        and not estimator.warm_start and getattr(estimator.device, "name", estimator.device) in (None, "cpu", "auto")
        and estimator.loss in ("log_loss", "squared_error")
    )  # fmt: skip


def may_wait(estimator: Any) -> bool:
    """Whether it is known, and the same when it is asked for again: a `RandomState` would draw other numbers."""
    return is_known(estimator) and isinstance(estimator.random_state, Integral | None)


def has_known_rows(estimator: Any, batches: Any) -> bool:
    """Whether its rows are NumPy's, not too many, and its labels of one question."""
    labels = getattr(estimator, "_labels", None)
    known = labels is None or labels.kind != "multiclass-multioutput"
    here = type(batches) is Dense and all(isinstance(array, numpy.ndarray) for array in batches.arrays)
    if not (known and here and estimator._place_.name == "cpu"):
        return False
    return max(int(batches.arrays[0].nbytes), output_bytes(estimator, batches)) <= LARGEST


def output_bytes(estimator: Any, batches: Any) -> int:
    """How much the outputs of an epoch take, which `losses.Losses` holds with as many targets, twice."""
    networks = int(estimator.n_ens)
    return (networks + 2) * int(batches.rows) * int(estimator._widths[-1]) * int(batches.arrays[0].itemsize)
