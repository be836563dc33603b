"""Many networks of one shape, trained together on the same batches.

Networks that see the same rows in the same order share the product of the first layer: x of (n, in) times the weights
of all members side by side, (in, members * out); its gradient is one product, too. Later layers are batched products,
(members, n, in) times (members, in, out). Learning rates, penalties and Adam's numbers are arrays, one number for each
member. A member that has stopped leaves.

Each member takes the steps that `fitting.trained` takes; only the order of sums within a product may be another.
"""

from __future__ import annotations

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
        arrays = first.batches.arrays
        x = arrays[0]
        self.x = numpy.concatenate([x, numpy.ones((x.shape[0], 1), x.dtype)], axis=1)
        self.t = _targets(estimator, arrays[1])
        self.w = arrays[2].astype(x.dtype) if len(arrays) == 3 else None
        self.seed, self.shuffle, self.batch_size = first.seed, first.batches.shuffle, first.batches.batch_size
        self.epochs = self.steps = 0
        layers: list[list[Any]] = [linear_layers(job.estimator.network_) for job in jobs]
        depth = len(layers[0])
        # the first layer is (in + 1, members, out), its biases the last row; the others are (members, in, out)
        weights = [numpy.stack([each[n].weight.T for each in layers], axis=0) for n in range(depth)]
        biases = [numpy.stack([each[n].bias for each in layers], axis=0)[:, None, :] for n in range(depth)]
        both = numpy.concatenate([weights[0], biases[0]], axis=1)
        self.parameters = [numpy.ascontiguousarray(both.transpose(1, 0, 2))]
        for n in range(1, depth):
            self.parameters += [weights[n], biases[n]]
        self.first_state = [numpy.zeros_like(p) for p in self.parameters]
        self.second_state = [numpy.zeros_like(p) for p in self.parameters if self.solver == "adam"]

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
        p = self.parameters
        members, width = p[0].shape[1:]
        z = (x @ p[0].reshape(p[0].shape[0], -1)).reshape(len(x), members, width)
        values = [z.transpose(1, 0, 2)]
        for n in range(1, len(p), 2):
            _activate(values[-1], self.activation)
            values.append(values[-1] @ p[n] + p[n + 1])
        loss, d = _loss(values[-1], t, self.link)
        w = numpy.ones(len(x), x.dtype) if w is None else w
        scale = (w / w.dtype.type(share))[None, :, None]
        loss = (loss * scale[..., 0]).sum(axis=1)
        d *= scale
        gradients: list[Any] = []
        for n in range(len(p) - 2, 0, -2):
            a = values[(n - 1) // 2]
            gradients = [a.mT @ d, d.sum(axis=1, keepdims=True), *gradients]
            back = numpy.empty((len(x), *p[n].shape[:2]), x.dtype).transpose(1, 0, 2)
            d = numpy.multiply(d, p[n].mT, out=back) if d.shape[2] == 1 else numpy.matmul(d, p[n].mT, out=back)
            _derive(d, a, self.activation)
        whole = d.transpose(1, 0, 2).reshape(len(x), -1)
        gradients = [(x.T @ whole).reshape(p[0].shape), *gradients]
        self._penalise(gradients, share)
        self.steps += 1
        for n in range(len(p)):
            self._update(n, gradients[n], rates)
        return loss

    def _penalise(self, gradients: list[Any], share: float) -> None:
        alpha = (self.members.numbers["alpha"] / share).astype(self.x.dtype)
        gradients[0][:-1] += alpha[:, None] * self.parameters[0][:-1]
        for n in range(1, len(gradients), 2):
            gradients[n] += alpha[:, None, None] * self.parameters[n]

    def _update(self, n: int, g: Any, rates: Any) -> None:
        """The optimizers of `optim.adam` and `estimators.momentum`, with a number for each member."""
        p, numbers = self.parameters[n], self.members.numbers

        def each(value: Any) -> Any:
            value = numpy.asarray(value, dtype=p.dtype)
            return value[:, None] if n == 0 else value[:, None, None]

        if self.solver == "sgd":
            v, inertia = self.first_state[n], each(numbers["momentum"])
            g *= each(rates)
            v *= inertia
            v -= g
            p += inertia * v - g if self.nesterov else v
            return
        m, v = self.first_state[n], self.second_state[n]
        beta1, beta2 = numbers["beta_1"], numbers["beta_2"]
        root = numpy.square(g)
        root -= v
        root *= each(1 - beta2)
        v += root
        g -= m
        g *= each(1 - beta1)
        m += g
        numpy.sqrt(v, out=root)
        root /= each(numpy.sqrt(1 - beta2**self.steps))
        root += each(numbers["epsilon"])
        numpy.divide(m, root, out=root)
        root *= each(rates / (1 - beta1**self.steps))
        p -= root

    # Members

    def _squares(self) -> Any:
        """Sums of squares of the members' weights."""
        first = self.parameters[0][:-1]
        total = numpy.einsum("imo,imo->m", first, first, dtype=numpy.float64)
        for p in self.parameters[1::2]:
            total += numpy.einsum("mio,mio->m", p, p, dtype=numpy.float64)
        return total

    def _written(self, member: int) -> None:
        """The member's weights of now in its network."""
        p = self.parameters
        first: Any
        others: list[Any]
        first, *others = linear_layers(self.members.jobs[member].estimator.network_)
        first.weight[...] = p[0][:-1, member].T
        first.bias[...] = p[0][-1, member]
        for n, layer in enumerate(others):
            layer.weight[...] = p[2 * n + 1][member].T
            bias: Any = layer.bias
            bias[...] = p[2 * n + 2][member, 0]

    def _keep(self, stay: Any) -> None:
        for arrays in (self.parameters, self.first_state, self.second_state):
            for n, array in enumerate(arrays):
                arrays[n] = numpy.ascontiguousarray(array[:, stay] if n == 0 else array[stay])
        self.members.keep(stay)


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


def _derive(d: Any, a: Any, name: str) -> None:
    if name == "relu":
        d *= a > 0
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
