"""The common table: every operation, layer and loss is one row, and a row buys every check of `xpnn.testing`.

Checked on NumPy, read-only NumPy inputs, array_api_strict's device1 and, where there is one, a GPU: gradient and
second derivative against central differences in float64, equal numbers everywhere, float32 kept, inputs left alone,
strided and empty inputs. The rows stand in `tests/rows/`, a file for each floor or kind of operation.
"""

import re

import numpy
import pytest
import rows  # noqa: F401 (fills the table)
from rows.base import RNG, ROWS
from rows.optimizers import OPTIMIZERS

import xpnn
from xpnn import nn, optim, special, testing
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.tree import flatten
from xpnn.autodiff.namespace import FFT_RULES, LINALG_RULES, STANDARD_RULES

PLACES = {place.name: place for place in testing.places()}
NAMES = [row.name for row in ROWS]
GPU = pytest.param("cupy", marks=pytest.mark.gpu)


@pytest.mark.parametrize("place", ["read-only numpy", "strict device1"])
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_row(row, place):
    if place not in PLACES:
        pytest.skip("array_api_strict is not installed")
    testing.check(row.function, *row.args, where=[PLACES["numpy"], PLACES[place]], **row.options)


@pytest.mark.parametrize("place", ["numpy", "strict device1", GPU])
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_gradient_can_be_differentiated_by_the_one_it_comes_from(row, place):
    # x is not differentiated by here, so that backward functions meet a Tensor beside plain arrays
    if place not in PLACES:
        pytest.skip("array_api_strict is not installed")
    put, to_host = PLACES[place].put, PLACES[place].device.to_host
    args = put(row.args)
    wanted = testing._wanted(args, row.options.get("argnums"))
    y, back = xpnn.vjp(lambda *some: row.function(*_with(args, wanted, some)), *(args[n] for n in wanted))
    leaves = lambda dy: [leaf for tree in back(dy) for leaf in flatten(tree)[0] if leaf.size]  # noqa: E731
    weights = [put(RNG.standard_normal(leaf.shape)) for leaf in leaves(y)]

    def weighted(dy):
        parts = [namespace_of(leaf).sum(leaf * w) for leaf, w in zip(leaves(dy), weights, strict=True)]
        total = sum(parts[1:], parts[0])
        return namespace_of(total).real(total) if "complex" in str(total.dtype) else total

    # backward functions are linear: the derivative along y is the function itself
    along = numpy.sum(numpy.real(numpy.conj(to_host(xpnn.grad(weighted)(y))) * to_host(y)))
    numpy.testing.assert_allclose(along, to_host(weighted(y)), rtol=1e-9, atol=1e-9)


def _with(args, wanted, some):
    changed = list(args)
    for position, value in zip(wanted, some, strict=True):
        changed[position] = value
    return changed


@pytest.mark.gpu
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_row_on_a_gpu(row):
    testing.check(row.function, *row.args, where=[PLACES["numpy"], PLACES["cupy"]], **row.options)


@pytest.mark.parametrize("place", ["read-only numpy", "strict device1"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name, place):
    if place not in PLACES:
        pytest.skip("array_api_strict is not installed")
    testing.check_optimizer(OPTIMIZERS[name], where=[PLACES["numpy"], PLACES[place]])


@pytest.mark.gpu
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_on_a_gpu(name):
    testing.check_optimizer(OPTIMIZERS[name], where=[PLACES["numpy"], PLACES["cupy"]])


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES)


def test_every_differentiable_name_has_a_row():
    # a row's first word says what it is about, after "complex"
    tested = {name.removeprefix("complex ").split()[0].strip(",") for name in NAMES}
    assert not {*STANDARD_RULES, *LINALG_RULES, *FFT_RULES, *special.__all__} - tested


def test_every_optimizer_and_schedule_has_a_row():
    tested = {word for name in OPTIMIZERS for word in re.findall(r"\w+", name)}
    skipped = {"Optimizer", "Schedule", "clip_by_global_norm", "global_norm"}
    skipped |= {"WeightAverage", "GradientAccumulator", "LBFGS"}  # not rules of one array: see tests/optim
    assert not [name for name in optim.__all__ if name not in skipped and name not in tested]


def test_public_layers_and_losses_have_a_row():
    tested = {re.match(r"\w+", name.removeprefix("nn."))[0] for name in NAMES}  # the first word, not a part of one
    skipped = {"Module", "Parameter", "Buffer", "initializers", "sigmoid", "quantile_edges"}
    assert not [name for name in nn.__all__ if name not in skipped and name not in tested]
    assert nn.sigmoid is xpnn.special.expit
