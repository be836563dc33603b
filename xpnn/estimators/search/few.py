"""A step of a few networks at once: as many as stay in the cache with all that they make.

Rows come last, since products that have them inside are the fastest (digits: 138 us a step, 152 with rows first), as
are sums over few outputs. Biases are the last columns of the matrices, and what they multiply is a row of ones: a layer
and its gradient are one product each. The last layer of networks with one output is a vector w: the gradient of what is
below it is w times the derivative of the activation times a number for each row. The numbers go to the rows of x and w
to the rows of the product, both smaller than the activations.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy

from xpnn.arrays.memory import aligned, aligned_rows
from xpnn.estimators.search.activations import activate, derivative
from xpnn.estimators.search.updates import Adam, Descent

__all__ = ["Few", "Space", "matrices_of"]


def matrices_of(theta: Any, widths: list[int]) -> list[Any]:
    """The matrices (members, out, in + 1) of the layers in (members, size), biases last."""
    matrices, start = [], 0
    for n_in, n_out in pairwise(widths):
        end = start + n_out * (n_in + 1)
        matrices.append(theta[:, start:end].reshape(len(theta), n_out, n_in + 1))
        start = end
    return matrices


class Space:
    """What every few networks write, one after the other, into the same arrays.

    Parameters
    ----------
    most
        How many networks at once.
    size
        Parameters of each.
    widths
        Of its layers, from the features to the outputs.
    dtype
        Of all.
    """

    def __init__(self, most: int, size: int, widths: list[int], dtype: Any) -> None:
        self.gradient, self.spare = (aligned_rows((most, size), dtype) for _ in range(2))
        self.most, self.widths, self.dtype = most, widths, dtype
        self._hidden: dict[int, list[Any]] = {}

    def hidden(self, rows: int) -> list[Any]:
        """For each hidden layer: values and a row of ones, the values in it, and derivatives, of as many rows."""
        if rows not in self._hidden:
            self._hidden[rows] = []
            for width in self.widths[1:-1]:
                above = aligned((self.most, width + 1, rows), self.dtype)
                above[:, -1] = 1
                self._hidden[rows].append((above, above[:, :-1], aligned((self.most, width, rows), self.dtype)))
        return self._hidden[rows]


class Few:
    """The arrays of a few networks.

    Parameters
    ----------
    theta
        Their parameters, (members, size), see `matrices_of`.
    update
        How they change.
    columns
        Which of them are updated at once.
    space
        To write to.
    activation
        Of the hidden layers.
    """

    def __init__(self, theta: Any, update: Adam | Descent, columns: list[slice], space: Space, activation: str) -> None:
        self.update, self.space, self.activation, self.members = update, space, activation, len(theta)
        gradient, spare = space.gradient[: self.members], space.spare[: self.members]
        self.layers, self.dlayers = matrices_of(theta, space.widths), matrices_of(gradient, space.widths)
        self.turned = [layer[:, :, :-1].mT for layer in self.layers]  # without biases, as the way back has them
        self.pieces = [
            (theta[:, part], gradient[:, part], spare[:, part], state)
            for part, state in zip(columns, update.pieces, strict=True)
        ]

    def hidden(self, rows: int) -> list[Any]:
        """`Space.hidden` for these networks."""
        return [tuple([array[: self.members] for array in arrays]) for arrays in self.space.hidden(rows)]

    def step(self, x: Any, below: Any, hidden: list[Any], y: Any, d_of: Callable[[], Any], decay: list[Any]) -> None:
        """One update.

        Parameters
        ----------
        x, below
            Rows and ones, (n, in + 1), and the same turned.
        hidden
            Of as many rows.
        y
            Where the outputs go, (members, outputs, n).
        d_of
            Their derivative, once they are there.
        decay
            What the parameters are multiplied with in the gradient, a piece for each of theirs.
        """
        for layer, (above, values, _) in zip(self.layers, hidden, strict=False):
            numpy.matmul(layer, below, out=values)
            activate(values, self.activation)
            below = above
        numpy.matmul(self.layers[-1], below, out=y)
        self._backward(x, hidden, d_of())
        update = self.update
        update.step_begins()
        for (p, g, spare, state), factor in zip(self.pieces, decay, strict=True):
            numpy.multiply(factor, p, out=spare)
            g += spare
            update.step(p, g, *state)

    def _backward(self, x: Any, hidden: list[Any], d: Any) -> None:
        """The gradients of all parameters, from that of the outputs."""
        for n in range(len(hidden), 0, -1):
            below, values, slope = hidden[n - 1]
            numpy.matmul(d, below.mT, out=self.dlayers[n])
            derivative(values, slope, self.activation)
            if n == 1 and d.shape[1] == 1:  # see the module
                if slope.shape[1] > 2 * x.shape[1]:
                    x = x * d.mT
                else:
                    slope *= d
                numpy.matmul(slope, x, out=self.dlayers[0])
                self.dlayers[0] *= self.turned[1]
                return
            numpy.matmul(self.turned[n], d, out=values)
            values *= slope
            d = values
        numpy.matmul(d, x, out=self.dlayers[0])
