"""Many networks of one shape, trained together on the same batches.

Networks that see the same rows in the same order are members of one training: they share batches, epochs and most
calls. Parameters are one array (members, size), as are running means. A step is made by a few members at once (`few`):
more would not stay in the cache, which takes longer than the calls that they save. Learning rates, penalties and Adam's
numbers are arrays, one number for each member. A member that has stopped leaves.

Each member takes the steps that `fitting.trained` takes; only the order of sums and factors may be another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy

from xpnn.arrays.memory import aligned, aligned_rows
from xpnn.estimators.search.few import Few, Space, matrices_of
from xpnn.estimators.search.losses import Losses, targets_of
from xpnn.estimators.search.members import Members
from xpnn.estimators.search.updates import Adam, Descent, rows_of
from xpnn.estimators.search.waiting import Job
from xpnn.training.sampling import shuffled

__all__ = ["Together", "trained_together"]

CACHE = 2**16  # numbers of a hidden layer that one step of a few members has at once
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
    """What belongs to a batch in each epoch.

    Attributes
    ----------
    rows
        Where it is in the order of the epoch.
    x, turned
        Its rows, (n, in + 1), with ones; and (in + 1, n), where the first product takes them faster so: in searches
        always, since the last bits of a product depend on it, and those of a member must not on how many there are.
    parts
        For each few members: arrays of hidden layers, and of `Losses.of`.
    decays
        For each few members what the parameters are multiplied with in the gradient, where no rows have weights.
    """

    rows: slice
    x: Any
    turned: Any
    parts: list[tuple[list[Any], tuple[Any, Any, Any]]]
    decays: list[list[Any]]


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
        self.kind = Descent if estimator.solver == "sgd" else Adam
        self.nesterov = bool(estimator.nesterovs_momentum)
        self.steps = 0
        self._place(theta, [aligned_rows(theta.shape, theta.dtype) for _ in range(self.kind.ARRAYS)])

    def _place(self, theta: Any, state: list[Any]) -> None:
        """Take (members, size) as the parameters, with running means and arrays for as many members."""
        self.theta, self.state, self.layers = theta, state, matrices_of(theta, self.widths)
        self.are_weights = aligned_rows(theta.shape, theta.dtype)
        for layer in matrices_of(self.are_weights, self.widths):
            layer[:, :, :-1] = 1
        most = max(1, CACHE // (self.batch_size * max(self.widths[1:])))
        part = max(1, PIECE // (theta.itemsize * min(most, len(theta))))
        self.columns = [slice(start, start + part) for start in range(0, theta.shape[1], part)]
        space = Space(min(most, len(theta)), theta.shape[1], self.widths, theta.dtype)
        self.losses = Losses(self.link, len(theta), self.t)
        self.slices = [slice(start, start + most) for start in range(0, len(theta), most)]
        self.fews = [self._few(members, space) for members in self.slices]
        self.batches, arrays = [], {}
        for start in range(0, len(self.x), self.batch_size):
            rows = slice(start, min(start + self.batch_size, len(self.x)))
            n = rows.stop - start
            if n not in arrays:
                arrays[n] = *self._rows(n), [few.hidden(n) for few in self.fews], self._decays(n)
            x, turned, hidden, decays = arrays[n]
            outputs = [self.losses.of(members, rows) for members in self.slices]
            self.batches.append(Batch(rows, x, turned, list(zip(hidden, outputs, strict=True)), decays))

    def _few(self, members: slice, space: Space) -> Few:
        numbers = {name: value[members] for name, value in self.members.numbers.items()}
        state = [array[members] for array in self.state]
        update = self.kind(state, numbers, self.columns, steps=self.steps, nesterov=self.nesterov)
        return Few(self.theta[members], update, self.columns, space, self.activation)

    def _rows(self, rows: int) -> tuple[Any, Any]:
        """Arrays for as many rows of x; see `Batch`."""
        x = aligned((rows, self.x.shape[1]), self.theta.dtype)
        turned = not self.members.alone or x.shape[1] < NARROW
        return x, aligned(x.shape[::-1], x.dtype) if turned else None

    # An epoch

    def epoch(self, until: Callable[[], bool] | None = None) -> None:
        """All batches once, or, `until` says so after one of them; then those that are done leave."""
        members = self.members
        rates = members.rates(self.epochs)
        for few, which in zip(self.fews, self.slices, strict=True):
            few.update.epoch_begins(rates[which])
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
            self._place(rows_of(self.theta, networks), [rows_of(array, networks) for array in self.state])

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
        factor, decays = 1 / len(taken), batch.decays
        if w is not None:
            share = float(w.sum())
            factor, decays = w * (1 / share), self._decays(share)
        for few, (hidden, outputs), decay in zip(self.fews, batch.parts, decays, strict=True):
            few.step(batch.x, below, hidden, outputs[0], partial(self.losses.derivative, *outputs, factor), decay)
        self.steps += 1

    def _decays(self, share: float) -> list[list[Any]]:
        """alpha over the rows, or their weights, of a batch, for each weight; 0 for biases; in pieces."""
        decay = rows_of(self.are_weights, ...)
        decay *= (self.members.numbers["alpha"] / share).astype(decay.dtype)[:, None]
        return [[decay[members, part] for part in self.columns] for members in self.slices]

    # Members

    def leave(self, member: int) -> None:
        """What a member is now, to its estimator, before its end."""
        self.members.leave(member)
        self._written(member)

    def moments(self) -> dict[str, Any]:
        """What the optimizer has of all members, by the names of its state: for each the matrices of the layers."""
        moments = self.kind.moments(self.state, self.members.numbers)
        return {name: matrices_of(theta.astype(self.theta.dtype), self.widths) for name, theta in moments.items()}

    def _squares(self) -> Any:
        """Sums of squares of the members' weights."""
        weights = self.theta * self.are_weights
        return numpy.vecdot(weights, weights).astype(numpy.float64)

    def _written(self, member: int) -> None:
        """The member's weights of now in its network."""
        for layer, matrices in zip(self.members.jobs[member].layers, self.layers, strict=True):
            matrix = matrices[self.members.of(member)].reshape(*layer.weight.shape[:-1], -1)
            layer.weight[...], layer.bias[...] = matrix[..., :-1], matrix[..., -1]


def _parameters(jobs: list[Job], copies: int) -> Any:
    """(members, size): the matrices of all layers, biases last, one after the other."""
    rows = []
    for job in jobs:
        matrices = [numpy.concatenate([each.weight, each.bias[..., None]], axis=-1) for each in job.layers]
        rows.append(numpy.concatenate([matrix.reshape(copies, -1) for matrix in matrices], axis=1))
    return rows_of(numpy.concatenate(rows), ...)
