"""Losses where naive formulas overflow, divide by zero or take the wrong input; float32, warnings are errors."""

import numpy
import pytest

import xpnn
from xpnn import nn

INF = numpy.inf
FUNCTIONS = (nn.squared_error, nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits, nn.cross_entropy)
LAYERS = (nn.SquaredError, nn.BinaryCrossEntropy, nn.BinaryCrossEntropyWithLogits, nn.CrossEntropy)


def f32(*numbers):
    return numpy.asarray(numbers, dtype="float32")


def both(function, *args, **options):
    """The value and the gradient with respect to the outputs, in float32."""
    value, gradient = xpnn.value_and_grad(lambda y: function(y, *args[1:], **options))(args[0])
    assert (value.dtype, gradient.dtype) == ("float32", "float32")
    return value, gradient


# Binary cross-entropy

# logit, target, loss, gradient: max(z, 0) - z t + log(1 + e^-|z|), sigmoid(z) - t
EXTREME_LOGITS = [
    (17.5, 0.0, 17.5, 1.0),  # sigmoid(17.5) is 1 in float32: from probabilities the loss would be infinite
    (100.0, 0.0, 100.0, 1.0),
    (100.0, 1.0, 0.0, 0.0),
    (-100.0, 0.0, 0.0, 0.0),
    (-100.0, 1.0, 100.0, -1.0),
    (1e4, 0.0, 1e4, 1.0),
    (-1e4, 1.0, 1e4, -1.0),
    (-20.0, 0.0, 2.0611537e-9, 2.0611537e-9),
    (-INF, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("z", "t", "loss", "slope"), EXTREME_LOGITS[:-1])
@pytest.mark.parametrize("positive_weight", [1.0, 3.0])
def test_extreme_logits(z, t, loss, slope, positive_weight):
    factor = positive_weight if t == 1 else 1.0
    options = {"positive_weight": positive_weight}
    value, gradient = both(nn.binary_cross_entropy_with_logits, f32(z), f32(t), **options)
    numpy.testing.assert_allclose(value, factor * loss, rtol=1e-6, atol=1e-12)  # float32
    numpy.testing.assert_allclose(gradient[0], factor * slope, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("p", "t", "loss", "slope"), [(0.0, 1.0, 100, -1e12), (1.0, 0.0, 100, 1e12), (0.0, 0.0, 0, 0), (1.0, 1.0, 0, 0)]
)
def test_probabilities_of_0_and_1_as_in_pytorch(p, t, loss, slope):
    value, gradient = both(nn.binary_cross_entropy, f32(p), f32(t))
    assert value == loss
    numpy.testing.assert_allclose(gradient, [slope], rtol=1e-6)  # float32


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("p", [0.0, 1e-7, 0.3, 0.9, 1.0])
def test_second_derivatives_of_probabilities_are_pytorchs(p, t):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these derivatives")
    x = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy(x, torch.tensor([t], dtype=torch.float64))
    (slope,) = torch.autograd.grad(loss, x, create_graph=True)
    (expected,) = torch.autograd.grad(slope.sum(), x)
    slope = xpnn.grad(lambda p: nn.binary_cross_entropy(p, numpy.asarray([t])))
    found = xpnn.grad(lambda p: slope(p)[0])(numpy.asarray([p]))
    numpy.testing.assert_allclose(found, expected, rtol=3e-5)  # PyTorch adds 1e-12 to p (1 - p), ours is at least that


def test_tiny_probabilities_are_not_cut():
    value, gradient = both(nn.binary_cross_entropy, f32(1e-30), f32(1))
    numpy.testing.assert_allclose(value, 30 * numpy.log(10), rtol=1e-6)  # float32
    assert numpy.isfinite(gradient).all()


# Cross-entropy


@pytest.mark.parametrize("scale", [1e4, -1e4, 1e38])
def test_extreme_logits_of_classes(scale):
    z = f32([scale, 0, scale], [scale, 0, scale])
    t = numpy.asarray([0, 1])
    expected = (numpy.log(2), scale + numpy.log(2)) if scale > 0 else (-scale, 0.0)
    for targets in (t, numpy.eye(3, dtype="float32")[t]):
        losses = nn.cross_entropy(z, targets, reduction="none")
        numpy.testing.assert_allclose(losses, expected, rtol=1e-6)  # float32
        _, gradient = both(nn.cross_entropy, z, targets, reduction="sum")
        share = (0.5, 0, 0.5) if scale > 0 else (0, 1, 0)
        numpy.testing.assert_allclose(gradient, share - numpy.eye(3)[t], atol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_a_masked_class_that_is_not_the_target_costs_nothing(soft):
    """PyTorch gives NaN for probabilities, 0 times -inf."""
    z, t = f32([0.0, 0.0, -INF]), numpy.asarray([1])
    targets = numpy.eye(3, dtype="float32")[t] if soft else t
    value, gradient = both(nn.cross_entropy, z, targets)
    numpy.testing.assert_allclose(value, numpy.log(2), rtol=1e-6)
    numpy.testing.assert_allclose(gradient, [[0.5, -0.5, 0]], rtol=1e-6)


@pytest.mark.parametrize("z", [[0.0, -INF], [-INF, -INF]])
def test_a_masked_target_is_an_infinite_loss_without_nan(z):
    value, gradient = both(nn.cross_entropy, f32(z), numpy.asarray([1]))
    assert value == INF
    assert numpy.isfinite(gradient).all()


@pytest.mark.parametrize("label", [-1, 3, 4, -100])
def test_labels_out_of_range(label):
    with pytest.raises(ValueError, match=f"expected labels from 0 to 2 for 3 classes, got {label}"):
        nn.cross_entropy(numpy.zeros((2, 3)), numpy.asarray([0, label]))


# Squared error


def test_large_differences():
    value, gradient = both(nn.squared_error, f32(1e18), f32(-1e18))
    numpy.testing.assert_allclose([value, gradient[0]], [4e36, 4e18], rtol=1e-6)


def test_a_float32_mean_of_many():
    y = numpy.full(1_000_003, 0.1, dtype="float32")
    # rtol: float32, with room for 20 levels of pairwise summation
    numpy.testing.assert_allclose(nn.squared_error(y, 0 * y), 0.01, rtol=1e-5)


# Empty batches


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_an_empty_batch(function, weighted):
    y = numpy.zeros((0, 3), dtype="float32")
    options = {"sample_weight": y[:, 0]} if weighted else {}
    with pytest.raises(ValueError, match=r"the mean loss of an empty batch is not defined: got losses of shape \(0"):
        function(y, y, **options)
    value, gradient = both(function, y, y, reduction="sum", **options)
    assert value == 0
    assert gradient.shape == (0, 3)
    assert function(y, y, reduction="none", **options).shape[0] == 0


@pytest.mark.parametrize("options", [{}, {"class_weight": numpy.ones(3)}])
def test_an_empty_batch_of_labels(options):
    z, t = numpy.zeros((0, 3)), numpy.zeros(0, dtype="int64")
    with pytest.raises(ValueError, match="empty batch"):
        nn.cross_entropy(z, t, **options)
    assert nn.cross_entropy(z, t, reduction="sum", **options) == 0
    assert nn.cross_entropy(z, t, reduction="none", **options).shape == (0,)


# What is refused

Y = numpy.zeros((4, 3))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(4,), (4, 1), (3,), (1, 3), (), (3, 4), (4, 3, 1)])
def test_nothing_is_broadcast(function, shape):
    with pytest.raises(ValueError, match="of one shape, got") as caught:
        function(Y, numpy.zeros(shape))
    assert f"got (4, 3) and {shape}" in str(caught.value)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "bool", "complex128"])
def test_targets_of_another_dtype(function, dtype):
    with pytest.raises(TypeError, match=f"expected targets of dtype float64, as the outputs, got {dtype}: convert"):
        function(Y, Y.astype(dtype))


@pytest.mark.parametrize("function", FUNCTIONS[:3])
def test_integer_targets(function):
    with pytest.raises(TypeError, match="expected targets of dtype float64, as the outputs, got int64: convert"):
        function(Y, Y.astype("int64"))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [[[0.0]], 0.0, None, "y"])
def test_only_arrays_come_in(function, bad):
    for args in ((bad, Y), (Y, bad), (bad, bad)):
        with pytest.raises(TypeError, match="expected"):
            function(*args)


@pytest.mark.parametrize("shape", [(3,), (5,), (), (4, 1), (4, 3)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_sample_weights_are_one_for_each_item(function, shape):
    with pytest.raises(ValueError, match=r"sample_weight of shape \(4,\), one per item, got") as caught:
        function(Y, Y, sample_weight=numpy.ones(shape))
    assert str(caught.value).endswith(str(shape))
    with pytest.raises(TypeError, match="expected an array, got a list"):
        function(Y, Y, sample_weight=[1.0] * 4)


@pytest.mark.parametrize("shape", [(4,), (), (1,), (1, 3), (4, 3)])
@pytest.mark.parametrize("t", [numpy.zeros(4, dtype="int64"), Y], ids=["labels", "probabilities"])
def test_class_weights_are_one_for_each_class(t, shape):
    with pytest.raises(ValueError, match=r"cross_entropy expected class_weight of shape \(3,\), got") as caught:
        nn.cross_entropy(Y, t, class_weight=numpy.ones(shape))
    assert str(caught.value).endswith(str(shape))


@pytest.mark.parametrize("shape", [(3,), (4, 1), (4, 3), ()])
def test_labels_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"labels of shape \(4,\) for logits of shape \(4, 3\), got") as caught:
        nn.cross_entropy(Y, numpy.zeros(shape, dtype="int64"))
    assert str(caught.value).split(", got ")[1].split(":")[0] == str(shape)


@pytest.mark.parametrize("shape", [(), (0,), (4, 0)])
def test_logits_without_classes(shape):
    with pytest.raises(ValueError, match=r"expected logits of shape \(n, ..., classes\), got"):
        nn.cross_entropy(numpy.zeros(shape), numpy.zeros(shape[:-1], dtype="int64"))


@pytest.mark.parametrize("reduction", ["avg", "", None, True])
def test_another_reduction(reduction):
    message = f"reduction is 'mean', 'sum' or 'none', got {reduction!r}"
    for function, layer in zip(FUNCTIONS, LAYERS, strict=True):
        with pytest.raises(ValueError, match=message):
            function(Y, Y, reduction=reduction)
        with pytest.raises(ValueError, match=message):
            layer(reduction=reduction)


@pytest.mark.parametrize("weight", [-1.0, numpy.nan, INF])
def test_a_positive_weight_out_of_range(weight):
    with pytest.raises(ValueError, match=f"expected positive_weight of 0 or more, got {weight}"):
        nn.binary_cross_entropy_with_logits(Y, Y, positive_weight=weight)
    with pytest.raises(ValueError, match=f"expected positive_weight of 0 or more, got {weight}"):
        nn.BinaryCrossEntropyWithLogits(positive_weight=weight)


@pytest.mark.parametrize("weight", ["2", None, [1.0, 1.0], True])
def test_a_positive_weight_that_is_no_number(weight):
    with pytest.raises(TypeError, match="expected positive_weight to be a number, got"):
        nn.binary_cross_entropy_with_logits(Y, Y, positive_weight=weight)


A = numpy.asarray([1.0, 2.0])
SIGNS = numpy.asarray([1.0, -1.0])
TIES = {  # just at the margin: ours, PyTorch's, the arrays, how many of them have a derivative
    "margin_ranking": (nn.margin_ranking, "margin_ranking_loss", (A, A, SIGNS), 2),
    "hinge_embedding": (nn.hinge_embedding, "hinge_embedding_loss", (numpy.ones(2), SIGNS), 1),
    "cosine_embedding": (
        nn.cosine_embedding,
        "cosine_embedding_loss",
        (numpy.asarray([[1.0, 0.0]]), numpy.asarray([[0.0, 1.0]]), -numpy.ones(1)),
        2,
    ),
    "multi_margin": (nn.multi_margin, "multi_margin_loss", (numpy.asarray([[2.0, 1.0]]), numpy.asarray([0])), 1),
    "triplet_margin": (
        lambda *arrays: nn.triplet_margin(*arrays, epsilon=0.0),
        "triplet_margin_loss",
        (numpy.zeros((1, 2)), numpy.asarray([[3.0, 4.0]]), numpy.asarray([[6.0, 0.0]])),
        3,
    ),
}


@pytest.mark.parametrize("name", TIES)
def test_the_slope_just_at_the_margin_is_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these losses")
    ours, theirs, arrays, trained = TIES[name]
    tensors = [torch.tensor(x, requires_grad=n < trained) for n, x in enumerate(arrays)]
    options = {"eps": 0.0} if name == "triplet_margin" else {}
    getattr(torch.nn.functional, theirs)(*tensors, **options).backward()
    for n in range(trained):
        slope = xpnn.grad(lambda x, n=n: ours(*arrays[:n], x, *arrays[n + 1 :]))(arrays[n])
        numpy.testing.assert_allclose(slope, tensors[n].grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("q", [0.0, 0.3, 1.0])
def test_the_quantile_error_of_infinite_differences(q):
    y, t = f32(0.0, 0.0, 1.0), f32(INF, -INF, 1.0)
    value = nn.quantile_error(y, t, q=q, reduction="none")
    numpy.testing.assert_array_equal(value, [INF if q > 0 else 0, INF if q < 1 else 0, 0])
    slope = xpnn.grad(lambda y: nn.quantile_error(y, t, q=q, reduction="sum"))(y)
    numpy.testing.assert_allclose(slope, [-q, 1 - q, 0.5 - q], rtol=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("z", "t"), [(120.0, 1.0), (-120.0, 0.0), (1e4, 1.0), (120.0, 0.0), (-120.0, 1.0)])
def test_the_focal_loss_of_what_is_certain(gamma, z, t):
    value, gradient = both(nn.focal_cross_entropy, f32(z), f32(t), gamma=gamma, alpha=None)
    right = (z > 0) == (t == 1)
    numpy.testing.assert_allclose(value, 0.0 if right else abs(z), rtol=1e-6, atol=1e-20)
    numpy.testing.assert_allclose(gradient, [0.0 if right else numpy.sign(z)], rtol=1e-6, atol=1e-20)


def test_cross_entropy_keeps_the_digits_of_tiny_probabilities():
    value, _ = both(nn.binary_cross_entropy, f32(1e-9), f32(0.0))
    numpy.testing.assert_allclose(value, 1e-9, rtol=1e-6)  # log(1 - 1e-9) is 0 in float32, log1p(-1e-9) is not


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (nn.cross_entropy, numpy.arange(3)),
        (nn.multi_margin, numpy.arange(3)),
        (nn.multi_label_soft_margin, numpy.eye(3)),
    ],
)
def test_class_weights_that_are_no_array(loss, targets):
    with pytest.raises(TypeError, match="list"):
        loss(numpy.ones((3, 3)), targets, class_weight=[1, 2, 3])


def test_a_negative_variance_is_refused():
    y, variance = numpy.ones((4, 1)), numpy.asarray([[1.0], [0.0], [2.0], [numpy.nan]])

    def loss(y, variance):
        return nn.gaussian_negative_log_likelihood(y, numpy.zeros((4, 1)), variance, reduction="sum")

    compiled = xpnn.compile(loss)
    for run in (loss, compiled, compiled, xpnn.grad(loss)):
        run(y, variance)
        with pytest.raises(ValueError, match=r"variance of 0 or more, got -1\.0"):
            run(y, numpy.asarray([[1.0], [-1.0], [2.0], [1.0]]))


OF_SIGNS = {
    "hinge_embedding": lambda y, t: nn.hinge_embedding(y, t),
    "cosine_embedding": lambda y, t: nn.cosine_embedding(y[:, None], y[:, None], t),
}


@pytest.mark.parametrize("name", OF_SIGNS)
def test_targets_that_are_no_signs_are_refused(name):
    y, right = numpy.asarray([1.0, 2.0, 3.0]), numpy.asarray([1.0, -1.0, 1.0])
    loss = OF_SIGNS[name]
    compiled = xpnn.compile(loss)
    for run in (loss, compiled, compiled, xpnn.grad(loss)):
        run(y, right)
        for wrong in (0.0, 0.5, numpy.nan):
            with pytest.raises(ValueError, match=rf"{name} expected targets -1 or 1, got {wrong}: .* write 2 \* t - 1"):
                run(y, numpy.asarray([1.0, wrong, -1.0]))


def test_one_hot_integers_and_the_name_of_the_focal_loss():
    with pytest.raises(ValueError, match="one-hot targets are floating-point, or labels by argmax"):
        nn.cross_entropy(numpy.ones((3, 3)), numpy.eye(3, dtype="int64"))
    with pytest.raises(ValueError, match="focal_cross_entropy expected outputs and targets of one shape"):
        nn.focal_cross_entropy(numpy.ones((3, 1)), numpy.ones(3))
