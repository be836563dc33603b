"""What a table of other people's functions is made of, and how a row is checked.

A row is a function of SciPy or scikit-learn, called on Tensors as it is. It must give the value that it gives on NumPy
arrays, and a gradient that central differences confirm and that is not zero.
"""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import array_api_strict
import numpy
import pytest

import xpnn
from xpnn import testing
from xpnn.arrays.devices import Device, device
from xpnn.arrays.namespaces import array_device, namespace_of
from xpnn.arrays.native import to_host

PLACES = {
    "numpy": testing.Place("numpy", device("cpu")),
    **{
        name: testing.Place(name, Device(xp=array_api_strict, name=name, array_device=array_api_strict.Device(place)))
        for name, place in {"strict": "CPU_DEVICE", "device1": "device1"}.items()
    },
}


@dataclass
class Row:
    """A function with inputs; `where` names the places on which it runs, `orders` how many derivatives are checked."""

    call: Any
    inputs: tuple[numpy.ndarray, ...]
    where: tuple[str, ...]
    orders: int


@dataclass
class Table:
    """Rows by name (a name's first word is the function), and what has no gradient, of three kinds."""

    rows: dict[str, Row] = field(default_factory=dict)
    refused: dict[str, tuple[Any, numpy.ndarray]] = field(default_factory=dict)
    constant: dict[str, Row] = field(default_factory=dict)
    spoiled: dict[str, tuple[Any, numpy.ndarray]] = field(default_factory=dict)

    def row(self, name, call, *inputs, where="numpy strict device1", orders=2):
        """A function with a derivative."""
        assert name not in self.rows
        self.rows[name] = Row(call, inputs, tuple(where.split()), orders)

    def refuse(self, name, call, x):
        """A function that leaves the Tensors, so that a gradient would be lost: it must raise."""
        self.refused[name] = call, x

    def level(self, name, call, *inputs):
        """A function that is constant almost everywhere, so that its derivative is 0."""
        self.constant[name] = Row(call, inputs, ("numpy",), 1)

    def spoil(self, name, call, x):
        """A function whose steps make the gradient NaN, which shows at once."""
        self.spoiled[name] = call, x


namespace = namespace_of


def like(x, constant):
    """`constant`, a NumPy array, as an array of the library and on the device of `x`."""
    xp = namespace_of(x)
    return xp.asarray(constant, device=getattr(x, "device", None))


Plain = Callable[[], AbstractContextManager[Any]]


def check_row(row, plain: Plain):
    """Check value and derivatives of a row; `plain` is the context in which plain NumPy arrays are computed with."""
    with plain():
        expected = numpy.asarray(row.call(*row.inputs))
    for name in row.where:
        at = PLACES[name].put(row.inputs)
        value, gradients = value_and_gradients(row.call, at)
        numpy.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-12, err_msg=f"value on {name}")
        for gradient in gradients:  # of a random combination: all rows of softmax add up to 1
            assert float(numpy.max(numpy.abs(gradient))) > 1e-4, f"the gradient on {name} is zero"
        testing.check_gradient(row.call, *at, second_order=row.orders > 1, name=name)


def check_constant(row):
    """Check that the gradient is 0, and that central differences find the same."""
    _, gradients = value_and_gradients(row.call, row.inputs)
    assert not any(numpy.any(gradient) for gradient in gradients)
    testing.check_gradient(row.call, *row.inputs, second_order=False)


REFUSALS = "lose the gradient|cannot be differentiated|has no derivative|a Tensor has no"


def check_refused(call, x):
    """Check that the call raises, and not by a mistake of ours in calling it."""
    call(x)
    with pytest.raises((TypeError, AttributeError), match=REFUSALS):
        xpnn.vjp(call, x)


def check_spoiled(call, x):
    """Check that the gradient is NaN and nothing else: a mend would make it a row."""
    _, (gradient,) = value_and_gradients(call, (x,))
    assert numpy.all(numpy.isnan(gradient)), "the gradient is not NaN"


def value_and_gradients(call, at):
    """The value, and the gradients of its product with fixed random numbers, on the host."""
    seen = []
    value, back = xpnn.vjp(lambda *arrays: seen.append(call(*arrays)) or seen[0], *at)
    assert type(seen[0]) is xpnn.Tensor, "the result is no Tensor"
    xp = namespace_of(value)
    weights = xp.asarray(numpy.random.default_rng(5).uniform(0.5, 1.5, value.shape), device=array_device(value))
    gradients = back(xp.astype(weights, value.dtype))
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    return to_host(value), [to_host(gradient) for gradient in gradients]


# What scikit-learn silences for NumPy's own namespace only; what it says of a fit that is to take few iterations
EXPECTED_WARNINGS = ("invalid value encountered in divide", "Best performing initialization did not converge")


def results(table, plain: Plain):
    """The outcome of every check: '' or what went wrong."""
    found = {}
    checks = [(name, check_row, (row, plain)) for name, row in table.rows.items()]
    checks += [(f"refused: {name}", check_refused, pair) for name, pair in table.refused.items()]
    checks += [(f"constant: {name}", check_constant, (row,)) for name, row in table.constant.items()]
    checks += [(f"spoiled: {name}", check_spoiled, pair) for name, pair in table.spoiled.items()]
    for name, check, args in checks:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for message in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message)
            try:
                check(*args)
                found[name] = ""
            except (Exception, pytest.fail.Exception) as error:
                found[name] = f"{type(error).__name__}: {error}"
    return found
