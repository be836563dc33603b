"""Targets of one number or class for each row that come as a column."""

from __future__ import annotations

from typing import Any

from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import column_or_1d

from xpnn.estimators.user_line import warn

__all__ = ["flat"]


def flat(y: Any) -> Any:
    """Targets of shape (n, 1) as a row of shape (n,), with the warning that scikit-learn's estimators give; others as
    they are.

    Examples
    --------
    >>> import numpy
    >>> flat(numpy.asarray([[1, 2], [3, 4]])).shape
    (2, 2)
    """
    if getattr(y, "shape", ())[1:] != (1,):
        return y
    warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples, ), for "
        "example using ravel().",
        DataConversionWarning,
    )
    return column_or_1d(y)
