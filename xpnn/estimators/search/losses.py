"""Losses of many networks at once, with derivatives after each step and values once an epoch.

A step needs the derivative only. What the value is made of stays where it is until the epoch ends: then one call takes
all rows, where each step would have to call for its own few.
"""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["Losses", "targets_of"]


def targets_of(estimator: Any, t: Any) -> Any:
    """Numbers for each output and row, (outputs, rows), with labels smoothed; for the logistic link less a half."""
    smoothing, choices = float(getattr(estimator, "label_smoothing", 0.0)), 2
    if estimator.out_activation_ == "softmax":
        choices = estimator.n_outputs_
        labels, t = t, numpy.zeros((choices, len(t)), estimator._dtype)
        t[labels, numpy.arange(len(labels))] = 1
    else:
        t = numpy.ascontiguousarray(t.T)
    if smoothing:
        t = t * (1 - smoothing) + smoothing / choices
    return t - t.dtype.type(0.5) if estimator.out_activation_ == "logistic" else t


class Losses:
    """Outputs and targets of an epoch, and their losses.

    Parameters
    ----------
    link
        'identity', of half the square of the error; 'logistic' or 'softmax', of the cross entropy.
    members
        How many networks.
    t
        `targets_of` all rows.
    """

    def __init__(self, link: str, members: int, t: Any) -> None:
        self.link, self.given, self.t = link, t, numpy.empty_like(t)
        self.y = numpy.empty((members, *t.shape), t.dtype)
        self.total = numpy.empty((members, 1, t.shape[1]), t.dtype)

    def begin(self, order: Any) -> None:
        """An epoch of rows in this order."""
        self.given.take(order, axis=1, out=self.t, mode="clip")

    def of(self, members: slice, rows: slice) -> tuple[Any, Any, Any]:
        """Outputs, (members, outputs, n), to be filled in each epoch; targets; and sums, of `derivative`."""
        return self.y[members, :, rows], self.t[:, rows], self.total[members, :, rows]

    def derivative(self, y: Any, t: Any, total: Any, factor: Any) -> Any:
        """The derivative of a batch, times `factor`, a number or one for each row. Outputs become what `sums` needs."""
        if self.link == "identity":
            y -= t
            return y * factor
        if self.link == "logistic":  # 1 / (1 + exp(-y)) - 1/2 = tanh(y / 2) / 2
            d = y * 0.5
            numpy.tanh(d, out=d)
            d *= 0.5
        else:
            y -= numpy.maximum.reduce(y, axis=1, keepdims=True)
            d = numpy.exp(y)
            d /= numpy.add.reduce(d, axis=1, keepdims=True, out=total)
        d -= t
        d *= factor
        return d

    def sums(self, w: Any) -> Any:
        """The sum of the losses of all rows, for each member; `w` are weights of rows in their order now, or None."""
        y, t = self.y, self.t
        if self.link == "identity":  # of which there are the errors now
            each = 0.5 * (y * y).sum(axis=1)
        elif self.link == "logistic":
            size = numpy.abs(y)
            each = (0.5 * size - y * t + numpy.log1p(numpy.exp(-size))).sum(axis=1)
        else:
            each = numpy.log(self.total[:, 0, :]) - (y * t).sum(axis=1)
        if w is not None:
            each *= w
        return each.sum(axis=1, dtype=numpy.float64)
