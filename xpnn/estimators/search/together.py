"""Many networks of one shape, trained together on the same batches.

Networks that see the same rows in the same order are members of one training: activations are (members, out, n), and
each operation is one call for all. So are the parameters: one array (members, size), of which the matrices of the
layers are views, so that penalty and optimizer take a few passes over it. Biases are the last columns of the matrices,
and what they multiply is a row of ones: a layer and its gradient are one product each. Learning rates, penalties and
Adam's numbers are arrays, one number for each member. A member that has stopped leaves.

What limits it is the memory: arrays are made once and written again and again, and members are so few that they stay in
the cache (`grid`). Rows come last, since products that have them inside are the fastest (digits: 138 us a step, 152
with rows first), as are sums over few outputs. The last layer of a network with one output is a vector w: the gradient
of what is below it is w times the derivative of the activation times a number for each row. The numbers go to the rows
of x and w to the rows of the product, both smaller than the activations.

Each member takes the steps that `fitting.trained` takes; only the order of sums and factors may be another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from xpnn.arrays.memory import aligned, aligned_rows
from xpnn.estimators.network import linear_layers
from xpnn.estimators.search.activations import activate, derivative
from xpnn.estimators.search.losses import Losses, targets_of
from xpnn.estimators.search.members import Members
from xpnn.estimators.search.updates import Adam, Descent, rows_of
from xpnn.estimators.search.waiting import Job
from xpnn.training.sampling import shuffled

__all__ = ["Together", "trained_together"]

PIECE = 2**17  # bytes of parameters that are updated at once: with all that belongs to them they stay in the cache
NARROW = 48  # numbers in a row, for which a copy of a batch takes less time than it saves to a network alone
AHEAD = 2**16  # rows in orders of epochs that are drawn at once


def trained_together(jobs: list[Job]) -> None:
    """Train jobs that share rows, seed, shapes and rule to their ends."""
    with numpy.errstate(all="ignore"):
        together = Together(jobs)
        while not together.over:
            together.epoch()


@dataclass
class Batch:
    """The arrays that a batch fills in each epoch; those of the rows are shared by batches of as many.

    Attributes
    ----------
    rows
        Where it is in the order of the epoch.
    x, turned
        Its rows, (n, in + 1), with ones; and (in + 1, n), where the first product takes them faster so: in searches
        always, since the last bits of a product depend on it, and those of a member must not on how many there are.
    hidden
        For each hidden layer: values and a row of ones, the values in it, and derivatives.
    y, t, total
        See `Losses.of`.
    decay
        What the weights are multiplied with in the gradient, where no rows have weights: a piece for each of theirs.
    """

    rows: slice
    x: Any
    turned: Any
    hidden: list[Any]
    y: Any
    t: Any
    total: Any
    decay: list[Any]


class Together:
    """The arrays of the members: parameters, activations, and the batches. One `alone` raises what goes wrong."""

    def __init__(self, jobs: list[Job], *, alone: bool = False) -> None:
        first = jobs[0]
        estimator = first.estimator
        self.members = Members(jobs, alone=alone)
        self.activation, self.link = estimator.activation, estimator.out_activation_
        x, t, *w = first.batches.arrays
        self.x = numpy.concatenate([x, numpy.ones((x.shape[0], 1), x.dtype)], axis=1)
        self.t = targets_of(estimator, t)
        self.w = w[0].astype(x.dtype) if w else None
        self.seed, self.shuffle, self.batch_size = first.seed, first.batches.shuffle, first.batches.batch_size
        self.epochs, self.over = 0, False
        self.orders: list[Any] = []
        self.widths = list(estimator._widths)
        theta = _parameters(jobs, self.members.copies)
        kind = Descent if estimator.solver == "sgd" else Adam
        size = theta.shape[1]
        part = max(1, PIECE // (theta.itemsize * len(theta)))
        self.columns = [slice(start, start + part) for start in range(0, size, part)]
        self.update = kind(theta, self.columns, bool(estimator.nesterovs_momentum))
        self._place(theta)

    def _place(self, theta: Any) -> None:
        """Take (members, size) as the parameters, with arrays for as many members."""
        self.theta = theta
        gradient, self.passing, self.are_weights = (aligned_rows(theta.shape, theta.dtype) for _ in range(3))
        self.pieces = [(theta[:, part], gradient[:, part], self.passing[:, part]) for part in self.columns]
        self.layers, self.dlayers = self.views(theta), self.views(gradient)
        self.turned = [layer[:, :, :-1].mT for layer in self.layers]  # without biases, as the way back has them
        for layer in self.views(self.are_weights):
            layer[:, :, :-1] = 1
        self.decay = rows_of(self.are_weights, ...)
        self.decay *= self.members.numbers["alpha"].astype(theta.dtype)[:, None]
        self.update.begins(self.members.numbers)
        self.losses = Losses(self.link, len(theta), self.t)
        count, size, space = len(self.x), self.batch_size, {}
        self.batches = []
        for start in range(0, count, size):
            rows = slice(start, min(start + size, count))
            n = rows.stop - start
            if n not in space:
                space[n] = self._space(n), self._decay(n)
            arrays, decay = space[n]
            self.batches.append(Batch(rows, *arrays, *self.losses.of(rows), decay))

    def _space(self, rows: int) -> tuple[Any, Any, list[Any]]:
        """Arrays for as many rows; see `Batch`."""
        dtype, hidden = self.theta.dtype, []
        x = aligned((rows, self.x.shape[1]), dtype)
        turned = aligned(x.shape[::-1], dtype) if not self.members.alone or x.shape[1] < NARROW else None
        for width in self.widths[1:-1]:
            above = aligned((len(self.theta), width + 1, rows), dtype)
            above[:, -1] = 1
            hidden.append((above, above[:, :-1], aligned((len(self.theta), width, rows), dtype)))
        return x, turned, hidden

    def views(self, theta: Any) -> list[Any]:
        """The matrices (members, out, in + 1) of the layers, biases last."""
        matrices, start = [], 0
        for n_in, n_out in zip(self.widths[:-1], self.widths[1:], strict=True):
            end = start + n_out * (n_in + 1)
            matrices.append(theta[:, start:end].reshape(len(theta), n_out, n_in + 1))
            start = end
        return matrices

    # An epoch

    def epoch(self, until: Callable[[], bool] | None = None) -> None:
        """All batches once, or, `until` says so after one of them; then those that are done leave."""
        members = self.members
        self.update.epoch_begins(members.rates(self.epochs))
        order = self._order()
        self.losses.begin(order)
        w = None if self.w is None else self.w[order]
        for batch in self.batches:
            self._step(batch, order[batch.rows], None if w is None else w[batch.rows])
            if until is not None and until():
                return
        self.epochs += 1
        share = float(len(order)) if w is None else float(w.sum())
        stay = members.epoch_ends(self.losses.sums(w) / share, self._squares(), self._written)
        self.over = not any(stay)
        if not self.over and not all(stay):
            networks = members.keep(stay)
            self.update.keep(networks)
            self._place(rows_of(self.theta, networks))

    def _order(self) -> Any:
        """The rows in the order of this epoch. Several are drawn at once: calls that follow one another are faster."""
        if not self.shuffle:
            return numpy.arange(len(self.x))
        if not self.orders:
            ahead = range(self.epochs, self.epochs + max(1, min(AHEAD // len(self.x), 8)))
            self.orders = [shuffled(len(self.x), seed=self.seed, epoch=epoch) for epoch in reversed(ahead)]
        return self.orders.pop()

    def _step(self, batch: Batch, taken: Any, w: Any) -> None:
        """One update of all members, by the rows `taken`."""
        self.x.take(taken, axis=0, out=batch.x, mode="clip")
        below = batch.x.T
        if batch.turned is not None:
            numpy.copyto(batch.turned, below)
            below = batch.turned
        for layer, (above, values, _) in zip(self.layers, batch.hidden, strict=False):
            numpy.matmul(layer, below, out=values)
            activate(values, self.activation)
            below = above
        numpy.matmul(self.layers[-1], below, out=batch.y)
        factor, decay = 1 / len(taken), batch.decay
        if w is not None:
            share = float(w.sum())
            factor, decay = w * (1 / share), self._decay(share)
        self._backward(batch.x, batch.hidden, self.losses.derivative(batch.y, batch.t, batch.total, factor))
        self.update.step_begins()
        for (p, g, spare), factor, state in zip(self.pieces, decay, self.update.pieces, strict=True):
            numpy.multiply(factor, p, out=spare)
            g += spare
            self.update.step(p, g, *state)

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

    def _decay(self, share: float) -> list[Any]:
        """alpha over the rows, or their weights, of a batch, for each weight; 0 for biases; in pieces."""
        decay = rows_of(self.decay, ...)
        decay *= decay.dtype.type(1 / share)
        return [decay[:, part] for part in self.columns]

    # Members

    def leave(self, member: int) -> None:
        """What a member is now, to its estimator, before its end."""
        self.members.leave(member)
        self._written(member)

    def _squares(self) -> Any:
        """Sums of squares of the members' weights."""
        numpy.multiply(self.theta, self.are_weights, out=self.passing)
        return numpy.vecdot(self.passing, self.passing).astype(numpy.float64)

    def _written(self, member: int) -> None:
        """The member's weights of now in its network."""
        layers: list[Any] = linear_layers(self.members.jobs[member].estimator.network_)
        for layer, matrices in zip(layers, self.layers, strict=True):
            matrix = matrices[self.members.of(member)].reshape(*layer.weight.shape[:-1], -1)
            layer.weight[...], layer.bias[...] = matrix[..., :-1], matrix[..., -1]


def _parameters(jobs: list[Job], copies: int) -> Any:
    """(members, size): the matrices of all layers, biases last, one after the other."""
    rows = []
    for job in jobs:
        layers: list[Any] = linear_layers(job.estimator.network_)
        matrices = [numpy.concatenate([each.weight, each.bias[..., None]], axis=-1) for each in layers]
        rows.append(numpy.concatenate([matrix.reshape(copies, -1) for matrix in matrices], axis=1))
    return rows_of(numpy.concatenate(rows), ...)
