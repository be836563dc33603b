"""Activations, their derivatives and losses of many networks at once, in arrays that are there already."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["ACTIVATIONS", "activate", "derivative", "loss_and_derivative"]

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


def loss_and_derivative(y: Any, t: Any, link: str) -> tuple[Any, Any]:
    """The loss of each member's rows, (members, n), and its derivative."""
    if link == "identity":
        d = y - t
        return 0.5 * (d * d).sum(axis=2), d
    if link == "logistic":
        small = numpy.exp(-numpy.abs(y))
        loss = numpy.maximum(y, 0) - y * t + numpy.log1p(small)
        probability = numpy.where(y < 0, small, 1) / (1 + small)
        return loss.sum(axis=2), probability - t
    # sums of rows, not over ten numbers in each: 19 us, not 32, for 200 x 10
    shifted, t = numpy.ascontiguousarray(y.mT), numpy.ascontiguousarray(t.T)
    shifted -= shifted.max(axis=1, keepdims=True)
    e = numpy.exp(shifted)
    total = e.sum(axis=1, keepdims=True)
    shifted -= numpy.log(total)
    shifted *= t
    e /= total
    e -= t
    return -shifted.sum(axis=1), numpy.ascontiguousarray(e.mT)
