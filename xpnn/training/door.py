"""What is checked before a training: data that are bad or do not fit are refused while nothing has changed yet.

Inputs and targets may be arrays, or tuples or dictionaries of arrays with a row per item each. They are checked for NaN
and infinity, converted to the model's dtype and moved to its device once; then model and loss are tried with two rows,
and numbers are compared with what model and loss can mean by them (see `training.limits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy

from xpnn.arrays.checks import Meaning, Noted, numbers_looked_at
from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array, dtype_name, is_floating
from xpnn.arrays.tree import Tree, flatten, named_leaves, tree_map
from xpnn.nn.module import Module
from xpnn.training.data import prepared, prepared_weight
from xpnn.training.limits import Limits, axis_of_classes, check_labels, check_targets, rows_between
from xpnn.training.steps import applied

__all__ = ["checked_data", "checked_inputs", "class_weights", "evaluating", "try_first_rows"]

_FEW = 2  # rows that model and loss are tried with


def moved(name: str, data: Tree, place: Device, dtype: Any) -> Tree:
    """Arrays, or a tuple or dictionary of them, checked and on the device (see `data.prepared`)."""
    if isinstance(data, dict):
        return {key: moved(f"{name}[{key!r}]", part, place, dtype) for key, part in data.items()}
    if isinstance(data, tuple | list):
        parts = [moved(f"{name}[{n}]", part, place, dtype) for n, part in enumerate(data)]
        return type(data)(*parts) if hasattr(data, "_fields") else type(data)(parts)
    try:
        return prepared(name, data, place, dtype)
    except MemoryError as error:  # CuPy's OutOfMemoryError is one
        error.add_note(f"{name} does not fit on {place.name} as a whole: a Loader brings rows batch by batch")
        raise


def checked_inputs(
    model: Module, x: Tree, place: Device, dtype: Any, batch_size: int, takes_none: list[Any]
) -> tuple[Tree, list[Any]]:
    """Inputs alone, checked, on the device, in the model's dtype; with what shows that a model takes no rows by number,
    once that was found out: its modules, and the shapes of inputs.

    Raises
    ------
    TypeError, ValueError
        If they are not arrays of finite numbers with as many rows each, or the model takes rows by numbers of none.
    """
    leaves = flatten(x)[0]
    shapes = [leaf.shape for leaf in leaves]
    if len({shape[:1] for shape in shapes}) > 1:
        raise ValueError(f"expected as many rows in each input, got shapes {', '.join(map(str, shapes))}")
    if shapes[0][:1] == (0,):  # there is nothing to check
        empty: Tree = tree_map(lambda leaf: place.asarray(leaf, dtype=dtype if is_floating(leaf.dtype) else None), x)
        return empty, takes_none
    x = moved("x", x, place, dtype)
    if _steps_look(x):
        return x, takes_none
    shown: list[Any] = [module for _, module in model.named_modules()]
    shown += [(name, leaf.shape[1:]) for name, leaf in named_leaves(x)]
    if len(shown) == len(takes_none) and all(map(_is_same, shown, takes_none)):
        return x, takes_none
    some, noted = rows_between(x, 0, min(_FEW, shapes[0][0])), Noted()
    with evaluating(model), _fitting_into_memory():
        failed = False
        try:
            with numbers_looked_at(noted, refused=False):
                applied(model, some)
        except Exception:  # a few rows may be too few for a model, which all of them will show
            failed = True
        limits = Limits.of_trial(model, None, some, noted, [])
        limits.look(x, x, batch_size)
    return x, shown if limits.are_none and not failed else []


def _is_same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is tuple and one == other)


def checked_data(x: Tree, t: Tree, sample_weight: Any, place: Device, dtype: Any) -> tuple[Tree, ...]:
    """`(x, t)` or `(x, t, sample_weight)`, checked, on the device, in the model's dtype.

    Raises
    ------
    TypeError, ValueError
        If they are not arrays of finite numbers with as many rows each, or weights are not one of 0 or more per row.
    """
    x, t = moved("x", x, place, dtype), moved("t", t, place, dtype)
    shapes = [leaf.shape for leaf in flatten((x, t))[0]]
    if not shapes or not flatten(t)[0]:
        raise ValueError("expected inputs x and targets t, got none")
    if len({shape[0] for shape in shapes}) > 1:
        given = (flatten(x)[0], flatten(t)[0])
        first, second = (", ".join(str(leaf.shape) for leaf in leaves) for leaves in given)
        raise ValueError(f"expected as many targets as inputs, got x of shape {first} and t of shape {second}")
    if sample_weight is None:
        return x, t
    return x, t, prepared_weight(sample_weight, shapes[0][0], place, dtype)


def class_weights(data: tuple[Tree, ...], given: Any, place: Device, dtype: Any) -> tuple[Tree, ...]:
    """The data with each row's weight multiplied by that of its class.

    Raises
    ------
    TypeError, ValueError
        If targets are no integer labels of shape (n,), or a label has no weight of 0 or more.
    """
    x, t, *w = data
    labels = place.to_host(t) if hasattr(t, "dtype") else None
    if labels is None or labels.dtype.kind not in "iub" or labels.ndim != 1:
        raise TypeError("class_weight expected targets that are integer labels of shape (n,)")
    known, place_of, counts = numpy.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(given, str):
        if given != "balanced":
            raise ValueError(f"class_weight expected 'balanced' or weights by label, got {given!r}")
        by_class = len(labels) / (len(known) * counts)
    else:
        by_class = _weights_by_label(given, known)
    weight = by_class[place_of] * (place.to_host(w[0]) if w else 1.0)
    return x, t, prepared_weight(weight, len(labels), place, dtype)


def _weights_by_label(given: Any, known: Any) -> Any:
    by_label = given if isinstance(given, Mapping) else dict(enumerate(given))
    missing = [int(label) for label in known if int(label) not in by_label]
    if missing:
        raise ValueError(f"class_weight has no weight for label {missing[0]}; it has {sorted(by_label)}")
    weights = numpy.asarray([by_label[int(label)] for label in known], dtype="float64")
    if not (numpy.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"class_weight expected finite weights of 0 or more, got {given!r:.60}")
    return weights


def try_first_rows(
    model: Module, loss: Callable[..., Array] | None, batch: tuple[Tree, ...], batch_size: int | None = None
) -> tuple[Tree, Limits]:
    """Run model and loss once, without training, so that what does not fit is found before anything changes; gives the
    outputs of the first rows, and what model and loss mean by numbers.
    """
    x, t = batch[:2]
    rows = flatten(x)[0][0].shape[0]
    few = min(_FEW, rows)
    some_x, some_t = some = rows_between((x, t), 0, few)
    by_model, by_loss = Noted(), Noted()
    with _tried_with(few, rows), evaluating(model):
        with numbers_looked_at(by_model):
            y = applied(model, some_x)
        single = hasattr(y, "shape") and hasattr(t, "shape")
        labelled = single and "int" in str(t.dtype) and len(y.shape) == len(t.shape) + 1
        axis, ignored = axis_of_classes(loss)
        if labelled and loss is not None and y.shape[axis] == 1:
            raise ValueError(
                "expected targets like the one output per row, floating-point of shape (n, 1), got integers: "
                f"give t[:, None] as {dtype_name(y.dtype)}"
            )
    if loss is not None:
        if labelled:
            check_labels(t, y.shape[axis], ignored)
        with _tried_with(few, rows, _remedy(y, some_t) if single else {}), numbers_looked_at(by_loss):
            weight = {"sample_weight": rows_between(batch[2], 0, few) + 1} if len(batch) == 3 else {}
            value = loss(y, some_t, **weight)
        if single:
            check_targets(loss, t)
        if not hasattr(value, "shape"):
            raise ValueError(f"expected the loss to give one number made of the outputs, got a {type(value).__name__}")
        if value.shape != ():
            raise ValueError(
                f"expected the loss to give one number, got shape {value.shape} (tried with {few} of {rows} rows)"
            )
    limits = Limits.of_trial(model, loss if single else None, some, by_model, by_loss)
    if not _steps_look((x, t)):
        with evaluating(model), _fitting_into_memory():
            if loss is not None and limits.count_rows(few):
                limits.direct = _with_other_rows(model, loss, batch, limits.direct)
            limits.look((x, t), x, batch_size or rows)
    return y, limits


def _with_other_rows(
    model: Module, loss: Callable[..., Array], batch: tuple[Tree, ...], found: list[tuple[int, Meaning]]
) -> list[tuple[int, Meaning]]:
    """What of the numbers' meaning does not depend on how many rows there are, as far as another trial shows."""
    rows = flatten(batch[0])[0][0].shape[0]
    x, t, *w = rows_between(batch, 0, _FEW + 1 if rows > _FEW else max(1, rows - 1))
    by_loss = Noted()
    try:
        with numbers_looked_at(by_loss, refused=False):
            loss(applied(model, x), t, **({"sample_weight": w[0] + 1} if w else {}))
    except Exception:  # so many rows may be none that model and loss take
        by_loss.clear()
    again = Limits.of_trial(model, None, (x, t), [], by_loss).direct
    return [(number, meaning) for number, meaning in found if meaning.rows_of or (number, meaning) in again]


@contextmanager
def _fitting_into_memory() -> Iterator[None]:
    """Says of an error about memory what needs less."""
    try:
        yield
    except MemoryError as error:  # CuPy's OutOfMemoryError is one
        error.add_note("A smaller batch_size needs less memory")
        raise


def _steps_look(x: Tree) -> bool:
    """Whether steps look at numbers themselves: on NumPy."""
    return all(isinstance(leaf, numpy.ndarray) for leaf in flatten(x)[0])


def _remedy(y: Array, t: Array) -> dict[type[Exception], str]:
    """What to write if a loss refuses the shape (a ValueError) or the dtype (a TypeError) of targets `t`."""
    whole = not is_floating(t.dtype)
    found: dict[type[Exception], str] = {}
    if y.shape == (*t.shape, 1):
        found[ValueError] = ": give t[..., None]" if len(t.shape) > 1 else ": give t[:, None]"
    elif whole and len(y.shape) == 2 and t.shape == (y.shape[0], 1) and y.shape[1] > 1:
        found[ValueError] = ": give t[:, 0]"
    if whole and is_floating(y.dtype):
        if y.shape == t.shape:
            found[TypeError] = f" (t.astype('{dtype_name(y.dtype)}') of a NumPy array)"
        elif y.shape == (*t.shape, 1):
            found[ValueError] += f" as {dtype_name(y.dtype)}"
    return found


@contextmanager
def _tried_with(some: int, rows: int, remedy: Mapping[type[Exception], str] | None = None) -> Iterator[None]:
    """Adds to an error a remedy for its kind, and how many rows it comes from, since it may name their shape."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):  # another class may be made of other arguments
            raise
        raise type(error)(f"{error}{(remedy or {}).get(type(error), '')} (tried with {some} of {rows} rows)") from error


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """The model in evaluation mode, and every module back to its own mode afterwards. Where all are in evaluation mode
    nothing is written: threads may predict with one model at once.
    """
    modes = [(module, module.training) for _, module in model.named_modules()]
    if any(training for _, training in modes):
        model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            if module.training is not mode:
                module.__dict__["training"] = mode
