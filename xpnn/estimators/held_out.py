"""Rows to validate with that the user gives: checked as those to train with, and named where they are wrong."""

from __future__ import annotations

from typing import Any

import numpy
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, _check_y, check_consistent_length, validate_data

from xpnn.estimators.placement import brought, on_host, require_home
from xpnn.estimators.refusals import named, require_alike
from xpnn.estimators.times import require_no_dates
from xpnn.estimators.user_line import warn

__all__ = ["checked_held_out", "parted", "warn_of_no_value"]


def parted(rows: int, fraction: float, random: Any, strata: Any) -> tuple[Any, Any] | None:
    """The numbers of the rows to train with and of those held out, or None if there are too few rows to hold two out.

    Parameters
    ----------
    rows
        How many there are.
    fraction
        The share to hold out.
    random
        What decides which.
    strata
        What both parts are to have the same shares of, or None. Where that cannot be, as with a class of one row or
        more classes than rows to hold out, rows are drawn from all.

    Examples
    --------
    >>> train, test = parted(100, 0.1, numpy.random.RandomState(0), numpy.asarray([0] * 99 + [1]))
    >>> len(train), len(test)
    (90, 10)
    >>> parted(9, 0.1, None, None) is None
    True
    """
    for shares in (None,) if strata is None else (strata, None):
        try:
            train, test = train_test_split(numpy.arange(rows), random_state=random, test_size=fraction, stratify=shares)
        except ValueError:  # too few rows, or too few of a class
            continue
        if len(test) > 1:  # a part so small decides nothing: the training loss does
            return train, test
    return None


def warn_of_no_value(monitor: Any) -> None:
    """Say that what is monitored was no number after any epoch, so that no epoch was the best."""
    warn(f"monitor={monitor!r} was nan after each epoch: the weights are those of the last")


def checked_held_out(estimator: Any, given: tuple[Any, Any, Any], method: str, *, y: Any, dtype: Any) -> Any:
    """`X_val`, `y_val` and `sample_weight_val` as scikit-learn checks them, for an estimator that knows its features.

    Parameters
    ----------
    estimator
        Who trains.
    given
        The three, of which the last may be None.
    method
        'fit' or 'partial_fit'.
    y
        The targets that are trained with.
    dtype
        Of the rows that are trained with.

    Raises
    ------
    ValueError, TypeError
        In scikit-learn's words, with the name of what was given before them.
    """
    X_val, y_val, w_val = given
    with named("X_val"):
        require_home(estimator, X_val, estimator._home, method)
        X_val = brought(X_val, estimator._home, estimator._place_)
        require_no_dates(X_val)
        X_val = validate_data(estimator, X_val, accept_sparse=["csr", "csc"], dtype=dtype, reset=False)
    with named("y_val"):
        numeric = estimator._numeric_targets()
        y_val = _check_y(on_host(y_val), multi_output=True, y_numeric=numeric, estimator=estimator)
    with named("X_val and y_val"):
        check_consistent_length(X_val, y_val)
    require_alike(y, y_val)
    if w_val is not None:
        with named("sample_weight_val"):
            w_val = _check_sample_weight(on_host(w_val), y_val, dtype=estimator._dtype, ensure_non_negative=True)
    return X_val, y_val, w_val
