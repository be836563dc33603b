"""NaN and infinity: found, undone, and traced to the layer and the row they come from.

A NaN in one step is in every parameter a step later. Looking for it at each step would make a GPU wait for the host, so
the trainer looks at losses, parameters, buffers and the optimizer's state every some steps, and keeps a copy of them
from the look before. If something is not finite, it goes back to that copy and makes the steps in between again,
plainly and one by one (`training.retracing`): they are functions of the state and of the batch's number, so the same
comes out, and the first step that leaves something not finite is found. What happens then is the trainer's policy:

| `nonfinite` | what happens |
| --- | --- |
| `"raise"` | the state goes back to the last look; the error names step, batch, layer and row |
| `"skip"` | that step, and every other like it, is undone; training goes on after it |
| `"ignore"` | nobody looks |

So no update by a gradient that is not finite ever stays, and a step costs nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, flatten, named_leaves
from xpnn.autodiff.transforms import value_and_grad
from xpnn.nn.module import Module
from xpnn.training.steps import applied

__all__ = ["all_finite", "cause"]


def all_finite(arrays: list[Array], place: Device) -> bool:
    """Whether the floating-point arrays hold neither NaN nor infinity: one look at the device."""
    xp = place.xp
    flags = [xp.all(xp.isfinite(array)) for array in arrays if is_floating(array.dtype)]
    return bool(xp.all(xp.stack(flags))) if flags else True


def cause(model: Module, loss: Any, batches: list[tuple[Tree, ...]], rows: list[numpy.ndarray | None]) -> str:
    """Where in a step something first is not finite, in words; '' if nowhere before the update.

    Parameters
    ----------
    model, loss
        In the state before the step.
    batches
        Those of the step, on the device.
    rows
        For each batch which rows of the data it has, if that is known.
    """
    for batch, known in zip(batches, rows, strict=True):
        found = _in_data(batch, known) or _in_forward(model, batch, known)
        if found:
            return found
    if loss is None:
        return ""
    for batch, known in zip(batches, rows, strict=True):
        found = _in_loss(model, loss, batch, known)
        if found:
            return found
    return ""


def _in_data(batch: tuple[Tree, ...], known: Any) -> str:
    for what, part in zip(("x", "t", "sample_weight"), batch, strict=False):
        for name, leaf in named_leaves(part):
            row = _bad_row(leaf)
            if row is not None:
                where = f"{what}.{name}" if name else what
                return f"{where} holds NaN or infinity in {_row(row, known)}"
    return ""


def _in_forward(model: Module, batch: tuple[Tree, ...], known: Any) -> str:
    seen: list[str] = []
    with _watched(model, seen, known):
        applied(model, batch[0])
    return seen[0] if seen else ""


@contextmanager
def _watched(model: Module, seen: list[str], known: Any) -> Iterator[None]:
    """Every module notes it if its inputs are finite and its outputs are not."""
    modules = [module for _, module in model.named_modules()]
    names = {id(module): name for name, module in reversed(list(model.named_modules()))}
    for module in modules:
        module.__dict__["forward"] = _noting(module, type(module).forward, names[id(module)], seen, known)
    try:
        yield
    finally:
        for module in modules:
            module.__dict__.pop("forward", None)


def _noting(module: Module, forward: Any, name: str, seen: list[str], known: Any) -> Any:
    def noting(*args: Any, **kwargs: Any) -> Any:
        y = forward(module, *args, **kwargs)
        if not seen:
            row = next((row for leaf in flatten(y)[0] if (row := _bad_row(leaf)) is not None), None)
            if row is not None:
                what = f"the output of {name} ({type(module).__name__})" if name else "the output of the model"
                seen.append(f"{what} is not finite for {_row(row, known)}")
        return y

    return noting


def _in_loss(model: Module, loss: Any, batch: tuple[Tree, ...], known: Any) -> str:
    y = applied(model, batch[0])
    weight = {"sample_weight": batch[2]} if len(batch) == 3 else {}
    value = loss(y, batch[1], **weight)
    if not bool(namespace_of(value).isfinite(value)):
        return f"the outputs are finite, the loss is {float(value)}"

    def of(model: Module) -> Array:
        result: Array = loss(applied(model, batch[0]), batch[1], **weight)
        return result

    _, gradients = value_and_grad(of)(model)
    for (name, _), leaf in zip(model.named_parameters(), flatten(gradients)[0], strict=False):
        if not bool(namespace_of(leaf).all(namespace_of(leaf).isfinite(leaf))):
            return f"the loss is {float(value):.6g}, the gradient of {name} is not finite"
    return ""


def _bad_row(leaf: Any) -> int | None:
    """The first row that holds NaN or infinity; 0 for an array without rows."""
    if not hasattr(leaf, "dtype") or not is_floating(leaf.dtype) or leaf.size == 0:
        return None
    bad = ~numpy.isfinite(to_host(leaf))
    if not bad.any():
        return None
    return int(numpy.flatnonzero(bad.reshape(bad.shape[0], -1).any(axis=1))[0]) if bad.ndim else 0


def _row(row: int, known: Any) -> str:
    if known is not None and row < len(known):
        return f"row {int(known[row])} of the data"
    return f"row {row} of the batch"
