"""Inputs of any module: rows of features, images, sequences, numbers of words, or several of these at once.

| X | the module is called | whole numbers |
| --- | --- | --- |
| an array, a table or a sparse matrix, a row per item | `module(x)` | become floating-point, but for an `Embedding` |
| a dictionary of arrays | `module(**x)` | stay |
| a tuple of arrays of two axes or more | `module(*x)` | stay |
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_y, validate_data

from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.namespaces import dtype_name
from xpnn.arrays.tree import Tree, flatten, named_leaves, tree_map
from xpnn.estimators import placement
from xpnn.estimators.refusals import named
from xpnn.estimators.times import require_no_dates
from xpnn.nn.embedding import Embedding
from xpnn.nn.module import Module

__all__ = [
    "checked", "converted", "first_of", "floating_dtype", "is_several", "on_the_host", "placed", "rows_of", "shape_of",
    "taken", "takes_numbers_of_words",
]  # fmt: skip


def is_several(X: Any) -> bool:
    """Whether `X` is several arrays: a dictionary, or a tuple of arrays of two axes or more."""
    if isinstance(X, dict):
        return not sparse.issparse(X)  # scipy.sparse.dok_matrix is a dictionary
    return isinstance(X, tuple) and len(X) > 0 and all(len(getattr(part, "shape", ())) > 1 for part in X)


def first_of(X: Any) -> Any:
    """The first of several arrays, or the only one: where it is the others are expected, too.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not is_several(X):
        return X
    leaves = flatten(X)[0]
    if not leaves:
        raise ValueError("X expected one array or more, got an empty dictionary")
    return leaves[0]


def placed(X: Any, home: Device | None, place: Device | None) -> Any:
    """Each array where it can be computed with; see `placement.brought`."""
    if home is None or place is None:
        return tree_map(placement.on_host, X) if is_several(X) else placement.on_host(X)
    return (
        tree_map(lambda leaf: placement.brought(leaf, home, place), X)
        if is_several(X)
        else placement.brought(X, home, place)
    )


def _kind(leaf: Any) -> str:
    """The first letter of its dtype: float, int, uint, bool."""
    return dtype_name(leaf.dtype)[0]


def checked(estimator: Any, X: Any, y: Any = None, *, first: bool, numeric: bool = False, alone: bool = False) -> Any:
    """Arrays of finite real numbers with a row per item, and targets; with `alone` only the former.

    Raises
    ------
    ValueError, TypeError
        With scikit-learn's messages, if they are not, or are other features or inputs than at first.
    """
    require_no_dates(X)
    targets = {} if alone else {"y": y, "multi_output": True, "y_numeric": numeric}
    if not is_several(X) and len(getattr(X, "shape", ())) < 3:
        _require_inputs(estimator, X, first)
        return validate_data(estimator, X, accept_sparse=["csr", "csc"], reset=first, dtype="numeric", **targets)
    _require_inputs(estimator, X, first)
    if first:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(name, None)
    X = _each(X, "X")
    rows = {name: leaf.shape[0] for name, leaf in named_leaves(X)}
    if len(set(rows.values())) > 1:
        each = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {each}")
    if alone:
        return X
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
        )
    y = _check_y(y, multi_output=True, y_numeric=numeric, estimator=estimator)
    check_consistent_length(flatten(X)[0][0], y)
    return X, y


def _require_inputs(estimator: Any, X: Any, first: bool) -> None:
    """Note how many inputs there are, or raise if they are others than at first."""
    inputs = None if not is_several(X) else sorted(X) if isinstance(X, dict) else len(X)
    if first:
        estimator._inputs = inputs
    elif inputs != estimator._inputs:
        words = {type(None): "one array", int: "a tuple of {} arrays", list: "a dictionary of {}"}
        expected, given = (words[type(one)].format(one) for one in (estimator._inputs, inputs))
        raise ValueError(f"X expected {expected} as in fit, got {given}")


def _each(X: Any, name: str) -> Tree:
    if isinstance(X, dict):
        return {key: _each(part, f"{name}[{key!r}]") for key, part in X.items()}
    if isinstance(X, tuple):
        return tuple(_each(part, f"{name}[{n}]") for n, part in enumerate(X))
    try:
        return check_array(X, allow_nd=True, ensure_2d=False, dtype="numeric", input_name=name)
    except (TypeError, ValueError) as error:
        with named(name) if name not in str(error) else nullcontext():
            raise


def floating_dtype(X: Tree) -> str:
    """The dtype to compute in: that of the floating-point arrays in `X`, of which float32 stays; else float64."""
    found = {dtype_name(leaf.dtype) for leaf in flatten(X)[0] if _kind(leaf) == "f"}
    return "float32" if found == {"float32"} else "float64"


def takes_numbers_of_words(module: Module, X: Tree) -> bool:
    """Whether `X` is one array of whole numbers for a module that looks up rows of a table by them."""
    if isinstance(X, dict | tuple) or _kind(X) not in "iu":
        return False
    return any(isinstance(one, Embedding) for _, one in module.named_modules())


def converted(X: Tree, dtype: str, keeps_integers: bool) -> Tree:
    """`X` in the dtype of the computation, but for whole numbers that stay."""
    keeps = keeps_integers or isinstance(X, dict | tuple)

    def convert(leaf: Any) -> Any:
        if keeps and _kind(leaf) in "iub":
            return leaf
        if isinstance(leaf, numpy.ndarray) or sparse.issparse(leaf):
            return leaf.astype(dtype, copy=False)
        return device_of(leaf).asarray(leaf, dtype=dtype)

    return tree_map(convert, X)


def on_the_host(X: Tree) -> Tree:
    """Dense arrays: those of a sparse matrix written out."""
    return X.toarray() if sparse.issparse(X) else X


def rows_of(X: Tree) -> int:
    """How many rows."""
    return int(flatten(X)[0][0].shape[0])


def shape_of(X: Tree) -> Tree:
    """The shape of a row, or of a row of each of several inputs."""
    if isinstance(X, dict):
        return {key: shape_of(part) for key, part in X.items()}
    return tuple(map(shape_of, X)) if isinstance(X, tuple) else tuple(X.shape[1:])


def taken(X: Tree, rows: Any) -> Tree:
    """Some rows of each array; None of None."""
    return X[rows] if isinstance(X, numpy.ndarray) else tree_map(lambda leaf: _taken(leaf, rows), X)


def _taken(leaf: Any, rows: Any) -> Any:
    if isinstance(leaf, numpy.ndarray) or sparse.issparse(leaf):
        return leaf[rows]
    return leaf[rows, ...] if isinstance(rows, slice) else placement.rows_of(leaf, rows)
