"""Every row of the common table, plain against compiled: the function and its gradient, as one step.

Three calls are recorded or replayed in turn with other numbers in the arguments, so that a constant that went stale
shows. On NumPy with `exact=True` all bits are equal; sums in another order may differ in the last digits.
"""

import copy
import re

import numpy
import pytest
import rows  # noqa: F401 (fills the table)
from graph_stand_in import OnNumpy
from rows.base import ROWS
from rows.optimizers import OPTIMIZERS

import xpnn
from xpnn import nn, testing
from xpnn.arrays.namespaces import is_floating
from xpnn.arrays.native import to_host
from xpnn.arrays.tree import flatten
from xpnn.compiler.cupy_executor import cupy_executor
from xpnn.compiler.plans import Plan

PLACES = {place.name: place for place in testing.places()}
REFUSED = {
    "unique_values": "the number of different elements depends on the numbers",
    "unique_all": "the same",
    "unique_counts": "the same",
    "unique_inverse": "the same",
    "boolean mask": "the number of elements that are picked depends on the mask",
    "mask of the first axis": "the same",
    "repeat by an array": "the length is the sum of the array",
}
# Rows that must be replayed as one graph on a GPU, where a plan that runs call by call has the same numbers. Of each
# kind a few, since each generated kernel takes the compiler a tenth of a second
GRAPHS = """Softplus(beta=2.0) | Mish() | GELU(approximate='none') | Softmax(axis=-1) | LogSoftmax(axis=-1) | Linear |
SiLU() | Sequential | squared_error, mean | binary_cross_entropy_with_logits, mean | cross_entropy of labels, mean |
HuberError | BatchNorm1d | LayerNorm | where | logaddexp | pow by 3"""
GRAPHS = [name.strip() for name in GRAPHS.split("|")]
# All other rows are replayed as one graph on a GPU. What the names of rows match, and what the reason says
CALL_BY_CALL = [
    (r"(complex )?(i?r?fftn?|i?hfft)\b.*|power of a spectrum", "keeps memory of its own"),
    (r"(complex )?(inv|solve|det|cholesky|slogdet|pinv|qr|eigh?|eigvals(h)?|svd|svdvals)\b.*", "cuSOLVER"),
    (r"(complex )?matrix_norm, (ord (nuc|-?2)|kept)|matrix_power of -\d|complex matrix_power", "cuSOLVER"),
    (r"sort\b.*", "waits for the device"),
    (r"Identity|(Feature)?(Alpha)?(Dropout[123]?d?|DropPath)\(p=0.5\)|matrix_power of 1", "makes no calls"),
]
NO_ARRAY = "an argument is not an array on the device"  # NumPy has a number where CuPy has an array of shape ()
NAMES = [row.name for row in ROWS]
GPU = pytest.param("cupy", marks=pytest.mark.gpu)


def step_of(row):
    """The row's function and its gradient along fixed directions, as a step."""

    def step(args, dy):
        wanted = testing._wanted(args, row.options.get("argnums"))

        def some(*chosen):
            places = dict(zip(wanted, chosen, strict=True))
            return row.function(*(places.get(n, arg) for n, arg in enumerate(args)))

        y, back = xpnn.vjp(some, *(args[n] for n in wanted))
        return y, [leaf for tree in back(dy) for leaf in flatten(tree)[0]]

    return step


def is_signs(x):
    values = to_host(x)
    return values.size > 1 and bool((abs(values) == 1).all())


def other_numbers(args, number):
    """The arguments with other numbers, as near as kinks allow; models are written into."""

    def changed(x):
        if not is_floating(getattr(x, "dtype", numpy.dtype(int))):
            return x
        if is_signs(x):
            return x  # some losses take no other targets than -1 and 1
        return x * (1 - 0.004 * number)

    def each(tree):
        if isinstance(tree, nn.Module):
            for slot in tree.slots():
                slot.value[...] = changed(slot.value)
            return tree
        if isinstance(tree, dict):
            return {key: each(part) for key, part in tree.items()}
        if isinstance(tree, list | tuple):
            parts = [each(part) for part in tree]
            return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
        return changed(tree)

    return each(args)


def runs(row, place, made=None, **options):
    """Pairs of plain and compiled results, call by call; the plan is put into the list `made`."""
    args = place.put(row.args)
    models = copy.deepcopy(args)  # so that both sides write into models of their own
    step = step_of(row)
    fast = xpnn.compile(step, **options)
    plain_args, fast_args = args, models
    for number in range(5):
        plain_args, fast_args = (other_numbers(a, number) for a in (plain_args, fast_args))
        y = row.function(*plain_args)
        dy = y * 0 + place.put(numpy.cos(numpy.arange(y.size) + number).reshape(y.shape))
        yield step(plain_args, dy), fast(fast_args, dy)
    assert fast.plan() is not None
    if made is not None:
        made.append(fast.plan())


def leaves(result):
    return [numpy.asarray(to_host(leaf)) for leaf in flatten(result)[0]]


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in REFUSED], ids=lambda row: row.name)
def test_row_to_the_last_bit(row):
    for plain, fast in runs(row, PLACES["numpy"], exact=True):
        for a, b in zip(leaves(plain), leaves(fast), strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert numpy.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in REFUSED], ids=lambda row: row.name)
def test_row_with_sums_in_another_order(row):
    for plain, fast in runs(row, PLACES["numpy"]):
        for a, b in zip(leaves(plain), leaves(fast), strict=True):
            assert a.dtype == b.dtype
            # a few roundings of float64 apart, relative to the largest element, since sums may cancel
            scale = numpy.max(numpy.abs(a), initial=1)
            numpy.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13 * scale)


@pytest.mark.parametrize("place", ["strict device1", GPU])
@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in REFUSED], ids=lambda row: row.name)
def test_row_elsewhere(row, place):
    if place not in PLACES:
        pytest.skip("array_api_strict is not installed")
    made = []
    for plain, fast in runs(row, PLACES[place], made, exact=True):
        for a, b in zip(leaves(plain), leaves(fast), strict=True):
            assert a.dtype == b.dtype
            assert numpy.array_equal(a, b, equal_nan=True)
    if place == "cupy":
        reason = made[0].executor.reason
        assert next((words for names, words in CALL_BY_CALL if re.fullmatch(names, row.name)), "") in reason
        assert not reason or any(re.fullmatch(names, row.name) for names, _ in CALL_BY_CALL), reason


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:cupyx.allow_synchronize")  # of CuPy 14
@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in REFUSED], ids=lambda row: row.name)
def test_row_does_not_wait_for_the_gpu(row):
    cupyx, put = pytest.importorskip("cupyx"), PLACES["cupy"].put
    args, step = put(row.args), step_of(row)
    y = row.function(*args)
    dy = y * 0 + put(numpy.cos(numpy.arange(y.size)).reshape(y.shape))
    with cupyx.allow_synchronize(False):  # CuPy raises where the host would wait
        step(args, dy)


@pytest.mark.parametrize("name", GRAPHS)
def test_row_that_must_be_a_graph_is_one_with_the_stand_in(name, monkeypatch, tmp_path):
    def executor(plan, recorder, rewriting, examples):
        return cupy_executor(plan.program, recorder.kept, examples, rewriting, lambda device: OnNumpy(tmp_path))

    monkeypatch.setattr(Plan, "_executor", executor)
    (row,), made = [row for row in ROWS if row.name == name], []
    (plain, _), *_ = runs(row, PLACES["numpy"], made, exact=True)
    assert made[0].executor.reason == ("" if numpy.shape(plain[0]) else NO_ARRAY)


@pytest.mark.gpu
@pytest.mark.parametrize("name", GRAPHS)
def test_row_with_generated_kernels(name):
    (row,), made = [row for row in ROWS if row.name == name], []
    for plain, fast in runs(row, PLACES["cupy"], made):
        for a, b in zip(leaves(plain), leaves(fast), strict=True):
            assert a.dtype == b.dtype
            # a few roundings of float64 apart, relative to the largest element, since sums may cancel
            scale = numpy.max(numpy.abs(a), initial=1)
            numpy.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-12 * scale)
    assert made[0].executor.reason == ""


@pytest.mark.parametrize("name", REFUSED)
def test_row_that_cannot_be_recorded(name):
    row = next(row for row in ROWS if row.name == name)
    with pytest.raises(xpnn.CannotRecord, match="depends on the numbers"):
        list(runs(row, PLACES["numpy"]))


@pytest.mark.parametrize("place", ["numpy", "strict device1", GPU])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name, place):
    if place not in PLACES:
        pytest.skip("array_api_strict is not installed")
    put = PLACES[place].put
    loss = xpnn.value_and_grad(lambda model, x, t: nn.squared_error(model(x), t))
    generator = numpy.random.default_rng(1)
    sides = []
    for compiled in (False, True):
        model = nn.Linear(3, 2, dtype="float64").initialize(seed=1).to(PLACES[place].device)
        optimizer = OPTIMIZERS[name](model)

        def step(x, t, model=model, optimizer=optimizer):
            value, gradients = loss(model, x, t)
            optimizer.step(gradients)
            return value

        sides.append((xpnn.compile(step, state=(model, optimizer), exact=True) if compiled else step, model, optimizer))
    (plain, *own), (fast, *others) = sides
    for _ in range(6):
        x, t = put(generator.standard_normal((5, 3))), put(generator.standard_normal((5, 2)))
        assert to_host(plain(x, t)) == to_host(fast(x, t))
        for mine, other in zip(own, others, strict=True):
            mine, other = mine.state_dict(), other.state_dict()
            assert all(numpy.array_equal(to_host(mine[key]), to_host(other[key])) for key in mine)
    assert fast.plan() is not None
    if place == "cupy":
        assert fast.plan().executor.reason == ""
