"""How weights are found: the optimizers by name, their learning rates, and SciPy's L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, flatten
from xpnn.autodiff.transforms import value_and_grad
from xpnn.compiler.compile import CompiledStep
from xpnn.estimators.ensembles import clipped_each
from xpnn.estimators.momentum import Momentum
from xpnn.estimators.network import linear_layers
from xpnn.estimators.scikit_callbacks import told_of_iterations
from xpnn.nn.module import Module
from xpnn.optim.adam import Adam, AdamW
from xpnn.optim.adam_relatives import Adamax, NAdam, RAdam
from xpnn.optim.base import Optimizer
from xpnn.optim.clipping import clip_by_global_norm
from xpnn.optim.cycles import one_cycle, warmup_cosine
from xpnn.optim.descent import SGD, Lion
from xpnn.optim.schedules import Schedule, cosine_decay, counted
from xpnn.optim.squares import Adadelta, Adagrad, RMSprop

__all__ = [
    "SCHEDULES", "SOLVERS", "STOPPED", "l2_step", "minimized_by_lbfgs", "optimizer_of", "rate_of", "scheduled",
    "share_of",
]  # fmt: skip

_PLAIN: dict[str, Callable[..., Optimizer]] = {
    "adamax": Adamax, "nadam": NAdam, "radam": RAdam, "adagrad": Adagrad, "adadelta": Adadelta, "rmsprop": RMSprop,
    "lion": Lion,
}  # fmt: skip
SOLVERS = ("lbfgs", "sgd", "adam", "adamw", *_PLAIN)
SCHEDULES = ("cosine", "one_cycle", "warmup_cosine")
STOPPED = 99  # SciPy's status of a minimization that a callback ended


def optimizer_of(estimator: Any, network: Module, rate: float | Schedule) -> Optimizer:
    """The optimizer that an estimator's `solver` names, with its parameters. `solver` may be a function
    `solver(model, learning_rate=...)`, such as a class of `xpnn.optim`.
    """
    solver = estimator.solver
    if callable(solver):
        made = solver(network, learning_rate=rate)
        if not isinstance(made, Optimizer):
            raise TypeError(f"solver expected a function that gives an Optimizer, got {made!r:.60}")
        return made
    if solver == "sgd":
        momentum = float(estimator.momentum)
        if not momentum:
            return SGD(network, learning_rate=rate)
        return Momentum(network, learning_rate=rate, momentum=momentum, nesterov=bool(estimator.nesterovs_momentum))
    if solver in ("adam", "adamw"):
        options = {"beta1": estimator.beta_1, "beta2": estimator.beta_2, "epsilon": estimator.epsilon}
        numbers: dict[str, Any] = {name: float(value) for name, value in options.items()}
        if solver == "adam":
            return Adam(network, learning_rate=rate, **numbers)
        groups = {pattern: {"weight_decay": 0.0} for pattern in ("*bias", *_other_weights(network))}
        return AdamW(network, learning_rate=rate, weight_decay=float(estimator.alpha), groups=groups, **numbers)
    return _PLAIN[solver](network, learning_rate=rate)


def _other_weights(network: Module) -> list[str]:
    """Those of normalizations and activations, by name: no penalty is for them."""
    dense = {id(layer.weight) for layer in linear_layers(network)}
    return [name for name, p in network.named_parameters() if id(p) not in dense and not name.endswith("bias")]


def rate_of(estimator: Any, rows: int, steps_per_epoch: int) -> float | Schedule:
    """The learning rate of a fit: a number or a function of the step."""
    initial = float(estimator.learning_rate_init)
    if estimator.schedule is not None:
        return scheduled(estimator.schedule, initial, steps_per_epoch * estimator.max_iter)
    if scales_inversely(estimator):
        return InverseScaling(initial, float(estimator.power_t), rows, steps_per_epoch, estimator.t_)
    return initial


def scales_inversely(estimator: Any) -> bool:
    """Whether the rate goes down with the rows that were seen."""
    by_name = estimator.solver == "sgd" and estimator.learning_rate == "invscaling"
    return bool(by_name and estimator.schedule is None)


def scaled_inversely(estimator: Any, seen: int) -> float:
    """scikit-learn's 'invscaling': rate / (rows seen + 1)^power."""
    return float(estimator.learning_rate_init / (seen + 1.0) ** estimator.power_t)


def set_rate(optimizer: Optimizer, rate: float | Schedule) -> None:
    """The rate of all parameters from now on."""
    for options in (optimizer.options, *(group.options for group in optimizer.groups)):
        options["learning_rate"] = rate


def scheduled(schedule: str | Schedule, initial: float, steps: int) -> Schedule:
    """The learning rate as a function of the step, from such a function or a name, for so many steps."""
    if callable(schedule):
        return schedule
    if schedule == "cosine":
        return cosine_decay(initial, steps=steps)
    if schedule == "one_cycle":
        return one_cycle(initial, steps=steps)
    return warmup_cosine(initial, steps=steps, warmup_steps=max(1, steps // 20))


class InverseScaling:
    """scikit-learn's 'invscaling' over a fit: rate / (rows seen by the end of the last epoch + 1)^power. Those seen
    `before` the fit count from its second epoch on: the first has the full rate.
    """

    def __init__(self, initial: float, power: float, rows: int, steps_per_epoch: int, before: int = 0) -> None:
        self.initial, self.power, self.rows, self.steps_per_epoch = initial, power, rows, steps_per_epoch
        self.before = before

    def __call__(self, step: Any) -> Any:
        """The rate of an update; the first has number 0."""
        xp, epoch = counted(step // self.steps_per_epoch)
        seen = epoch * self.rows
        if self.before:
            seen = seen + self.before * xp.minimum(epoch, xp.ones_like(epoch))  # 0 in the first epoch, then 1
        return self.initial / (seen + 1.0) ** self.power


def l2_step(
    loss: Callable[..., Array], weights: list[int], alpha: float, max_norm: float | None, members: int = 1
) -> Callable[..., Array]:
    """A training step whose loss has the penalty alpha / 2 sum(w²) / (weight of the batch) on some parameters, given by
    position: scikit-learn's, which counts for less in a larger batch.

    The penalty's gradient is added; its value is not part of the loss that the step gives. Gradients of several
    `members` are clipped by themselves, each to `max_norm`.
    """

    def of(model: Module, x: Tree, t: Array, *w: Array) -> Array:
        return loss(model(x), t, sample_weight=w[0]) if w else loss(model(x), t)

    both = value_and_grad(of)

    def step(model: Module, optimizer: Optimizer, x: Tree, t: Array, *w: Array) -> Array:
        value, gradients = both(model, x, t, *w)
        leaves = flatten(gradients)[0]
        if alpha:
            parameters = flatten(model)[0]
            share = namespace_of(w[0]).sum(w[0]) if w else float(t.shape[0])
            factor = alpha / share
            for n in weights:
                leaves[n] = leaves[n] + factor * parameters[n]
        if max_norm is not None and members > 1:
            leaves = clipped_each(leaves, max_norm)
        elif max_norm is not None:
            leaves, _ = clip_by_global_norm(leaves, max_norm, nonfinite="propagate")
        optimizer.step(leaves)
        return value

    return step


def share_of(part: tuple[Any, ...]) -> float:
    """How much rows `(x, t)` or `(x, t, w)` count in a mean over all."""
    return float(part[1].shape[0]) if len(part) == 2 else float(to_host(part[2]).sum())


def minimized_by_lbfgs(
    network: Module, loss: Callable[..., Array], parts: Iterable[tuple[Any, ...]], weights: list[int],
    options: dict[str, Any],
) -> Any:  # fmt: skip
    """Minimise loss and penalty over all rows by SciPy's L-BFGS-B, in place; gives SciPy's result.

    `parts` are all rows, `(x, t)` or `(x, t, w)`, in one part or several, which are gone through at each step; of
    several the loss has to be a mean over rows, or the mean weighted by w.

    `options` holds alpha, the share of all parts (`share_of`), the device, SciPy's maxiter, maxfun and gtol, the tasks
    that are told of iterations, and None or a function `report(number, value)` that is.
    """
    from scipy.optimize import minimize

    place: Device = options["place"]
    parameters = network.parameters()
    sizes = [int(p.size) for p in parameters]
    ends = numpy.cumsum(sizes)
    share: float = options["share"]

    def of(model: Module, x: Array, t: Array, *w: Array) -> Array:
        return loss(model(x), t, sample_weight=w[0]) if w else loss(model(x), t)

    both = value_and_grad(of)

    def step(x: Array, t: Array, *w: Array) -> Any:
        value, gradients = both(network, x, t, *w)
        return value, [1 * leaf for leaf in flatten(gradients)[0]]

    fast = CompiledStep(step, network, exact=True, fallback=True)

    def write(theta: Any) -> None:
        for p, part in zip(parameters, numpy.split(theta, ends[:-1]), strict=True):
            p[...] = place.asarray(part.reshape(p.shape), dtype=p.dtype)

    def value_and_gradient(theta: Any) -> tuple[float, Any]:
        write(theta)
        total, gradient = 0.0, numpy.zeros(len(theta))
        for part in parts:
            value, leaves = fast(*map(place.asarray, part))
            flat = [numpy.asarray(place.to_host(leaf), dtype="float64").ravel() for leaf in leaves]
            own = share_of(part) / share
            gradient += own * numpy.concatenate(flat)
            total += own * float(value)
        for n in weights:
            rows = slice(ends[n] - sizes[n], ends[n])
            total += 0.5 * options["alpha"] / share * float(theta[rows] @ theta[rows])
            gradient[rows] += options["alpha"] / share * theta[rows]
        return total, gradient

    start = numpy.concatenate([numpy.asarray(place.to_host(p), dtype="float64").ravel() for p in parameters])
    limits = {name: options[name] for name in ("maxiter", "maxfun", "gtol")}
    with told_of_iterations(options["tasks"], write) as told:
        if options["report"] is not None:
            told = _reported(told, options["report"], lambda theta: value_and_gradient(theta)[0])
        found = minimize(value_and_gradient, start, method="L-BFGS-B", jac=True, options=limits, callback=told)
    write(found.x)
    return found


def _reported(
    told: Callable[[Any], None] | None, report: Callable[[int, float], None], value: Callable[[Any], float]
) -> Callable[[Any], None]:
    """SciPy's `callback` that reports the value at the weights of an iteration, and then tells others of it."""
    numbers = count(1)

    def iterated(theta: Any) -> None:
        report(next(numbers), value(theta))  # once more: a line search may have gone on to other weights
        if told is not None:
            told(theta)

    return iterated
