"""Activations and their derivatives of many networks at once, in arrays that are there already."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["ACTIVATIONS", "activate", "derivative"]

ACTIVATIONS = ("identity", "logistic", "relu", "tanh")


def activate(a: Any, name: str) -> None:
    """The activation of all elements of `a`, in place."""
    if name == "relu":
        numpy.maximum(a, 0, out=a)
    elif name == "tanh":
        numpy.tanh(a, out=a)
    elif name == "logistic":
        a *= 0.5
        numpy.tanh(a, out=a)
        a += 1
        a *= 0.5


def derivative(a: Any, out: Any, name: str) -> None:
    """The derivative, from the activation's values, in `out`."""
    if name == "relu":
        numpy.copyto(out, a > 0)  # products with numbers, not with truth values: 4 + 4 us, not 9, for 200 x 100
    elif name == "tanh":
        numpy.multiply(a, a, out=out)
        numpy.subtract(1, out, out=out)
    elif name == "logistic":
        numpy.subtract(1, a, out=out)
        out *= a
    else:
        out.fill(1)
