"""Normalisation against PyTorch: values, gradients, running statistics; large means; every wrong input.

Against PyTorch in float64 with rtol = atol = 1e-10: sums of up to some dozens of numbers.
"""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(7)

LAYERS = {  # ours, PyTorch's name and arguments, the shape of the input
    "BatchNorm1d": (nn.BatchNorm1d(3, dtype="float64"), "BatchNorm1d", (3,), {}, (6, 3)),
    "BatchNorm1d of stacks": (nn.BatchNorm1d(3, dtype="float64"), "BatchNorm1d", (3,), {}, (6, 3, 4)),
    "BatchNorm1d, mean of all batches": (
        nn.BatchNorm1d(3, momentum=None, dtype="float64"), "BatchNorm1d", (3,), {"momentum": None}, (6, 3),
    ),
    "BatchNorm1d without statistics": (
        nn.BatchNorm1d(3, track=False, dtype="float64"), "BatchNorm1d", (3,), {"track_running_stats": False}, (6, 3),
    ),
    "BatchNorm2d": (
        nn.BatchNorm2d(3, epsilon=1e-2, momentum=0.3, dtype="float64"),
        "BatchNorm2d", (3,), {"eps": 1e-2, "momentum": 0.3}, (4, 3, 2, 5),
    ),
    "BatchNorm3d": (
        nn.BatchNorm3d(2, affine=False, dtype="float64"), "BatchNorm3d", (2,), {"affine": False}, (4, 2, 2, 1, 3),
    ),
    "InstanceNorm1d": (nn.InstanceNorm1d(3), "InstanceNorm1d", (3,), {}, (4, 3, 5)),
    "InstanceNorm1d of one item": (nn.InstanceNorm1d(3), "InstanceNorm1d", (3,), {}, (3, 5)),
    "InstanceNorm2d": (
        nn.InstanceNorm2d(3, affine=True, track=True, dtype="float64"),
        "InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (4, 3, 2, 5),
    ),
    "InstanceNorm3d": (
        nn.InstanceNorm3d(2, track=True, dtype="float64"),
        "InstanceNorm3d", (2,), {"track_running_stats": True}, (4, 2, 2, 1, 3),
    ),
    "LayerNorm": (nn.LayerNorm(5, dtype="float64"), "LayerNorm", (5,), {}, (4, 3, 5)),
    "LayerNorm of two axes": (
        nn.LayerNorm((3, 5), bias=False, dtype="float64"), "LayerNorm", ((3, 5),), {"bias": False}, (4, 3, 5),
    ),
    "GroupNorm": (nn.GroupNorm(2, 6, dtype="float64"), "GroupNorm", (2, 6), {}, (3, 6, 2, 2)),
    "GroupNorm of rows": (nn.GroupNorm(2, 6, affine=False), "GroupNorm", (2, 6), {"affine": False}, (3, 6)),
    "GroupNorm without offset": (
        nn.GroupNorm(3, 6, bias=False, dtype="float64"), "GroupNorm", (3, 6), {"bias": False}, (3, 6, 4),
    ),
    "RMSNorm": (nn.RMSNorm(5, dtype="float64"), "RMSNorm", (5,), {}, (4, 5)),
    "RMSNorm of two axes": (
        nn.RMSNorm((3, 5), epsilon=0.1, affine=False), "RMSNorm", ((3, 5),), {"eps": 0.1, "elementwise_affine": False},
        (4, 3, 5),
    ),
}  # fmt: skip


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these layers")


@pytest.mark.parametrize("name", LAYERS)
def test_training_and_evaluation_are_pytorchs(torch, name):
    layer, judge, arguments, options, shape = LAYERS[name]
    theirs = getattr(torch.nn, judge)(*arguments, **options).double()
    for slot in layer.slots("parameter"):
        slot.value[...] = RNG.standard_normal(slot.value.shape)
        getattr(theirs, slot.name).data = torch.tensor(slot.value)
    for training in (True, True, False):
        layer.train(training)
        theirs.train(training)
        x, dy = 3 + RNG.standard_normal(shape), RNG.standard_normal(shape)
        y, back = xpnn.vjp(lambda layer, x: layer(x), layer, x)
        d_layer, dx = back(dy)
        given = torch.tensor(x, requires_grad=True)
        expected = theirs(given)
        expected.backward(torch.tensor(dy))
        close(y, expected.detach().numpy())
        close(dx, given.grad.numpy())
        for slot in d_layer.slots("parameter"):
            parameter = getattr(theirs, slot.name)
            close(slot.value, parameter.grad.numpy())
            parameter.grad = None
        for slot in layer.slots("buffer"):
            close(slot.value, getattr(theirs, slot.name).numpy())
    assert {slot.name for slot in layer.slots()} == set(theirs.state_dict())


def close(a, b):
    numpy.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_weight_norm_is_pytorchs(torch, axis):
    layer = nn.WeightNorm(nn.Linear(4, 3, dtype="float64").initialize(seed=0), axis=axis)
    plain = torch.nn.Linear(4, 3, dtype=torch.float64)
    plain.load_state_dict({name: torch.tensor(value) for name, value in layer.layer.state_dict().items()})
    theirs = torch.nn.utils.parametrizations.weight_norm(plain, dim=axis)
    x, dy = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 3))
    y, back = xpnn.vjp(lambda layer, x: layer(x), layer, x)
    given = torch.tensor(x, requires_grad=True)
    expected = theirs(given)
    expected.backward(torch.tensor(dy))
    gradient, dx = back(dy)
    close(y, expected.detach().numpy())
    close(dx, given.grad.numpy())
    lengths, directions = theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1
    close(gradient.weight_g, lengths.grad.numpy())
    close(gradient.layer.weight, directions.grad.numpy())


def test_the_last_axis_of_weight_norm_is_not_the_whole():
    last, second, whole = (nn.WeightNorm(nn.Linear(4, 3).initialize(seed=0), axis=axis) for axis in (-1, 1, None))
    assert [layer.weight_g.shape for layer in (last, second, whole)] == [(1, 4), (1, 4), ()]
    x = RNG.standard_normal((5, 4)).astype("float32")
    numpy.testing.assert_array_equal(last(x), second(x))


@pytest.mark.parametrize("axis", ["a", 1.0, True])
def test_weight_norm_of_no_axis(axis):
    with pytest.raises(TypeError, match=f"weight_norm expected axis to be an integer or None, got {axis!r}"):
        nn.WeightNorm(nn.Linear(4, 3), axis=axis)


def test_weight_norm_starts_with_the_layer_it_wraps_and_is_drawn_anew_with_it():
    plain = nn.Linear(4, 3).initialize(seed=1)
    x = RNG.standard_normal((5, 4)).astype("float32")
    layer = nn.WeightNorm(plain)
    numpy.testing.assert_allclose(layer(x), plain(x), rtol=1e-5, atol=1e-6)  # a product and a quotient more
    layer.initialize(seed=2)
    numpy.testing.assert_allclose(layer(x), layer.layer(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.LayerNorm(3), nn.InstanceNorm1d(8)], ids=repr)
def test_a_large_mean_costs_no_digits(layer):
    # E[x²] - E[x]² in float32 would be off by more than the variance itself
    x = (1e4 + numpy.random.default_rng(13).standard_normal((8, 3))).astype("float32")
    axis = 0 if isinstance(layer, nn.BatchNorm1d) else 1
    assert x.std(axis, dtype="float64").min() > 0.4
    exact = x.astype("float64") - x.astype("float64").mean(axis, keepdims=True)
    exact /= numpy.sqrt((exact**2).mean(axis, keepdims=True) + 1e-5)
    # the mean is rounded to 1e-3, of deviations of 0.4 and more
    numpy.testing.assert_allclose(layer(x), exact, atol=5e-3)


def test_running_variance_is_of_variances_divided_by_one_less():
    layer = nn.BatchNorm1d(1, dtype="float64")
    layer(numpy.asarray([[0.0], [2.0]]))
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0.1], [1.1])
    assert layer.num_batches_tracked == 1


def test_statistics_move_inside_a_differentiated_call_and_a_compiled_step_alike():
    models = [nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()) for _ in range(2)]
    step = xpnn.value_and_grad(lambda model, x: nn.squared_error(model(x), x))
    fast = xpnn.compile(lambda x: step(models[1], x)[0], state=(models[1],), exact=True)
    for _ in range(5):
        x = RNG.standard_normal((4, 3)).astype("float32")
        assert step(models[0], x)[0] == fast(x)
    for ours, theirs in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        assert numpy.array_equal(ours, theirs)
    assert models[0][0].num_batches_tracked == 5


def test_a_large_batch_is_pytorchs_up_to_the_second_derivative(torch):
    """Its sums of products are taken without the products: see `sums_of_products`."""
    x, c = RNG.standard_normal((2, 256, 64))
    layer = nn.BatchNorm1d(64, dtype="float64").initialize(seed=0)

    def loss(x):
        xp = xpnn.namespace_of(x)
        return xp.sum(layer(x) ** 3 * xp.asarray(c))

    direction = RNG.standard_normal(x.shape)
    found = [xpnn.grad(loss)(x), *xpnn.hvp(loss, (x,), (direction,))]
    judge = torch.nn.BatchNorm1d(64, dtype=torch.float64)
    given = torch.tensor(x, requires_grad=True)
    (first,) = torch.autograd.grad((judge(given) ** 3 * torch.tensor(c)).sum(), given, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.tensor(direction)).sum(), given)
    for ours, theirs in zip(found, (first.detach(), second), strict=True):
        numpy.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-10)


def test_a_large_batch_compiles_to_the_same_bits():
    x, dy = RNG.standard_normal((2, 256, 64))
    layer = nn.BatchNorm1d(64, dtype="float64").initialize(seed=0)

    def step(x, dy):
        y, back = xpnn.vjp(lambda layer, x: layer(x), layer, x)
        of_layer, dx = back(dy)
        return [y, dx, *of_layer.parameters()]

    compiled = xpnn.compile(step, state=(layer,), exact=True)
    for _ in range(4):
        for found, expected in zip(compiled(x, dy), step(x, dy), strict=True):
            assert numpy.array_equal(found, expected)


def test_momentum_of_none_is_the_mean_of_all_batches_in_instance_norm_too():
    layer = nn.InstanceNorm1d(1, track=True, momentum=None, dtype="float64")
    for mean in (1.0, 2.0, 6.0):
        layer(mean + numpy.asarray([[[-1.0, 1.0]], [[-2.0, 2.0]]]))
    numpy.testing.assert_allclose(layer.running_mean, [3.0], rtol=1e-15)
    numpy.testing.assert_allclose(layer.running_var, [5.0], rtol=1e-15)  # of variances 2 and 8


def test_statistics_move_once_where_a_block_is_run_again_on_the_way_back():
    models = [nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()).initialize(seed=0) for _ in range(2)]
    x = RNG.standard_normal((6, 3)).astype("float32")
    plain = xpnn.grad(lambda model: nn.squared_error(model(x), x))(models[0])
    again = xpnn.grad(lambda model: nn.squared_error(xpnn.recompute(model)(x), x))(models[1])
    assert numpy.array_equal(plain[0].weight, again[0].weight)
    for ours, theirs in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        assert numpy.array_equal(ours, theirs)


def test_no_items_leave_the_statistics_alone():
    layer = nn.BatchNorm1d(3)
    assert layer(ONES((0, 3), "f4")).shape == (0, 3)
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0, 0, 0], [1, 1, 1])


def test_initialize_starts_again():
    layer = nn.BatchNorm1d(3)
    before = layer.state_dict()
    layer(RNG.standard_normal((4, 3)).astype("float32"))
    layer.weight[...] = 3
    layer.initialize(seed=0)
    assert all(numpy.array_equal(before[name], value) for name, value in layer.state_dict().items())


def test_constant_input_gives_the_offset_and_no_gradient():
    x = numpy.full((4, 3), 5.0)
    for function in (nn.batch_norm, nn.layer_norm):
        y, back = xpnn.vjp(function, x)
        assert numpy.array_equal(y, 0 * x)
        numpy.testing.assert_allclose(back(RNG.standard_normal(x.shape))[0].sum(), 0, atol=1e-9)


ONES = numpy.ones
WRONG = {
    "one number of a feature in training": (lambda: nn.BatchNorm1d(3)(ONES((1, 3), "f4")), "at least two numbers"),
    "epsilon": (lambda: nn.BatchNorm1d(3, epsilon=0.0), "positive epsilon, got 0.0"),
    "epsilon of a function": (lambda: nn.instance_norm(ONES((2, 3, 4)), epsilon=-1.0), "positive epsilon, got -1.0"),
    "features": (lambda: nn.BatchNorm1d(3)(ONES((4, 2), "f4")), r"3 \(features\), got shape \(4, 2\)"),
    "axes": (lambda: nn.BatchNorm2d(3)(ONES((4, 3), "f4")), r"4 axes, got shape \(4, 3\)"),
    "axes of two kinds": (lambda: nn.InstanceNorm1d(3)(ONES(3, "f4")), r"2 or 3 axes, got shape \(3,\)"),
    "one place": (lambda: nn.InstanceNorm1d(3)(ONES((2, 3, 1), "f4")), "at least two places"),
    "channels": (lambda: nn.InstanceNorm1d(3, affine=True)(ONES((2, 2, 4), "f4")), "3 channels"),
    "momentum": (lambda: nn.BatchNorm1d(3, momentum=2.0), "momentum from 0 to 1, or None, got 2.0"),
    "features of none": (lambda: nn.BatchNorm1d(0), "features to be a positive integer, got 0"),
    "last axes": (lambda: nn.LayerNorm((2, 3))(ONES((4, 3), "f4")), r"\(2, 3\) \(shape\), got shape \(4, 3\)"),
    "too few axes": (lambda: nn.LayerNorm((2, 3))(ONES(3, "f4")), r"got shape \(3,\)"),
    "no shape": (lambda: nn.LayerNorm(()), "at least one length"),
    "groups": (lambda: nn.GroupNorm(2, 5), r"multiple of groups \(2\), got 5"),
    "channels of groups": (lambda: nn.GroupNorm(2, 4)(ONES((2, 3), "f4")), r"\(N, 4, ...\), got shape \(2, 3\)"),
    "one number in a group": (lambda: nn.group_norm(ONES((1, 2)), groups=2), "more than one number"),
    "shape of w": (lambda: nn.layer_norm(ONES((2, 3)), ONES(3), ONES(2)), r"b of shape \(3,\), got shape \(2,\)"),
    "w of channels": (lambda: nn.batch_norm(ONES((2, 3)), ONES(2)), r"w of shape \(3,\), one for each channel"),
    "mean alone": (lambda: nn.batch_norm(ONES((2, 3)), mean=ONES(3)), "both mean and variance"),
    "g": (lambda: nn.weight_norm(ONES((2, 3)), ONES(2)), r"g of shape \(2, 1\)"),
    "axis of v": (lambda: nn.weight_norm(ONES((2, 3)), ONES(2), axis=2), "an axis of v, which has 2, got 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_and_shapes(name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.BatchNorm1d(3)(ONES((4, 3))),
        lambda: nn.LayerNorm(3)(ONES((4, 3))),
        lambda: nn.layer_norm(ONES((4, 3), "int64")),
        lambda: nn.layer_norm([1.0, 2.0]),
        lambda: nn.layer_norm(ONES((4, 3)), ONES(3, "float32")),
        lambda: nn.WeightNorm(nn.ReLU()),
    ],
)
def test_wrong_kinds(call):
    with pytest.raises(TypeError, match="expected"):
        call()


def test_a_wrong_input_leaves_the_statistics_alone():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="at least two numbers"):
        layer(ONES((1, 3), "f4"))
    assert layer.num_batches_tracked == 0


NORMS = {
    "layer_norm": nn.layer_norm,
    "rms_norm": nn.rms_norm,
    "group_norm": lambda x: nn.group_norm(x, groups=1),
    "batch_norm": nn.batch_norm,
    "instance_norm": nn.instance_norm,
    "LayerNorm": nn.LayerNorm(4, affine=False),
    "RMSNorm": nn.RMSNorm(4, affine=False),
}


@pytest.mark.parametrize("name", NORMS)
def test_half_precision_is_refused(name):
    x = numpy.full((2, 3, 4), 1e-4, dtype="float16")  # whose squares are 0
    with pytest.raises(
        TypeError, match="expected float32 or float64, since means of squares leave the range of float16"
    ):
        NORMS[name](x)


def test_running_statistics_of_no_items_stay():
    layer = nn.InstanceNorm1d(4, track=True)
    assert layer(numpy.zeros((0, 4, 3), dtype="float32")).shape == (0, 4, 3)
    numpy.testing.assert_array_equal(layer.running_mean, 0.0)
    numpy.testing.assert_array_equal(layer.running_var, 1.0)
