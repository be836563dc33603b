"""The steps of a training: one update of the model, and one prediction.

An update takes one batch, or several whose gradients are added up before the optimizer moves (accumulation): the mean
over all their items, so that it is the update on one batch of them all. A step gives the loss before the update; where
rows have weights also the weight, and where metrics are wanted also the outputs, which were computed anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.tree import Tree, flatten, named_leaves
from xpnn.autodiff.transforms import value_and_grad
from xpnn.nn.module import Module
from xpnn.optim.averaging import WeightAverage
from xpnn.optim.base import Optimizer, in_dtype_of
from xpnn.optim.clipping import clip_by_global_norm
from xpnn.training.repeated import Repeated

__all__ = ["Layout", "Steps", "applied"]

# Calls after which compiling has paid for itself. Measured on one core for dense networks from 30-32-16-1 to
# 784-1024-1024-10: 94 to 9 training steps, 600 to 125 predictions, where there is less Python to leave out.
TRAINING_PAYS = 100
PREDICTION_PAYS = 400
MANY = 10  # predictions in a row, one of which is made both ways


def applied(model: Module, x: Tree) -> Tree:
    """The model's outputs: of an array `model(x)`, of a tuple or list `model(*x)`, of a dictionary `model(**x)`."""
    if isinstance(x, dict):
        return model(**x)
    return model(*x) if isinstance(x, tuple | list) else model(x)


class Layout:
    """How a batch `(x, t)` or `(x, t, w)` is laid out as a row of arrays.

    Parameters
    ----------
    batch
        One such batch.
    """

    def __init__(self, batch: tuple[Tree, ...]) -> None:
        arrays, self.rebuild = flatten(batch)
        self.arrays, self.weighted = len(arrays), len(batch) == 3
        self.simple = self.arrays == len(batch)
        """Whether inputs and targets are one array each."""
        self._shape = rebuild_names(batch)

    def is_like(self, other: Layout) -> bool:
        """Whether batches are laid out alike."""
        return self._shape == other._shape

    def batches(self, arrays: Sequence[Array]) -> list[tuple[Tree, ...]]:
        """The batches that lie in `arrays` one after the other."""
        return [self.rebuild(arrays[n : n + self.arrays]) for n in range(0, len(arrays), self.arrays)]


def rebuild_names(batch: tuple[Tree, ...]) -> list[str]:
    """The paths of the leaves, and what holds them."""
    return [type(part).__name__ if not hasattr(part, "dtype") else "" for part in batch] + [
        name for name, _ in named_leaves(batch)
    ]


class Steps:
    """The two steps of a trainer.

    Parameters
    ----------
    parts
        What they are made of: model, loss, optimizer, `max_norm`, whether they are compiled, the average of weights or
        None, a step of the user's or None, further state.
    layout
        How batches are laid out.
    outputs
        Whether training steps give the model's outputs, too.
    """

    def __init__(self, parts: tuple[Any, ...], layout: Layout | None, outputs: bool) -> None:
        model, loss, optimizer, max_norm, compiled, average, own, also = parts
        self.parts, self.layout, self.outputs = parts, layout, outputs
        self._model = model
        pays = (TRAINING_PAYS, PREDICTION_PAYS) if compiled else (None, None)
        if own is not None:
            step = _own_step(own, model, optimizer, average, layout)
        else:
            step = _training_step(model, loss, optimizer, max_norm, average, layout, outputs)
        state = (model, optimizer, *([] if average is None else [average.model]), *also)
        self.training = Repeated(step, state, pays=pays[0])
        predicting = model if average is None else average.model
        self.predicting = predicting
        self._prediction = Repeated(_prediction(predicting), predicting, pays=pays[1])

    def are_of(self, parts: tuple[Any, ...], layout: Layout | None, outputs: bool) -> bool:
        """Whether these are the parts, and batches are laid out so (None: any way)."""
        if not all(map(is_, parts[:7], self.parts[:7])) or list(map(id, parts[7])) != list(map(id, self.parts[7])):
            return False
        return layout is None or (self.layout is layout and self.outputs == outputs)

    def predicted(self, batches: list[Tree], rest: list[Tree]) -> list[Tree]:
        """The model's outputs for batches of equal size, and for what is left.

        A user's layers run as Python at each call of `predict` at least once, since anything may have changed.
        """
        self._prediction.doubt()
        many = batches if len(batches) >= MANY and all(hasattr(x, "dtype") for x in batches[:1]) else []
        found = self._prediction.each([(x,) for x in many], ahead=len(many)) if many else []
        return found + [applied(self.predicting, x) for x in (rest if many else batches + rest)]


def _training_step(
    model: Module,
    loss: Callable[..., Array],
    optimizer: Optimizer,
    max_norm: float | None,
    average: WeightAverage | None,
    layout: Layout | None,
    outputs: bool,
) -> Callable[..., Any]:
    """`training_step(*arrays)` of the arrays of one batch or several: updates the model, gives the loss before."""

    def loss_and_outputs(model: Module, x: Tree, t: Tree, *w: Array) -> Any:
        y = applied(model, x)
        value = loss(y, t, sample_weight=w[0]) if w else loss(y, t)
        return (value, y) if outputs else value

    both = value_and_grad(loss_and_outputs, aux=outputs)

    def update(gradients: Any) -> None:
        if max_norm is not None:
            gradients, _ = clip_by_global_norm(gradients, max_norm, nonfinite="propagate")
        optimizer.step(gradients)
        if average is not None:
            average.update()

    simple = outputs and layout is not None and layout.simple and not layout.weighted

    def training_step(*arrays: Array) -> Any:
        assert layout is not None
        batches = layout.batches(arrays)
        shares = [_share(batch) for batch in batches]
        given, gradients = _accumulated(both, model, batches, shares) if len(batches) > 1 else both(model, *batches[0])
        update(gradients)
        if not (layout.weighted or outputs):
            return given
        if simple and len(batches) == 1 and hasattr(given[1], "dtype"):
            return tuple(given)  # without a tree around: to take one apart would cost a tenth of a small step
        value, ys = given if outputs else (given, ())
        share = sum(shares[1:], shares[0]) if layout.weighted else None
        return value, share, ys if len(batches) > 1 or not outputs else (ys,)

    return training_step


def _accumulated(
    both: Callable[..., Any], model: Module, batches: Sequence[tuple[Tree, ...]], shares: Sequence[Any]
) -> tuple[Any, list[Array]]:
    """The mean loss of several batches, weighted by their items (and a tuple of their outputs, if `both` gives some),
    and its gradients.
    """
    whole = sum(shares[1:], shares[0])
    if hasattr(whole, "dtype"):  # without any weight the gradient is 0
        whole = whole + namespace_of(whole).astype(whole == 0, whole.dtype)
    total: Any = None
    sums: list[Array] = []
    ys: list[Any] = []
    for batch, share in zip(batches, shares, strict=True):
        given, gradients = both(model, *batch)
        value = given
        if isinstance(given, tuple):
            value, y = given
            ys.append(y)
        parts = [leaf * in_dtype_of(leaf, share / whole) for leaf in flatten(gradients)[0]]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
        part = value * in_dtype_of(value, share / whole)
        total = part if total is None else total + part
    return ((total, tuple(ys)) if ys else total), sums


def _share(batch: tuple[Tree, ...]) -> Any:
    """What a batch counts for: its rows, or the sum of their weights."""
    return namespace_of(batch[2]).sum(batch[2]) if len(batch) == 3 else float(flatten(batch[1])[0][0].shape[0])


def _own_step(
    own: Callable[..., Any], model: Module, optimizer: Optimizer, average: WeightAverage | None, layout: Layout | None
) -> Callable[..., Any]:
    """A step of the user's, `own(model, optimizer, x, t)` or `own(model, optimizer, x, t, w)`."""

    def training_step(*arrays: Array) -> Any:
        assert layout is not None
        (batch,) = layout.batches(arrays)
        value = own(model, optimizer, *batch)
        if getattr(value, "shape", None) != ():
            raise ValueError(
                f"expected the step to give one number, the loss, got {getattr(value, 'shape', type(value).__name__)}"
            )
        if average is not None:
            average.update()
        return (value, _share(batch), ()) if layout.weighted else value

    return training_step


def _prediction(model: Module) -> Callable[[Array], Any]:
    """`prediction(x)` that gives the model's outputs."""

    def prediction(x: Array) -> Any:
        return model(x)

    return prediction

