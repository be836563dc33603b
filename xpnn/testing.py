"""How to check a layer, a loss, an operation or an optimizer: the checks that xpnn's own pass, for yours.

    from xpnn import testing

    def test_my_layer():
        testing.check(lambda layer, x: layer(x), MyLayer(4), numpy.ones((3, 4)))

A derivative is judged by central differences: along a random direction v, the gradient g must satisfy <g, v> = (f(x +
h v) - f(x - h v)) / 2h up to rounding, in float64. One direction suffices, because a wrong gradient is orthogonal to
it with probability zero. The same function must give the same numbers on every array library, keep float32 as
float32, leave its inputs alone, and take inputs of any memory layout and with no rows.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy

from xpnn.arrays.devices import Device, DeviceUnavailable, device
from xpnn.arrays.namespaces import Array, dtype_name, is_complex, is_floating, namespace_of
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.autodiff.transforms import grad, value_and_grad, vjp
from xpnn.nn.dense import Linear
from xpnn.nn.losses.regression import squared_error
from xpnn.nn.module import Module
from xpnn.training.checkpoint import load, save

__all__ = ["Place", "check", "check_gradient", "check_optimizer", "no_device_reads", "places"]

Function = Callable[..., Array]


@dataclass(frozen=True)
class Place:
    """An array library to check on: its name, its device, and how to prepare the inputs there."""

    name: str
    device: Device
    read_only: bool = False

    def put(self, tree: Tree, dtype: str = "float64") -> Tree:
        """`tree` (NumPy arrays and models) copied to this place, floating-point numbers in `dtype`."""
        return _each(tree, lambda part: self._model(part, dtype), lambda x: self._array(x, dtype))

    def _model(self, model: Module, dtype: str) -> Module:
        return copy.deepcopy(model).to(self.device, dtype=dtype)

    def _array(self, x: Any, dtype: str) -> Any:
        if not hasattr(x, "dtype"):
            return x
        host = numpy.array(x)
        if is_complex(host.dtype):
            dtype = {"float32": "complex64", "float64": "complex128"}[dtype]
        moved = self.device.asarray(host, dtype=getattr(self.device.xp, dtype) if is_floating(host.dtype) else None)
        if self.read_only:
            moved.flags.writeable = False
        return moved


def places() -> list[Place]:
    """Where checks run on this machine: NumPy, NumPy with read-only inputs, array_api_strict, and a GPU if there is
    one.

    array_api_strict's 'device1' stands in for a GPU: it refuses to mix devices, to read NumPy's memory and everything
    beyond the standard.

    Examples
    --------
    >>> [place.name for place in places()][:2]
    ['numpy', 'read-only numpy']
    """
    cpu = device("cpu")
    found = [Place("numpy", cpu), Place("read-only numpy", cpu, read_only=True)]
    try:
        import array_api_strict as strict
    except ImportError:
        pass
    else:
        stand_in = Device(xp=strict, name="strict:device1", array_device=strict.Device("device1"))
        found.append(Place("strict device1", stand_in))
    with suppress(DeviceUnavailable):
        found.append(Place("cupy", device("cuda")))
    return found


def check(
    function: Function,
    *args: Tree,
    argnums: int | tuple[int, ...] | None = None,
    second_order: bool = True,
    empty: bool = True,
    tolerance: float = 1e-6,
    where: Sequence[Place] | None = None,
) -> None:
    """Check `function(*args)`, its gradient and its manners on all array libraries at hand.

    Parameters
    ----------
    function
        A function of arrays and models that gives one array. Call a layer as `lambda layer, x: layer(x)`.
    args
        Its arguments: NumPy arrays, models (on the CPU), or trees of them; their first axis counts items. Values
        should lie away from kinks.
    argnums
        The arguments to differentiate with respect to; None: all that hold floating-point numbers. Operators of
        array_api_strict do not give way to a Tensor on their right, as those of NumPy and CuPy do: where only one
        operand is differentiated, it has to stand on the left, or `xp.multiply` in place of `*`.
    second_order
        Whether to check second derivatives too.
    empty
        Whether the function takes arrays without items.
    tolerance
        Bound of the relative difference between gradient and central differences.
    where
        The places to check on; None: `places()`.

    Raises
    ------
    AssertionError
        If a check fails; the message says which, where, and by how much.

    Examples
    --------
    >>> import numpy, xpnn
    >>> check(xpnn.nn.tanh, numpy.asarray([0.3, -0.2]))
    """
    wanted = _wanted(args, argnums)
    here = list(places() if where is None else where)
    expected = _results(function, here[0].put(args), wanted)
    for place in here:
        at = place.put(args)
        _check_unchanged(function, at, wanted, place.name)  # first: the other checks use the inputs again
        check_gradient(function, *at, argnums=wanted, second_order=second_order, tolerance=tolerance, name=place.name)
        _check_same(f"on {place.name}, compared with {here[0].name}", _results(function, at, wanted), expected, 1e-11)
        _check_precision(function, place.put(args, "float32"), wanted, place.name)
        _check_layouts(function, at, wanted, expected, place)
        _check_reads_nothing(function, at, wanted, place)
        _check_saved(function, at, wanted, expected, place)
        if empty:
            _check_empty(function, at, wanted, place.name)


def check_optimizer(make: Callable[[Module], Any], *, steps: int = 5, where: Sequence[Place] | None = None) -> None:
    """Check that an optimizer gives the same parameters everywhere, keeps float32, reads nothing and can be saved.

    Parameters
    ----------
    make
        From a model to an optimizer for it: `lambda model: Adam(model, learning_rate=0.1)`.
    steps
        How many updates to compare.
    where
        The places to check on, of which the first is the measure; all by default.

    Raises
    ------
    AssertionError
        If a check fails; the message says which, and where.

    Examples
    --------
    >>> import xpnn
    >>> check_optimizer(lambda model: xpnn.optim.SGD(model, learning_rate=0.1))
    """
    here = list(places() if where is None else where)
    expected = [to_host(p) for p in _trained(make, here[0], "float64", steps).model.parameters()]
    for place in here:
        optimizer = _trained(make, place, "float64", steps)
        found = [to_host(p) for p in optimizer.model.parameters()]
        _check_same(f"after {steps} steps on {place.name}, compared with {here[0].name}", found, expected, 1e-11)
        for p in _trained(make, place, "float32", steps).model.parameters():
            if dtype_name(p.dtype) != "float32":
                raise AssertionError(f"on {place.name}, the optimizer made float32 parameters {p.dtype}")
        again = _trained(make, place, "float64", 0)
        again.model.load_state_dict(_through_a_file(optimizer.model.state_dict()))
        again.load_state_dict(_through_a_file(optimizer.state_dict()))
        _more_steps(optimizer, place, "float64", 2)
        _more_steps(again, place, "float64", 2)
        continued, saved = ([to_host(p) for p in o.model.parameters()] for o in (optimizer, again))
        _check_same(f"continued from a file on {place.name}", saved, continued, 0.0)


def check_gradient(
    function: Function,
    *args: Tree,
    argnums: int | tuple[int, ...] | None = None,
    second_order: bool = True,
    tolerance: float = 1e-6,
    seed: int = 0,
    name: str = "these arrays",
) -> None:
    """Check the gradient of `function` at float64 arrays of any library against central differences, in first and
    second order.

    Raises
    ------
    AssertionError
        If they differ by more than `tolerance`, relative to the larger of them and 1.

    Examples
    --------
    >>> import numpy
    >>> check_gradient(lambda x: x * x, numpy.asarray([1.0, 2.0]))
    """
    wanted = _wanted(args, argnums)
    number = _to_number(function, args, seed)
    _check_along_direction(number, args, wanted, tolerance, seed, f"first derivative on {name}")
    if second_order:

        def slopes(*arguments: Tree) -> Array:  # plus zero: where they are constant, they depend on the arguments too
            taken = _joined(tuple(arguments[n] for n in wanted))
            return _joined(grad(number, argnums=wanted)(*arguments)) + 0 * taken

        slope = _to_number(slopes, args, seed + 1)
        _check_along_direction(slope, args, wanted, tolerance, seed + 2, f"second derivative on {name}")


@contextmanager
def no_device_reads() -> Iterator[None]:
    """Inside this, an array_api_strict array off its CPU device does not become a Python number or move to the host.

    On a GPU each such look waits for the device; strict allows it. Put a training step inside to find hidden ones.

    Examples
    --------
    >>> with no_device_reads():
    ...     pass
    """
    import array_api_strict as strict

    def guarded(read: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(array: Any, *target: Any, **options: Any) -> Any:
            if array.device != strict.Device("CPU_DEVICE") and target != (array.device,):
                raise AssertionError(
                    f"a device value was read inside a step, by {read.__name__} of an array on {array.device}"
                )
            return read(array, *target, **options)

        return refuse

    kind = type(strict.zeros(()))
    names = ("__float__", "__int__", "__bool__", "__index__", "__complex__", "__dlpack__", "to_device")
    with ExitStack() as patches:
        for name in names:
            patches.enter_context(mock.patch.object(kind, name, guarded(getattr(kind, name))))
        yield


def _each(tree: Tree, model: Callable[[Module], Any], leaf: Callable[[Any], Any]) -> Tree:
    """`tree` with models and other leaves changed."""
    if isinstance(tree, Module):
        return model(tree)
    if isinstance(tree, dict):
        return {key: _each(part, model, leaf) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [_each(part, model, leaf) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return leaf(tree)


def _wanted(args: tuple[Tree, ...], argnums: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if argnums is not None:
        return (argnums,) if isinstance(argnums, int) else tuple(argnums)
    leaves = [flatten(arg)[0] for arg in args]
    wanted = tuple(n for n, found in enumerate(leaves) if found and all(is_floating(_dtype(x)) for x in found))
    if not wanted:
        raise ValueError("check expected at least one argument of floating-point arrays to differentiate by, got none")
    return wanted


def _dtype(x: Any) -> Any:
    return getattr(x, "dtype", None)


def _random_like(x: Array, generator: numpy.random.Generator) -> Array:
    from xpnn.arrays.devices import device_of

    drawn = numpy.asarray(generator.standard_normal(x.shape))
    if is_complex(x.dtype):
        drawn = drawn + 1j * generator.standard_normal(x.shape)
    return device_of(x).asarray(drawn, dtype=x.dtype)


def _to_number(function: Function, args: tuple[Tree, ...], seed: int) -> Function:
    """`function` made to give one real number: its result and the square of it times fixed random numbers, summed.

    The square makes a second derivative pass through the result itself, and not only through the first derivative.
    """
    generator = numpy.random.default_rng(seed)
    value = function(*args)
    weight, of_square = _random_like(value, generator), _random_like(value, generator)

    def number(*arguments: Tree) -> Array:
        y = function(*arguments)
        xp = namespace_of(y, weight)
        total = xp.sum(y * xp.asarray(weight) + y * y * xp.asarray(of_square))
        return xp.real(total) if is_complex(total.dtype) else total

    return number


def _joined(tree: Tree) -> Array:
    """All leaves as one vector; the real part of complex ones."""
    leaves = flatten(tree)[0]
    xp = namespace_of(*leaves)
    return xp.concat([xp.reshape(xp.real(x) if is_complex(x.dtype) else x, (-1,)) for x in leaves])


def _moved_along(
    args: tuple[Tree, ...], wanted: tuple[int, ...], directions: Sequence[Tree], h: float
) -> tuple[Tree, ...]:
    moved = list(args)
    for position, direction in zip(wanted, directions, strict=True):
        moved[position] = tree_map(lambda x, v: x + h * v, args[position], direction)
    return tuple(moved)


def _check_along_direction(
    number: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], tolerance: float, seed: int, what: str
) -> None:
    generator = numpy.random.default_rng(seed + 100)
    directions = [tree_map(lambda x: _random_like(x, generator), args[n]) for n in wanted]
    gradients = grad(number, argnums=wanted)(*args)
    found = sum(_inner(g, v) for g, v in zip(gradients, directions, strict=True))
    h = 1e-5
    ahead = float(to_host(number(*_moved_along(args, wanted, directions, h))))
    behind = float(to_host(number(*_moved_along(args, wanted, directions, -h))))
    expected = (ahead - behind) / (2 * h)
    error = abs(found - expected) / max(1.0, abs(expected))
    # central differences lose about eps / h of the value itself
    if not error <= tolerance + 1e-10 * abs(ahead):
        raise AssertionError(f"{what}: the gradient gives {found}, central differences {expected}: {error:.1e} apart")


def _inner(a: Tree, b: Tree) -> float:
    """The real inner product of two trees."""
    pairs = zip(flatten(a)[0], flatten(b)[0], strict=True)
    return float(sum(numpy.sum(numpy.real(numpy.conj(to_host(x)) * to_host(y))) for x, y in pairs))


def _results(function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...]) -> list[Any]:
    """The value and all gradients, on the host."""
    value = function(*args)
    gradients = grad(_to_number(function, args, 0), argnums=wanted)(*args)
    return [to_host(x) for x in [value, *flatten(gradients)[0]]]


def _check_same(what: str, found: list[Any], expected: list[Any], tolerance: float) -> None:
    for n, (a, b) in enumerate(zip(found, expected, strict=True)):
        numpy.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance, err_msg=f"{'value' if n == 0 else f'gradient {n - 1}'} {what}"
        )


def _check_precision(function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], name: str) -> None:
    """float32 in, float32 out, float32 gradients."""
    number = _to_number(function, args, 0)
    value, gradients = value_and_grad(number, argnums=wanted)(*args)
    for what, x in [("value", function(*args)), ("loss", value), *(("gradient", g) for g in flatten(gradients)[0])]:
        if dtype_name(x.dtype) not in ("float32", "complex64", "bool") and is_floating(x.dtype):
            raise AssertionError(f"on {name}, float32 inputs gave a {what} of {x.dtype}")


def _check_unchanged(function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], name: str) -> None:
    before = [numpy.array(to_host(x)) for x in _arrays(args)]
    _results(function, args, wanted)
    for x, y in zip(before, _arrays(args), strict=True):
        if not numpy.array_equal(x, to_host(y), equal_nan=True):
            raise AssertionError(f"on {name}, the function or its derivative changed an input in place")

    def of_wanted(*chosen: Tree) -> Array:
        places = dict(zip(wanted, chosen, strict=True))
        return function(*(places.get(n, arg) for n, arg in enumerate(args)))

    y, back = vjp(of_wanted, *(args[n] for n in wanted))
    dy = _random_like(y, numpy.random.default_rng(0))
    given = numpy.array(to_host(dy))
    back(dy)
    if not numpy.array_equal(given, to_host(dy)):  # the other terms of a sum get the same array
        raise AssertionError(f"on {name}, the derivative changed the gradient it was given in place")


def _arrays(args: tuple[Tree, ...]) -> list[Array]:
    return [x for x in flatten(args)[0] if hasattr(x, "dtype")]


def _strided(x: Any) -> Any:
    """The same numbers in memory that is not contiguous."""
    if not getattr(x, "shape", ()):
        return x
    xp = namespace_of(x)
    twice = xp.stack([x, x], axis=-1)
    return xp.reshape(twice, (*x.shape[:-1], 2 * x.shape[-1]))[..., ::2]


def _check_layouts(
    function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], expected: list[Any], place: Place
) -> None:
    strided = _each(args, lambda model: model, _strided)
    _check_same(f"of strided inputs on {place.name}", _results(function, strided, wanted), expected, 1e-11)


def _check_empty(function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], name: str) -> None:
    """No items in, no items out, and gradients of the right shapes."""
    none = _each(args, lambda model: model, lambda x: x[:0, ...] if getattr(x, "shape", ()) else x)
    try:
        y = function(*none)
        gradients = grad(_to_number(function, none, 0), argnums=wanted)(*none)
    except Exception as error:
        raise AssertionError(f"on {name}, inputs without items raised {type(error).__name__}: {error}") from error
    if y.shape and 0 not in y.shape:
        raise AssertionError(f"on {name}, inputs without items gave shape {y.shape}")
    for position, gradient in zip(wanted, gradients, strict=True):
        shapes = [g.shape for g in flatten(gradient)[0]], [x.shape for x in flatten(none[position])[0]]
        if shapes[0] != shapes[1]:
            raise AssertionError(f"on {name}, without items, gradients of shapes {shapes[0]} for {shapes[1]}")


def _check_reads_nothing(function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], place: Place) -> None:
    """Neither the function nor its gradient looks at a device value."""
    if "strict" not in place.name:
        return
    number = _to_number(function, args, 0)
    with no_device_reads():
        value_and_grad(number, argnums=wanted)(*args)


def _check_saved(
    function: Function, args: tuple[Tree, ...], wanted: tuple[int, ...], expected: list[Any], place: Place
) -> None:
    """Models give the same results after their arrays went through a file into a model with other numbers."""
    if not any(isinstance(arg, Module) for arg in args):
        return
    _check_same(
        f"after saving and loading on {place.name}", _results(function, _reloaded(args), wanted), expected, 1e-11
    )


def _reloaded(tree: Tree) -> Tree:
    def through_a_file(model: Module) -> Module:
        other = copy.deepcopy(model)
        for slot in other.slots():  # what is not saved stays zero
            slot.value[...] = namespace_of(slot.value).zeros_like(slot.value)
        return other.load_state_dict(_through_a_file(model.state_dict()))

    return _each(tree, through_a_file, lambda x: x)


def _through_a_file(state: dict[str, Array]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "state", state)
        return load(Path(folder) / "state")[0]


def _trained(make: Callable[[Module], Any], place: Place, dtype: str, steps: int) -> Any:
    """An optimizer of a small model after some steps."""
    model = Linear(3, 2, dtype="float64").initialize(seed=1).to(place.device, dtype=dtype)
    optimizer = make(model)
    _more_steps(optimizer, place, dtype, steps)
    return optimizer


def _more_steps(optimizer: Any, place: Place, dtype: str, steps: int) -> None:
    generator = numpy.random.default_rng(2)
    x, t = place.put(generator.standard_normal((5, 3)), dtype), place.put(generator.standard_normal((5, 2)), dtype)
    step = value_and_grad(lambda model, x, t: squared_error(model(x), t))
    with no_device_reads() if "strict" in place.name else nullcontext():
        for _ in range(steps):
            _, gradients = step(optimizer.model, x, t)
            optimizer.step(gradients)
