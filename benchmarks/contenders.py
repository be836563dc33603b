"""The same training step in each library, written as that library's users write it.

A contender is made for a network: a function that starts a run, with the starting weights and a fresh Adam. A run's
`step` is forward, loss, gradient and Adam's update with a learning rate of 0.001; it gives the loss from before the
update, which nobody reads while the clock runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.networks import Network, batch_of, layers_of

__all__ = ["CONTENDERS", "Contender", "LeftOut", "Run", "Start"]

LEARNING_RATE = 1e-3


class LeftOut(Exception):
    """A contender is not asked for this network; says why."""


class Run(NamedTuple):
    """A training that is under way."""

    step: Callable[[], Any]
    wait: Callable[[], Any] = lambda: None  # until all steps so far are done
    steps_a_call: int = 1


Start = Callable[[], Run]


class Contender(NamedTuple):
    """A library, and the way in which it is asked for the step."""

    library: str
    way: str
    make: Callable[[Network], Start]
    agreeing: int | None  # how many first losses must equal xpnn's; None if the way has no loss at all

    @property
    def name(self) -> str:
        return f"{self.library}, {self.way}"


def xpnn_plain(network: Network, *, compiled: bool = False) -> Start:
    import xpnn
    from xpnn import nn, optim

    x, t = batch_of(network)
    loss_of = nn.binary_cross_entropy_with_logits if network.binary else nn.cross_entropy
    loss_and_gradients = xpnn.value_and_grad(lambda model, x, t: loss_of(model(x), t))

    def start() -> Run:
        model = nn.Sequential(*_layers(nn, network)).initialize(seed=0)  # of the masks
        model.load_state_dict({**model.state_dict(), **_named(network)})
        optimizer = optim.Adam(model, learning_rate=LEARNING_RATE)

        def step(x: Any, t: Any) -> Any:
            loss, gradients = loss_and_gradients(model, x, t)
            optimizer.step(gradients)
            return loss

        chosen = xpnn.compile(step, state=(model, optimizer)) if compiled else step
        return Run(lambda: chosen(x, t))

    return start


def xpnn_compiled(network: Network) -> Start:
    return xpnn_plain(network, compiled=True)


def pytorch(network: Network, **options: bool) -> Start:
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))  # which `steps` sets
    x, t = (torch.from_numpy(array) for array in batch_of(network))
    loss_of = functional.binary_cross_entropy_with_logits if network.binary else functional.cross_entropy

    def start() -> Run:
        model = nn.Sequential(*_layers(nn, network))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in _named(network).items()})
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, **options)

        def step() -> Any:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(x), t)
            loss.backward()
            optimizer.step()
            return loss

        return Run(step)

    return start


def jax_with_optax(network: Network) -> Start:
    _require_no_dropout(network)
    import jax
    import optax

    # Handing each step to another thread takes a tenth of the smallest network's step, and gains in the largest.
    jax.config.update("jax_cpu_enable_async_dispatch", max(network.sizes) > 100)
    x, t = (jax.numpy.asarray(array) for array in batch_of(network))
    adam = optax.adam(LEARNING_RATE)

    def loss_of(layers: Any, x: Any, t: Any) -> Any:
        for w, b in layers[:-1]:
            x = jax.nn.relu(x @ w + b)
        z = x @ layers[-1][0] + layers[-1][1]
        if network.binary:
            return optax.sigmoid_binary_cross_entropy(z, t).mean()
        return optax.softmax_cross_entropy_with_integer_labels(z, t).mean()

    def update(layers: Any, state: Any, x: Any, t: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(layers, x, t)
        changes, state = adam.update(gradients, state)
        return optax.apply_updates(layers, changes), state, loss

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def start() -> Run:
        layers = [(jax.numpy.array(weight.T), jax.numpy.array(bias)) for weight, bias in layers_of(network)]
        state = adam.init(layers)

        def step() -> Any:
            nonlocal layers, state
            layers, state, loss = compiled(layers, state, x, t)
            return loss

        return Run(step, wait=lambda: jax.block_until_ready(layers))

    return start


def scikit_learn(network: Network, *, batches: int = 1) -> Start:
    """One call of `partial_fit` is a step for each of `batches` batches.

    scikit-learn draws its own weights in the first call, which is therefore an update too; the weights are then
    overwritten, and Adam's running means have seen one gradient more than the others'.
    """
    _require_no_dropout(network)
    from sklearn.neural_network import MLPClassifier

    x, t = batch_of(network)
    xs, ts = np.tile(x, (batches, 1)), np.tile(t.ravel().astype(np.int64), batches)
    classes = range(max(2, network.sizes[-1]))

    def start() -> Run:
        model = MLPClassifier(
            network.sizes[1:-1], alpha=0.0, batch_size=network.batch, learning_rate_init=LEARNING_RATE, shuffle=False
        )
        model.partial_fit(x, ts[: network.batch], classes=classes)
        for layer, weight, bias in zip(layers_of(network), model.coefs_, model.intercepts_, strict=True):
            weight[...], bias[...] = layer.weight.T, layer.bias

        return Run(lambda: model.partial_fit(xs, ts).loss_, steps_a_call=batches)

    return start


def products_only(network: Network) -> Start:
    """The matrix products of forward and backward into existing arrays: no library on NumPy can be faster."""
    generator = np.random.default_rng(2)
    layers = layers_of(network)

    def start() -> Run:
        xs = [generator.standard_normal((network.batch, size), dtype=np.float32) for size in network.sizes]
        dxs, dws = [np.empty_like(x) for x in xs], [np.empty_like(layer.weight) for layer in layers]
        for dx, x in zip(dxs, xs, strict=True):
            dx[...] = x
        forward = [(xs[n], layer.weight.T, np.empty_like(xs[n + 1])) for n, layer in enumerate(layers)]
        backward = [(dxs[n + 1].T, xs[n], dws[n]) for n in range(len(layers))]
        backward += [(dxs[n + 1], layers[n].weight, np.empty_like(dxs[n])) for n in range(1, len(layers))]
        products = forward + backward

        def step() -> None:
            for a, b, out in products:
                np.dot(a, b, out=out)

        return Run(step)

    return start


def _shapes(network: Network) -> list[tuple[int, int]]:
    return [layer.weight.shape for layer in layers_of(network)]


def _layers(nn: Any, network: Network) -> list[Any]:
    """The network of xpnn's or PyTorch's layers."""
    layers = _between(nn.ReLU, [nn.Linear(m, n) for n, m in _shapes(network)])
    if not network.dropout:
        return layers
    parts = [[layer, nn.Dropout(network.dropout)] if isinstance(layer, nn.ReLU) else [layer] for layer in layers]
    return [layer for part in parts for layer in part]


def _require_no_dropout(network: Network) -> None:
    if network.dropout:
        raise LeftOut("without dropout only")


def _between(make: Callable[[], Any], layers: Sequence[Any]) -> list[Any]:
    """The layers, with what `make` makes between each two."""
    joined = [part for layer in layers for part in (layer, make())]
    return joined[:-1]


def _named(network: Network) -> dict[str, np.ndarray]:
    """The starting weights by the names that xpnn and PyTorch give them: ReLU (and dropout) lie between each two."""
    named, each = {}, 3 if network.dropout else 2
    for n, layer in enumerate(layers_of(network)):
        named |= {f"{each * n}.weight": layer.weight, f"{each * n}.bias": layer.bias}
    return named


def _many_batches(network: Network) -> Start:
    return scikit_learn(network, batches=max(2, 4096 // network.batch))


CONTENDERS = [
    Contender("xpnn", "plain", xpnn_plain, agreeing=6),
    Contender("xpnn", "compiled", xpnn_compiled, agreeing=6),
    Contender("PyTorch", "Adam()", pytorch, agreeing=6),
    Contender("PyTorch", "Adam(foreach=True)", lambda network: pytorch(network, foreach=True), agreeing=6),
    Contender("PyTorch", "Adam(fused=True)", lambda network: pytorch(network, fused=True), agreeing=6),
    Contender("JAX with Optax", "jit", jax_with_optax, agreeing=6),
    Contender("scikit-learn", "a call for one batch", scikit_learn, agreeing=1),
    Contender("scikit-learn", "a call for many batches", _many_batches, agreeing=0),
    Contender("NumPy", "products only", products_only, agreeing=None),
]
