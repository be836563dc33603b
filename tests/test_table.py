"""The common table: every operation, layer and loss is one row, and a row buys every check of `xpnn.testing`.

Checked on NumPy, read-only NumPy inputs, array_api_strict's device1 and, where there is one, a GPU: gradient and
second derivative against central differences in float64, equal numbers everywhere, float32 kept, inputs left alone,
strided and empty inputs.
"""

import re
from dataclasses import dataclass

import numpy
import pytest

import xpnn
from xpnn import nn, optim, special, testing
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.tree import flatten

RNG = numpy.random.default_rng(20)


def normal(*shape):
    """Numbers away from 0, where kinks are."""
    x = RNG.standard_normal(shape)
    return x + 0.1 * numpy.sign(x)


def positive(*shape):
    return RNG.uniform(0.5, 2.0, shape)


def inside(*shape):
    return RNG.uniform(-0.9, 0.9, shape)


def phasor(*shape):
    return normal(*shape) + 1j * normal(*shape)


def std(name, **options):
    """A function of the standard, found from its arguments."""
    path = name.split(".")

    def function(*args):
        found = namespace_of(*args)
        for part in path:
            found = getattr(found, part)
        return found(*args, **options)

    return function


@dataclass
class Row:
    name: str
    function: object
    args: tuple
    options: dict


ROWS = []


def row(name, function, *args, **options):
    ROWS.append(Row(name, function, args, options))


# Elementwise
for name in (
    "exp",
    "expm1",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "atan",
    "square",
    "negative",
    "positive",
    "abs",
):
    row(name, std(name), normal(3, 4))
    row(f"{name} of ()", std(name), numpy.asarray(0.7))
for name in ("log", "log1p", "log2", "log10", "sqrt", "reciprocal"):
    row(name, std(name), positive(3, 4))
for name in ("asin", "acos", "atanh"):
    row(name, std(name), inside(3, 4))
row("acosh", std("acosh"), 1 + positive(3, 4))
for name in (
    "exp",
    "log",
    "sqrt",
    "sin",
    "tanh",
    "square",
    "reciprocal",
    "conj",
    "real",
    "imag",
    "abs",
    "acosh",
    "atan",
    "sign",
):
    row(f"complex {name}", std(name), phasor(3, 2))
for name in "add subtract multiply divide maximum minimum logaddexp hypot atan2 copysign nextafter".split():
    row(name, std(name), normal(3, 4), normal(3, 4))
    row(f"{name} broadcast", std(name), normal(3, 4), normal(4), empty=False)
    row(f"{name} with ()", std(name), normal(3, 4), numpy.asarray(0.3))
row("pow", std("pow"), positive(3, 4), normal(3, 4))
row("pow by 3", lambda x: x**3, normal(3, 4))
row("2 to the power", lambda x: 2.0**x, normal(3, 4))
row("remainder", std("remainder"), normal(3, 4), 3 + positive(3, 4))
row("complex multiply", std("multiply"), phasor(3, 2), phasor(2), empty=False)
row("complex divide", std("divide"), phasor(3, 2), phasor(3, 2))
row("complex times real", std("multiply"), phasor(3, 2), normal(3, 2))
row("complex pow", std("pow"), phasor(3, 2), phasor(3, 2))
row("where", lambda x, y: namespace_of(x, y).where(x > 0, x * y, y), normal(3, 4), normal(3, 4))
row("clip", std("clip", min=-0.5, max=0.5), normal(5, 4))
row(
    "clip by arrays",
    lambda x, a, b: namespace_of(x, a, b).clip(x, a, b),
    2 * normal(3, 4),
    -positive(3, 4),
    positive(3, 4),
)
row("numbers", lambda x: 1 - (2 + x * 3 - 1) / 2 + (1 / (x + 5)), normal(3, 4))

# Reductions
for name in ("sum", "mean", "prod", "max", "min", "std", "var"):
    row(name, std(name), normal(3, 4), empty=name in ("sum", "prod"))
    row(f"{name} of axis 0", std(name, axis=0), normal(3, 4), empty=False)
    row(f"{name} of the last axes", std(name, axis=(-1, 1), keepdims=True), normal(2, 3, 4))
row("var with correction", std("var", correction=1.0, axis=1), normal(3, 4))
row("std with correction", std("std", correction=1.0, axis=1), normal(3, 4))
row("cumulative_sum", std("cumulative_sum", axis=1), normal(3, 4))
row("cumulative_sum with initial", std("cumulative_sum", axis=0, include_initial=True), normal(3, 4), empty=False)
row("vector_norm", std("linalg.vector_norm", axis=1), normal(3, 4))
row("logsumexp", lambda x: special.logsumexp(x, axis=1), normal(3, 4))
row("logsumexp of all", special.logsumexp, normal(3, 4), empty=False)

# Shaping
row("reshape", lambda x: namespace_of(x).reshape(x, (-1, 2)), normal(3, 4))
row("permute_dims", lambda x: namespace_of(x).permute_dims(x, (2, 0, 1)), normal(2, 3, 4))
row("permute_dims by negative axes", lambda x: namespace_of(x).permute_dims(x, (-1, 0, -2)), normal(2, 3, 4))
row("roll of two axes", lambda x: namespace_of(x).roll(x, (1, -1), axis=(0, 1)), normal(3, 4))
row("roll of all", lambda x: namespace_of(x).roll(x, 2), normal(3, 4))
row("matrix_transpose", std("matrix_transpose"), normal(2, 3, 4))
row("T", lambda x: x.T, normal(3, 4))
row("moveaxis", lambda x: namespace_of(x).moveaxis(x, 0, 2), normal(2, 3, 4))
row(
    "expand_dims and squeeze",
    lambda x: namespace_of(x).squeeze(namespace_of(x).expand_dims(x, axis=1), axis=1),
    normal(3, 4),
)
row("broadcast_to", lambda x: namespace_of(x).broadcast_to(x, (2, *x.shape)), normal(3, 4))
row("flip", std("flip", axis=1), normal(3, 4))
row("roll", lambda x: namespace_of(x).roll(x, 1, axis=1), normal(3, 4))
row("tile", lambda x: namespace_of(x).tile(x, (2, 1, 2)), normal(3, 4))
row("repeat", lambda x: namespace_of(x).repeat(x, 2, axis=1), normal(3, 4))
row("tril and triu", lambda x: namespace_of(x).tril(x) - 2 * namespace_of(x).triu(x, k=1), normal(3, 4))
row("concat", lambda x, y: namespace_of(x, y).concat([x, y, x], axis=0), normal(3, 4), normal(2, 4))
row("stack", lambda x, y: namespace_of(x, y).stack([x, y, x], axis=1), normal(3, 4), normal(3, 4))
row("unstack", lambda x: namespace_of(x).unstack(x, axis=1)[1], normal(3, 4))
row("diff", std("diff", axis=1, n=2), normal(3, 4))
row("astype", lambda x: namespace_of(x).astype(x, x.dtype), normal(3, 4))

# Indexing
row("slice", lambda x: x[1:, ::2], normal(3, 4), empty=False)
row("ellipsis and newaxis", lambda x: x[..., None, 1], normal(3, 4))
row("integer", lambda x: x[1, ...], normal(3, 4), empty=False)
row("boolean mask", lambda x: x[x > 0], normal(3, 4))
TAKEN = numpy.asarray([0, 2, 2])
row("take of axis 0", lambda x, i: namespace_of(x).take(x, i, axis=0), normal(3, 4, 2), TAKEN, empty=False)
row("take", lambda x, i: namespace_of(x).take(x, i, axis=1), normal(3, 4), TAKEN, empty=False)
row(
    "integer arrays",
    lambda x, i, j: x[i, j],
    normal(3, 4),
    numpy.asarray([0, 1, 1]),
    numpy.asarray([3, 2, 2]),
    empty=False,
)
row(
    "take_along_axis",
    lambda x, i: namespace_of(x).take_along_axis(x, i, axis=1),
    normal(3, 4),
    numpy.asarray([[0, 0], [1, 2], [3, 0]]),
)

# Linear algebra
row("matmul", std("matmul"), normal(3, 4), normal(4, 2), empty=False)
row("matmul of stacks", std("matmul"), normal(2, 3, 4), normal(4, 2), empty=False)
row("matmul of broadcast stacks", std("matmul"), normal(1, 3, 4), normal(2, 4, 2), empty=False)
row("matrix times vector", std("matmul"), normal(3, 4), normal(4), empty=False)
row("vector times matrix", std("matmul"), normal(3), normal(3, 4), empty=False)
row("vector times stack", std("matmul"), normal(3), normal(2, 3, 4), empty=False)
row("stack times vector", std("matmul"), normal(2, 3, 4), normal(4), empty=False)
row("complex vector times stack", std("matmul"), phasor(3), phasor(2, 3, 2), empty=False)
row("vector times vector", std("matmul"), normal(3), normal(3), empty=False)
row("complex matmul", std("matmul"), phasor(3, 4), phasor(4, 2), empty=False)
row(
    "tensordot",
    lambda x, y: namespace_of(x, y).tensordot(x, y, axes=((1, 2), (1, 0))),
    normal(2, 3, 4),
    normal(4, 3, 2),
    empty=False,
)
row("vecdot", std("vecdot"), normal(3, 4), normal(3, 4))
row("complex vecdot", std("vecdot"), phasor(3, 4), phasor(3, 4))
row("outer", std("linalg.outer"), normal(3), normal(4), empty=False)
row("trace", std("linalg.trace"), normal(2, 3, 3))

# Special functions and activations
for function in (
    special.expit,
    special.softplus,
    special.ndtr,
    nn.relu,
    nn.leaky_relu,
    nn.gelu,
    nn.softmax,
    nn.log_softmax,
):
    row(function.__name__, function, normal(3, 4))
row("nn.tanh", nn.tanh, normal(3, 4))
row("gelu, tanh form", lambda x: nn.gelu(x, approximate="tanh"), normal(3, 4))
row("softmax of axis 0", lambda x: nn.softmax(x, axis=0), normal(3, 4), empty=False)
row("dropout", lambda x: nn.dropout(x, 0.3, seed=1, step=2), normal(5, 4))

# Layers
for layer in (
    nn.Sigmoid(),
    nn.Tanh(),
    nn.ReLU(),
    nn.LeakyReLU(0.2),
    nn.GELU(),
    nn.Softmax(),
    nn.LogSoftmax(),
    nn.Dropout(0.5).eval(),
):
    row(repr(layer), lambda layer, x: layer(x), layer, normal(3, 4))
row("Linear", lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=1), normal(3, 4))
row("Linear without bias", lambda layer, x: layer(x), nn.Linear(4, 2, bias=False).initialize(seed=1), normal(3, 4))
row("Linear of stacks", lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=1), normal(2, 3, 4))
row("linear", nn.linear, normal(3, 4), normal(2, 4), normal(2), empty=False)
row("Linear of one item", lambda layer, x: layer(x), nn.Linear(4, 2).initialize(seed=1), normal(4), empty=False)
row(
    "Sequential",
    lambda model, x: model(x),
    nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).initialize(seed=1),
    normal(3, 4),
)

# Losses
LABELS = numpy.asarray([2, 0, 1])
WEIGHTS = numpy.asarray([0.5, 2.0, 1.0])
SOFT = RNG.dirichlet(numpy.ones(4), 3)
for reduction in ("mean", "sum", "none"):
    options = {"empty": reduction != "mean"}
    row(
        f"squared_error, {reduction}",
        lambda y, t, r=reduction: nn.squared_error(y, t, reduction=r),
        normal(3, 2),
        normal(3, 2),
        **options,
    )
    row(
        f"binary_cross_entropy, {reduction}",
        lambda p, t, r=reduction: nn.binary_cross_entropy(p, t, reduction=r),
        RNG.uniform(0.1, 0.9, (3, 2)),
        RNG.uniform(0, 1, (3, 2)),
        **options,
    )
    row(
        f"binary_cross_entropy_with_logits, {reduction}",
        lambda z, t, r=reduction: nn.binary_cross_entropy_with_logits(z, t, reduction=r),
        normal(3, 2),
        RNG.uniform(0, 1, (3, 2)),
        **options,
    )
    row(
        f"cross_entropy of labels, {reduction}",
        lambda z, t, r=reduction: nn.cross_entropy(z, t, reduction=r),
        normal(3, 4),
        LABELS,
        **options,
    )
    row(
        f"cross_entropy of probabilities, {reduction}",
        lambda z, t, r=reduction: nn.cross_entropy(z, t, reduction=r),
        normal(3, 4),
        SOFT,
        **options,
    )
    row(
        f"cross_entropy, weighted, {reduction}",
        lambda z, t, c, w, r=reduction: nn.cross_entropy(z, t, class_weight=c, sample_weight=w, reduction=r),
        normal(3, 4),
        LABELS,
        positive(4),
        WEIGHTS,
        argnums=0,
        empty=False,
    )
row(
    "squared_error, weighted",
    lambda y, t, w: nn.squared_error(y, t, sample_weight=w),
    normal(3, 2),
    normal(3, 2),
    WEIGHTS,
    empty=False,
)
row(
    "binary_cross_entropy_with_logits, positive_weight",
    lambda z, t: nn.binary_cross_entropy_with_logits(z, t, positive_weight=3.0),
    normal(3, 2),
    RNG.uniform(0, 1, (3, 2)),
    empty=False,
)
for layer, args in (
    (nn.SquaredError(), (normal(3, 2), normal(3, 2))),
    (nn.BinaryCrossEntropy(), (inside(3, 2) / 2 + 0.5, SOFT[:, :2])),
    (nn.BinaryCrossEntropyWithLogits(), (normal(3, 2), SOFT[:, :2])),
    (nn.CrossEntropy(), (normal(3, 4), LABELS)),
):
    row(type(layer).__name__, lambda loss, y, t: loss(y, t), layer, *args, empty=False)

# Optimizers
OPTIMIZERS = {
    "SGD": lambda model: optim.SGD(model, learning_rate=0.1),
    "SGD with momentum": lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.5),
    "SGD with Nesterov's": lambda model: optim.SGD(
        model, learning_rate=0.1, momentum=0.5, nesterov=True, weight_decay=0.1
    ),
    "Adam": lambda model: optim.Adam(model, learning_rate=0.1, epsilon=1e-2, weight_decay=0.1),
    "AdamW": lambda model: optim.AdamW(model, learning_rate=0.1, weight_decay=0.1),
    "Adam in groups": lambda model: optim.Adam(model, learning_rate=0.1, groups={"bias": {"learning_rate": 0.01}}),
}
for name, schedule in (
    ("constant", optim.constant(0.1)),
    ("step_decay", optim.step_decay(0.1, steps=2)),
    ("exponential_decay", optim.exponential_decay(0.1, factor=0.5)),
    ("cosine_decay", optim.cosine_decay(0.1, steps=4)),
    ("warmup", optim.warmup(0.1, steps=3)),
):
    OPTIMIZERS[f"SGD, {name}"] = lambda model, schedule=schedule: optim.SGD(model, learning_rate=schedule)

PLACES = {place.name: place for place in testing.places()}
NAMES = [row.name for row in ROWS]


@pytest.mark.parametrize("place", ["read-only numpy", "strict device1"])
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_row(row, place):
    if place not in PLACES:
        pytest.skip("array_api_strict is not installed")
    testing.check(row.function, *row.args, where=[PLACES["numpy"], PLACES[place]], **row.options)


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_gradient_can_be_differentiated_by_the_one_it_comes_from(row):
    # x is not differentiated by here, so that backward functions meet a Tensor beside plain arrays
    args = PLACES["numpy"].put(row.args)
    wanted = testing._wanted(args, row.options.get("argnums"))
    y, back = xpnn.vjp(lambda *some: row.function(*_with(args, wanted, some)), *(args[n] for n in wanted))
    leaves = lambda dy: [leaf for tree in back(dy) for leaf in flatten(tree)[0] if leaf.size]  # noqa: E731
    weights = [RNG.standard_normal(leaf.shape) for leaf in leaves(y)]

    def weighted(dy):
        parts = [namespace_of(leaf).sum(leaf * w) for leaf, w in zip(leaves(dy), weights, strict=True)]
        total = sum(parts[1:], parts[0])
        return namespace_of(total).real(total) if "complex" in str(total.dtype) else total

    # backward functions are linear: the derivative along y is the function itself
    along = numpy.sum(numpy.real(numpy.conj(xpnn.grad(weighted)(y)) * y))
    numpy.testing.assert_allclose(along, weighted(y), rtol=1e-9, atol=1e-9)


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
    from xpnn.autodiff.namespace import STANDARD_RULES

    # a row's first word says what it is about, after "complex"
    tested = {name.removeprefix("complex ").split()[0].strip(",") for name in NAMES}
    missing = [
        name
        for name in STANDARD_RULES
        if name not in tested and name not in ("broadcast_arrays", "squeeze", "expand_dims", "triu")
    ]
    assert not missing


def test_every_optimizer_and_schedule_has_a_row():
    tested = {word for name in OPTIMIZERS for word in re.findall(r"\w+", name)}
    skipped = {"Optimizer", "Schedule", "clip_by_global_norm", "global_norm"}
    assert not [name for name in optim.__all__ if name not in skipped and name not in tested]


def test_public_layers_and_losses_have_a_row():
    tested = {re.match(r"\w+", name.removeprefix("nn."))[0] for name in NAMES}  # the first word, not a part of one
    skipped = {"Module", "Parameter", "Buffer", "initializers", "sigmoid"}
    assert not [name for name in nn.__all__ if name not in skipped and name not in tested]
    assert nn.sigmoid is xpnn.special.expit
