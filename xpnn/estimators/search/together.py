"""Many networks of one shape, trained together on the same batches.

Networks that see the same rows in the same order share the batches and every call: products are (n, in) or
(members, n, in) times (members, in, out), and what the optimizer does is done to the parameters of all members at once,
a row of one array for each. The last column of every layer's input is 1, so that biases are a row of the weights.
Learning rates, penalties and Adam's numbers are arrays, one number for each member. A member that has stopped leaves.

Each member takes the steps that `fitting.trained` takes; only the order of sums within a product may be another.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy

from xpnn.estimators.network import linear_layers
from xpnn.estimators.search.members import Members
from xpnn.estimators.search.waiting import Job
from xpnn.training.data import batch_indices

__all__ = ["ACTIVATIONS", "trained_together"]

ACTIVATIONS = ("identity", "logistic", "relu", "tanh")


def trained_together(jobs: list[Job]) -> None:
    """Train jobs that share rows, seed, shapes and rule to their ends."""
    with numpy.errstate(all="ignore"):
        together = _Together(jobs)
        while together.members.jobs:
            together.epoch()


class _Together:
    """The arrays of the members: parameters, what the optimizer keeps, and the batches."""

    def __init__(self, jobs: list[Job]) -> None:
        first = jobs[0]
        estimator = first.estimator
        self.members = Members(jobs)
        self.activation, self.solver = estimator.activation, estimator.solver
        self.nesterov = bool(estimator.nesterovs_momentum)
        self.link = estimator.out_activation_
        x, t, *w = first.batches.arrays
        self.x = numpy.concatenate([x, numpy.ones((x.shape[0], 1), x.dtype)], axis=1)
        self.t = _targets(estimator, t)
        self.w = w[0].astype(x.dtype) if w else None
        self.seed, self.shuffle, self.batch_size = first.seed, first.batches.shuffle, first.batches.batch_size
        self.epochs = self.steps = 0
        self.widths = list(estimator._widths)
        shapes = [(below + 1, above) for below, above in pairwise(self.widths)]
        ends = numpy.cumsum([0, *(rows * columns for rows, columns in shapes)])
        self.parts = [(slice(a, b), shape) for (a, b), shape in zip(pairwise(ends), shapes, strict=True)]
        self.parameters = numpy.stack([_as_row(job.estimator.network_) for job in jobs])
        self.first_state, self.second_state = (numpy.zeros_like(self.parameters) for _ in range(2))
        self._make_room()

    def _make_room(self) -> None:
        """Arrays to compute in, for the members of now."""
        members, dtype = len(self.members.jobs), self.x.dtype
        self.gradients, self.scratch = (numpy.empty_like(self.parameters) for _ in range(2))
        rows = min(self.batch_size, len(self.x))
        self.values = [numpy.ones((members, rows, width + 1), dtype) for width in self.widths[1:-1]]
        self.back = [numpy.empty((members, rows, width), dtype) for width in self.widths[1:-1]]
        self.masks = [numpy.empty((members, rows, width), dtype) for width in self.widths[1:-1]]
        layers = range(len(self.parts))
        self.weights = [self._layer(self.parameters, n) for n in layers]
        self.slopes = [self._layer(self.gradients, n) for n in layers]

    def _layer(self, rows: Any, n: int) -> Any:
        """A layer's part of such rows, a view of shape (members, in + 1, out); the biases are the last."""
        place, shape = self.parts[n]
        return rows[:, place].reshape(len(rows), *shape)

    # An epoch

    def epoch(self) -> None:
        """All batches once; then those that are done leave."""
        members = self.members
        losses, shares = numpy.zeros(len(members.jobs)), 0.0
        rates = members.rates(self.epochs)
        for rows in batch_indices(
            len(self.x), self.batch_size, seed=self.seed, epoch=self.epochs, shuffle=self.shuffle
        ):  # fmt: skip
            w = None if self.w is None else self.w[rows]
            share = float(len(rows)) if w is None else float(w.sum())
            losses += self._step(self.x[rows], self.t[rows], w, share, rates) * share
            shares += share
        self.epochs += 1
        stay = members.epoch_ends(losses / shares, self._squares(), self._written)
        if not stay.all():
            self._keep(stay)

    def _step(self, x: Any, t: Any, w: Any, share: float, rates: Any) -> Any:
        """One update of all members; gives their losses."""
        last, n = len(self.weights) - 1, len(x)
        values = [x, *(value[:, :n] for value in self.values)]
        for k in range(last):
            z = values[k + 1][..., :-1]
            numpy.matmul(values[k], self.weights[k], out=z)
            _activate(z, self.activation)
        loss, d = _loss(values[last] @ self.weights[last], t, self.link)
        w = numpy.ones(n, x.dtype) if w is None else w
        scale = (w / w.dtype.type(share))[None, :, None]
        loss = (loss * scale[..., 0]).sum(axis=1)
        d *= scale
        for k in range(last, 0, -1):
            numpy.matmul(values[k].mT, d, out=self.slopes[k])
            w_t, back = self.weights[k][:, :-1].mT, self.back[k - 1][:, :n]
            d = numpy.multiply(d, w_t, out=back) if d.shape[2] == 1 else numpy.matmul(d, w_t, out=back)
            _derive(d, values[k][..., :-1], self.activation, self.masks[k - 1][:, :n])
        numpy.matmul(x.T, d, out=self.slopes[0])
        self._penalise(share)
        self.steps += 1
        self._update(rates)
        return loss

    def _penalise(self, share: float) -> None:
        alpha = (self.members.numbers["alpha"] / share).astype(self.x.dtype)[:, None, None]
        for n, (w, slope) in enumerate(zip(self.weights, self.slopes, strict=True)):
            slope[:, :-1] += numpy.multiply(alpha, w[:, :-1], out=self._layer(self.scratch, n)[:, :-1])

    def _update(self, rates: Any) -> None:
        """The optimizers of `optim.adam` and `estimators.momentum`, with a number for each member."""
        p, g, numbers = self.parameters, self.gradients, self.members.numbers

        def each(value: Any) -> Any:
            return numpy.asarray(value, dtype=p.dtype)[:, None]

        if self.solver == "sgd":
            v, inertia = self.first_state, each(numbers["momentum"])
            g *= each(rates)
            v *= inertia
            v -= g
            if self.nesterov:
                p += numpy.subtract(numpy.multiply(inertia, v, out=self.scratch), g, out=self.scratch)
            else:
                p += v
            return
        m, v, root = self.first_state, self.second_state, self.scratch
        beta1, beta2 = numbers["beta_1"], numbers["beta_2"]
        numpy.multiply(g, g, out=root)
        root -= v
        root *= each(1 - beta2)
        v += root
        g -= m
        g *= each(1 - beta1)
        m += g
        # m / (sqrt(v) / c2 + epsilon) = c2 m / (sqrt(v) + c2 epsilon), which has a pass less
        c2 = numpy.sqrt(1 - beta2**self.steps)
        numpy.sqrt(v, out=root)
        root += each(c2 * numbers["epsilon"])
        numpy.divide(m, root, out=root)
        root *= each(c2 * rates / (1 - beta1**self.steps))
        p -= root

    # Members

    def _squares(self) -> Any:
        """Sums of squares of the members' weights."""
        inner = [w[:, :-1].reshape(len(w), -1) for w in self.weights]
        return sum(numpy.einsum("mi,mi->m", w, w, dtype=numpy.float64) for w in inner)

    def _written(self, member: int) -> None:
        """The member's weights of now in its network."""
        layers: list[Any] = linear_layers(self.members.jobs[member].estimator.network_)
        for layer, w in zip(layers, self.weights, strict=True):
            layer.weight[...] = w[member, :-1].T
            layer.bias[...] = w[member, -1]

    def _keep(self, stay: Any) -> None:
        for name in ("parameters", "first_state", "second_state"):
            setattr(self, name, getattr(self, name)[stay])
        self.members.keep(stay)
        self._make_room()


def _as_row(network: Any) -> Any:
    """Weights (in, out) and biases of each layer, one after the other."""
    layers: list[Any] = linear_layers(network)
    return numpy.concatenate([part.ravel() for layer in layers for part in (layer.weight.T, layer.bias)])


def _targets(estimator: Any, t: Any) -> Any:
    """As numbers for each output, with labels smoothed."""
    smoothing = float(getattr(estimator, "label_smoothing", 0.0))
    if estimator.out_activation_ == "softmax":
        classes = estimator.n_outputs_
        t = numpy.eye(classes, dtype=estimator._dtype)[t]
        return t * (1 - smoothing) + smoothing / classes if smoothing else t
    return t * (1 - smoothing) + smoothing / 2 if smoothing else t


def _activate(a: Any, name: str) -> None:
    if name == "relu":
        numpy.maximum(a, 0, out=a)
    elif name == "tanh":
        numpy.tanh(a, out=a)
    elif name == "logistic":
        a *= 0.5
        numpy.tanh(a, out=a)
        a += 1
        a *= 0.5


def _derive(d: Any, a: Any, name: str, room: Any) -> None:
    """`d` times the activation's derivative, from its values; in place."""
    if name == "relu":
        room[...] = a > 0
        d *= room
    elif name == "tanh":
        d *= 1 - a * a
    elif name == "logistic":
        d *= a * (1 - a)


def _loss(y: Any, t: Any, link: str) -> tuple[Any, Any]:
    """The loss of each member's rows, (members, n), and its derivative."""
    if link == "identity":
        d = y - t
        return 0.5 * (d * d).sum(axis=2), d
    if link == "logistic":
        small = numpy.exp(-numpy.abs(y))
        loss = numpy.maximum(y, 0) - y * t + numpy.log1p(small)
        probability = numpy.where(y < 0, small, 1) / (1 + small)
        return loss.sum(axis=2), probability - t
    shifted = y - y.max(axis=2, keepdims=True)
    e = numpy.exp(shifted)
    total = e.sum(axis=2, keepdims=True)
    return (t * (numpy.log(total) - shifted)).sum(axis=2), e / total - t
