"""Many networks of one shape, trained together on the same batches.

Networks that see the same rows in the same order are members of one training: activations are (members, n, out), and
each operation is one call for all. So are the parameters: one array (members, size), of which the weights and biases of
the layers are views, so that penalty and optimizer take a few passes over it. Learning rates, penalties and Adam's
numbers are arrays, one number for each member. A member that has stopped leaves.

What limits it is the memory: arrays are made once and written again and again, and members are so few that they stay in
the cache (`grid`). The last layer of a network with one output is a vector w: the gradient of what is below it is
w times the derivative of the activation times a number for each row. The numbers go to the rows of x and w to the
columns of the product, both smaller than the activations.

Each member takes the steps that `fitting.trained` takes; only the order of sums and factors may be another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from xpnn.estimators.network import linear_layers
from xpnn.estimators.search.activations import activate, derivative, loss_and_derivative
from xpnn.estimators.search.members import Members
from xpnn.estimators.search.updates import Adam, Descent
from xpnn.estimators.search.waiting import Job
from xpnn.training.data import batch_indices

__all__ = ["Together", "trained_together"]


def trained_together(jobs: list[Job]) -> None:
    """Train jobs that share rows, seed, shapes and rule to their ends."""
    with numpy.errstate(all="ignore"):
        together = Together(jobs)
        while not together.over:
            together.epoch()


class Together:
    """The arrays of the members: parameters, activations, and the batches."""

    def __init__(self, jobs: list[Job]) -> None:
        first = jobs[0]
        estimator = first.estimator
        self.members = Members(jobs)
        self.activation = estimator.activation
        self.link = estimator.out_activation_
        arrays = first.batches.arrays
        x = arrays[0]
        self.x = numpy.concatenate([x, numpy.ones((x.shape[0], 1), x.dtype)], axis=1)
        self.t = _targets(estimator, arrays[1])
        self.w = arrays[2].astype(x.dtype) if len(arrays) == 3 else None
        self.seed, self.shuffle, self.batch_size = first.seed, first.batches.shuffle, first.batches.batch_size
        self.epochs, self.over = 0, False
        self.widths = list(estimator._widths)
        rows = []
        for job in jobs:
            layers: list[Any] = linear_layers(job.estimator.network_)
            rows.append(numpy.concatenate([part.ravel() for each in layers for part in (each.weight.T, each.bias)]))
        self._place(numpy.stack(rows))
        kind = Descent if estimator.solver == "sgd" else Adam
        self.update = kind(self.theta, self.members.numbers, bool(estimator.nesterovs_momentum))

    def _place(self, theta: Any) -> None:
        """Take (members, size) as the parameters, with arrays for as many members."""
        self.theta, self.gradient = theta, numpy.empty_like(theta)
        self.weights, self.biases = self.views(theta)
        self.dweights, self.dbiases = self.views(self.gradient)
        # the first layer and its biases are one matrix: x has a column of ones
        first = (len(theta), self.widths[0] + 1, self.widths[1])
        size = first[1] * first[2]
        self.first, self.dfirst = theta[:, :size].reshape(first), self.gradient[:, :size].reshape(first)
        self.decay = numpy.zeros_like(theta)
        for part in self.views(self.decay)[0]:
            part[...] = self.members.numbers["alpha"][:, None, None]
        self.decays: dict[float, Any] = {}
        self.space: dict[int, Any] = {}

    def views(self, theta: Any) -> tuple[list[Any], list[Any]]:
        """Weights (members, in, out) and biases (members, 1, out) of each layer."""
        weights, biases, start = [], [], 0
        for n_in, n_out in zip(self.widths[:-1], self.widths[1:], strict=True):
            end = start + n_in * n_out
            weights.append(theta[:, start:end].reshape(len(theta), n_in, n_out))
            biases.append(theta[:, end : end + n_out].reshape(len(theta), 1, n_out))
            start = end + n_out
        return weights, biases

    # An epoch

    def epoch(self, until: Callable[[], bool] | None = None) -> None:
        """All batches once, or, `until` says so after one of them; then those that are done leave."""
        members = self.members
        losses, shares = numpy.zeros(len(members.jobs)), 0.0
        steps = -(-len(self.x) // self.batch_size)
        self.update.epoch_begins(members.rates(self.epochs), members.numbers, steps)
        for rows in batch_indices(
            len(self.x), self.batch_size, seed=self.seed, epoch=self.epochs, shuffle=self.shuffle
        ):  # fmt: skip
            w = None if self.w is None else self.w[rows]
            share = float(len(rows)) if w is None else float(w.sum())
            losses += self._step(self.x[rows], self.t[rows], w, share)
            shares += share
            if until is not None and until():
                return
        self.epochs += 1
        stay = members.epoch_ends(losses / shares, self._squares(), self._written)
        self.over = not stay.any()
        if not self.over and not stay.all():
            members.keep(stay)
            self.update.keep(stay)
            self._place(self.theta[stay])

    def _step(self, x: Any, t: Any, w: Any, share: float) -> Any:
        """One update of all members; gives the sums of their rows' losses."""
        values, slopes = self._arrays(len(x))
        last = len(values) - 1
        numpy.matmul(x, self.first, out=values[0])
        for n in range(last):
            activate(values[n], self.activation)
            numpy.matmul(values[n], self.weights[n + 1], out=values[n + 1])
            values[n + 1] += self.biases[n + 1]
        loss, d = loss_and_derivative(values[-1], t, self.link)
        if w is not None:
            loss *= w
            d *= w[:, None]
        d *= d.dtype.type(1 / share)
        self._backward(x, values, slopes, d)
        self._penalise(share, keep=w is None)
        self.update.step(self.theta, self.gradient)
        return loss.sum(axis=1)

    def _backward(self, x: Any, values: list[Any], slopes: list[Any], d: Any) -> None:
        """The gradients of all parameters, from that of the outputs."""
        ones = numpy.ones((1, len(x)), x.dtype)
        for n in range(len(values) - 1, 0, -1):
            below, slope = values[n - 1], slopes[n - 1]
            numpy.matmul(below.mT, d, out=self.dweights[n])
            numpy.matmul(ones, d, out=self.dbiases[n])
            derivative(below, slope, self.activation)
            if n == 1 and d.shape[2] == 1:  # see the module
                if slope.shape[2] > 2 * x.shape[1]:
                    numpy.matmul((x * d).mT, slope, out=self.dfirst)
                else:
                    slope *= d
                    numpy.matmul(x.T, slope, out=self.dfirst)
                self.dfirst *= self.weights[1].mT
                return
            numpy.matmul(d, self.weights[n].mT, out=below)
            below *= slope
            d = below
        numpy.matmul(x.T, d, out=self.dfirst)

    def _arrays(self, rows: int) -> tuple[list[Any], list[Any]]:
        """Arrays for the values of each layer and for the derivatives of the hidden ones."""
        if rows not in self.space:
            shapes = [(len(self.theta), rows, width) for width in self.widths[1:]]
            dtype = self.theta.dtype
            self.space[rows] = tuple([numpy.empty(shape, dtype) for shape in some] for some in (shapes, shapes[:-1]))
        return self.space[rows]  # type: ignore[no-any-return]

    def _penalise(self, share: float, *, keep: bool) -> None:
        decay = self.decays.get(share)
        if decay is None:
            decay = self.decay * self.decay.dtype.type(1 / share)
            if keep:
                self.decays[share] = decay
        self.gradient += decay * self.theta

    # Members

    def leave(self, member: int) -> None:
        """What a member is now, to its estimator, before its end."""
        self.members.leave(member)
        self._written(member)

    def _squares(self) -> Any:
        """Sums of squares of the members' weights."""
        return sum(numpy.einsum("mio,mio->m", p, p, dtype=numpy.float64) for p in self.weights)

    def _written(self, member: int) -> None:
        """The member's weights of now in its network."""
        for n, layer in enumerate(linear_layers(self.members.jobs[member].estimator.network_)):
            layer.weight[...] = self.weights[n][member].T
            bias: Any = layer.bias
            bias[...] = self.biases[n][member, 0]


def _targets(estimator: Any, t: Any) -> Any:
    """As numbers for each output, with labels smoothed."""
    smoothing = float(getattr(estimator, "label_smoothing", 0.0))
    if estimator.out_activation_ == "softmax":
        classes = estimator.n_outputs_
        t = numpy.eye(classes, dtype=estimator._dtype)[t]
        return t * (1 - smoothing) + smoothing / classes if smoothing else t
    return t * (1 - smoothing) + smoothing / 2 if smoothing else t
