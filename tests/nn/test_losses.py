"""Losses: values and gradients as PyTorch's in every reduction and weighting, the hard inputs, and the wrong ones.

Comparisons are in float64 with rtol = atol = 1e-12: sums of some dozen terms of size 1, each with an error of 1e-16.
"""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(3)
REDUCTIONS = ("mean", "sum", "none")
SHAPES = ((4, 3), (4,), (4, 2, 3))
LOSSES = {  # our function, its name in torch.nn.functional, and outputs and targets of a shape
    "squared_error": (nn.squared_error, "mse_loss", RNG.standard_normal, RNG.standard_normal),
    "binary_cross_entropy": (
        nn.binary_cross_entropy,
        "binary_cross_entropy",
        lambda shape: RNG.uniform(0.01, 0.99, shape),
        RNG.random,
    ),
    "binary_cross_entropy_with_logits": (
        nn.binary_cross_entropy_with_logits,
        "binary_cross_entropy_with_logits",
        lambda shape: 3 * RNG.standard_normal(shape),
        RNG.random,
    ),
}
LOGITS = 3 * RNG.standard_normal((5, 4))
LABELS = numpy.asarray([0, 3, 1, 3, 2])
SOFT = RNG.dirichlet(numpy.ones(4), 5)
CLASS_WEIGHT = numpy.asarray([0.2, 1.0, 3.0, 0.5])
SAMPLE_WEIGHT = numpy.asarray([0.5, 2.0, 0.0, 1.0, 4.0])


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these losses")


def close(found, expected):
    numpy.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def weights_like(losses):
    """Fixed numbers that make one number of a loss for each item."""
    return numpy.cos(numpy.arange(losses.size)).reshape(losses.shape)


def ours(loss, y, *args, **options):
    """The value and the gradients with respect to all arguments of floating-point numbers."""
    value = loss(y, *args, **options)
    floats = tuple(n for n, a in enumerate((y, *args)) if a.dtype.kind == "f")
    total = lambda *a: xpnn.namespace_of(*a).sum(loss(*a, **options) * weights_like(value))  # noqa: E731
    return value, *xpnn.grad(total, argnums=floats)(y, *args)


def theirs(torch, loss, y, *args):
    tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in (y, *args)]
    value = loss(*tensors)
    (value * torch.tensor(weights_like(value.detach().numpy()))).sum().backward()
    return value.detach().numpy(), *(t.grad.numpy() for t in tensors if t.requires_grad)


def agree(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        close(a, b)


# Against PyTorch


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_elementwise_losses(torch, name, reduction, shape):
    function, judge, outputs, targets = LOSSES[name]
    judge = getattr(torch.nn.functional, judge)
    y, t = outputs(shape), targets(shape)
    agree(ours(function, y, t, reduction=reduction), theirs(torch, lambda y, t: judge(y, t, reduction=reduction), y, t))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [0.0, 0.3, 1, 5.0])
def test_positive_weight_is_pytorchs_pos_weight(torch, weight, reduction):
    z, t = 3 * RNG.standard_normal((4, 3)), RNG.random((4, 3))
    judge = lambda z, t: torch.nn.functional.binary_cross_entropy_with_logits(  # noqa: E731
        z, t, pos_weight=torch.tensor(weight, dtype=torch.float64), reduction=reduction
    )
    found = ours(nn.binary_cross_entropy_with_logits, z, t, positive_weight=weight, reduction=reduction)
    agree(found, theirs(torch, judge, z, t))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT], ids=["plain", "class_weight"])
@pytest.mark.parametrize("targets", [LABELS, SOFT, 2 * SOFT], ids=["labels", "probabilities", "not normalized"])
def test_cross_entropy(torch, targets, class_weight, reduction):
    weight = None if class_weight is None else torch.tensor(class_weight)
    judge = lambda z, t: torch.nn.functional.cross_entropy(z, t, weight=weight, reduction=reduction)  # noqa: E731
    found = ours(nn.cross_entropy, LOGITS, targets, class_weight=class_weight, reduction=reduction)
    agree(found, theirs(torch, judge, LOGITS, targets))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT], ids=["plain", "class_weight"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
def test_cross_entropy_with_axes_between(torch, soft, class_weight, reduction):
    """Classes are last here and second in PyTorch: (n, height, width, classes) against (n, classes, height, width)."""
    z = RNG.standard_normal((3, 2, 5, 4))
    t = RNG.dirichlet(numpy.ones(4), (3, 2, 5)) if soft else RNG.integers(0, 4, (3, 2, 5))
    weight = None if class_weight is None else torch.tensor(class_weight)

    def judge(z, t):
        t = t.movedim(-1, 1) if soft else t
        return torch.nn.functional.cross_entropy(z.movedim(-1, 1), t, weight=weight, reduction=reduction)

    found = ours(nn.cross_entropy, z, t, class_weight=class_weight, reduction=reduction)
    agree(found, theirs(torch, judge, z, t))


@pytest.mark.parametrize("classes", [None, CLASS_WEIGHT])
def test_cross_entropy_of_one_item(torch, classes):
    weight = None if classes is None else torch.tensor(classes)
    found = ours(nn.cross_entropy, LOGITS[0], numpy.asarray(2), class_weight=classes)
    agree(
        found,
        theirs(torch, lambda z, t: torch.nn.functional.cross_entropy(z, t, weight=weight), LOGITS[0], numpy.asarray(2)),
    )


@pytest.mark.parametrize("p", [0.0, 1e-300, 1e-40, 1 - 1e-16, 1.0])
def test_logarithms_of_probabilities_stop_at_minus_100(torch, p):
    p, t = numpy.asarray([p, p]), numpy.asarray([0.0, 1.0])
    judge = lambda p, t: torch.nn.functional.binary_cross_entropy(p, t, reduction="none")  # noqa: E731
    found, expected = ours(nn.binary_cross_entropy, p, t, reduction="none"), theirs(torch, judge, p, t)
    close(found[0], expected[0])
    # rtol: PyTorch keeps the denominator from 0 by 1e-12 in float32, which is 4e-9 less
    numpy.testing.assert_allclose(found[1], expected[1], rtol=1e-8)
    # with respect to the targets PyTorch's logarithms do not stop; ours are those of the value: dl (log(1-p) - log(p))
    close(found[2], weights_like(p) * (found[0][1] - found[0][0]))


def test_layers_are_their_functions():
    t = RNG.random((5, 4))
    w = SAMPLE_WEIGHT
    for reduction in REDUCTIONS:
        for layer, function, y in (
            (nn.SquaredError, nn.squared_error, LOGITS),
            (nn.BinaryCrossEntropy, nn.binary_cross_entropy, SOFT),
            (nn.BinaryCrossEntropyWithLogits, nn.binary_cross_entropy_with_logits, LOGITS),
            (nn.CrossEntropy, nn.cross_entropy, LOGITS),
        ):
            expected = function(y, t, sample_weight=w, reduction=reduction)
            assert numpy.array_equal(layer(reduction=reduction)(y, t, sample_weight=w), expected)
    assert nn.BinaryCrossEntropyWithLogits(positive_weight=2.0)(LOGITS, t) == nn.binary_cross_entropy_with_logits(
        LOGITS, t, positive_weight=2.0
    )
    assert nn.CrossEntropy(class_weight=CLASS_WEIGHT)(LOGITS, LABELS) == nn.cross_entropy(
        LOGITS, LABELS, class_weight=CLASS_WEIGHT
    )


# Weights of items


def weighted_cases():
    for name, (function, _, outputs, targets) in LOSSES.items():
        for shape in ((5, 3), (5,), (5, 2, 3)):
            yield pytest.param(function, outputs(shape), targets(shape), {}, id=f"{name} {shape}")
    yield pytest.param(nn.cross_entropy, LOGITS, LABELS, {}, id="labels")
    yield pytest.param(nn.cross_entropy, LOGITS, SOFT, {}, id="probabilities")
    yield pytest.param(nn.cross_entropy, LOGITS, SOFT, {"class_weight": CLASS_WEIGHT}, id="probabilities by class")
    z, t = RNG.standard_normal((5, 3, 4)), RNG.integers(0, 4, (5, 3))
    yield pytest.param(nn.cross_entropy, z, t, {}, id="labels (5, 3)")


WEIGHTED = list(weighted_cases())


@pytest.mark.parametrize(("function", "y", "t", "options"), WEIGHTED)
def test_sample_weight_is_a_weighted_mean(function, y, t, options):
    items = function(y, t, reduction="none", **options)
    w = SAMPLE_WEIGHT.reshape(-1, *(1,) * (items.ndim - 1)) + 0 * items
    weighted = lambda reduction: function(  # noqa: E731
        y, t, sample_weight=SAMPLE_WEIGHT, reduction=reduction, **options
    )
    close(weighted("none"), w * items)
    close(weighted("sum"), (w * items).sum())
    close(weighted("mean"), numpy.average(items, weights=w))


def test_sample_and_class_weights_multiply():
    items = nn.cross_entropy(LOGITS, LABELS, reduction="none")
    w = SAMPLE_WEIGHT * CLASS_WEIGHT[LABELS]
    options = {"sample_weight": SAMPLE_WEIGHT, "class_weight": CLASS_WEIGHT}
    close(nn.cross_entropy(LOGITS, LABELS, **options), (w * items).sum() / w.sum())
    close(nn.cross_entropy(LOGITS, LABELS, reduction="sum", **options), (w * items).sum())
    close(nn.cross_entropy(LOGITS, LABELS, reduction="none", **options), w * items)


@pytest.mark.parametrize(("function", "y", "t", "options"), WEIGHTED)
def test_a_weight_of_2_is_an_item_twice_and_of_0_none(function, y, t, options):
    rows = [0, 1, 1, 3]
    weight = numpy.asarray([1.0, 2.0, 0.0, 1.0, 0.0])
    value, gradient = xpnn.value_and_grad(lambda y: function(y, t, sample_weight=weight, **options))(y)
    expected, parts = xpnn.value_and_grad(lambda y: function(y, t[rows], **options))(y[rows])
    close(value, expected)
    close(gradient[[0, 1, 3]], [parts[0], parts[1] + parts[2], parts[3]])
    assert not gradient[[2, 4]].any()


@pytest.mark.parametrize(("function", "y", "t", "options"), WEIGHTED)
def test_when_all_weights_are_zero_the_mean_is_zero(function, y, t, options):
    value, gradient = xpnn.value_and_grad(lambda y: function(y, t, sample_weight=numpy.zeros(5), **options))(y)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize(("function", "y", "t", "options"), WEIGHTED)
def test_a_batch_in_two_parts_weighted_by_items_is_the_batch(function, y, t, options):
    """The mean of means of unequal parts is not the mean; sums are, and so are means times their weights."""
    sums = [function(y[part], t[part], reduction="sum", **options) for part in (slice(0, 3), slice(3, 5))]
    close(sum(sums), function(y, t, reduction="sum", **options))
    means = [function(y[part], t[part], **options) for part in (slice(0, 3), slice(3, 5))]
    close((3 * means[0] + 2 * means[1]) / 5, function(y, t, **options))


@pytest.mark.parametrize("kind", ["float32", "int64", "bool"])
def test_weights_of_other_dtypes_promote_nothing(kind):
    z = LOGITS.astype("float32")
    options = {"sample_weight": numpy.asarray([1, 0, 1, 1, 0]).astype(kind)}
    expected = nn.cross_entropy(z[[0, 2, 3]], LABELS[[0, 2, 3]])
    found = nn.cross_entropy(z, LABELS, **options)
    assert found.dtype == "float32"
    numpy.testing.assert_allclose(found, expected, rtol=1e-6)  # float32
    for t in (LABELS, SOFT.astype("float32")):
        value, gradient = xpnn.value_and_grad(nn.cross_entropy)(z, t, class_weight=numpy.ones(4), **options)
        assert (value.dtype, gradient.dtype) == ("float32", "float32")


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint16", "int64"])
def test_labels_of_any_integer_kind(kind):
    z = RNG.standard_normal((2, 300))  # more classes than uint8 can count
    labels = numpy.asarray([5, 44])
    expected = xpnn.value_and_grad(nn.cross_entropy)(z, labels)
    agree(xpnn.value_and_grad(nn.cross_entropy)(z, labels.astype(kind)), expected)
