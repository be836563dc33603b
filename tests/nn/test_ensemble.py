"""Layers of several networks at once: each member's numbers are those that it has alone, and PyTorch's."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim

RNG = numpy.random.default_rng(3)
MEMBERS, ROWS, IN, OUT = 4, 6, 3, 5
SAME, OWN = RNG.standard_normal((ROWS, IN)), RNG.standard_normal((MEMBERS, ROWS, IN))
W, B = RNG.standard_normal((MEMBERS, OUT, IN)), RNG.standard_normal((MEMBERS, OUT))


def gradients(function, x, w, b, dy):
    y, back = xpnn.vjp(function, x, w, b)
    return [y, *back(dy)]


@pytest.mark.parametrize("x", [SAME, OWN], ids=["same", "own"])
def test_values_and_gradients_are_pytorchs(x):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these layers")
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, W, B)]
    stretched = tensors[0] if x.ndim == 3 else tensors[0].expand(MEMBERS, ROWS, IN)
    expected = torch.baddbmm(tensors[2][:, None, :], stretched, tensors[1].mT)
    dy = RNG.standard_normal(expected.shape)
    expected.backward(torch.tensor(dy))
    found = gradients(nn.ensemble_linear, x, W, B, dy)
    # rtol and atol: sums of 3 to 24 products of size 1 in float64
    for a, b in zip(found, [expected.detach(), *(t.grad for t in tensors)], strict=True):
        numpy.testing.assert_allclose(a, b.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("x", [SAME, OWN], ids=["same", "own"])
def test_each_member_is_a_linear_layer(x, dtype):
    x, w, b = (array.astype(dtype) for array in (x, W, B))
    y = nn.ensemble_linear(x, w, b)
    assert y.flags.c_contiguous
    assert y.dtype == dtype
    for k in range(MEMBERS):
        alone = nn.linear(x if x.ndim == 2 else x[k], w[k], b[k])
        numpy.testing.assert_array_equal(y[k], alone)


def test_a_members_gradients_are_those_that_it_has_alone():
    dy = RNG.standard_normal((MEMBERS, ROWS, OUT))
    found = gradients(nn.ensemble_linear, OWN, W, B, dy)
    for k in range(MEMBERS):
        alone = gradients(nn.linear, OWN[k], W[k], B[k], dy[k])
        for a, b in zip(found, alone, strict=True):
            numpy.testing.assert_allclose(a[k], b, rtol=1e-14, atol=1e-14)  # sums of 6 rows in another order


def test_the_first_weights_are_those_of_a_list_of_linear_layers():
    class Both(nn.Module):
        def __init__(self, layer):
            self.layer = layer

    single = Both(nn.ModuleList([nn.Linear(IN, OUT) for _ in range(MEMBERS)])).initialize(seed=5)
    found = Both(nn.EnsembleLinear(MEMBERS, IN, OUT)).initialize(seed=5).layer
    for k, layer in enumerate(single.layer):
        numpy.testing.assert_array_equal(found.weight[k], layer.weight)
        numpy.testing.assert_array_equal(found.bias[k], layer.bias)
    alone = nn.EnsembleLinear(MEMBERS, IN, OUT).initialize(seed=5)
    listed = nn.ModuleList([nn.Linear(IN, OUT) for _ in range(MEMBERS)]).initialize(seed=5)
    numpy.testing.assert_array_equal(alone.weight, [layer.weight for layer in listed])
    assert (nn.EnsembleLinear(1, IN, OUT).weight != nn.EnsembleLinear(1, IN, OUT).weight).any()


@pytest.mark.parametrize("x", [SAME[:0], OWN[:, :0]], ids=["same", "own"])
def test_no_rows(x):
    y, dx, dw, db = gradients(nn.ensemble_linear, x, W, B, numpy.zeros((MEMBERS, 0, OUT)))
    assert (y.shape, dx.shape, dw.shape, db.shape) == ((MEMBERS, 0, OUT), x.shape, W.shape, B.shape)
    assert not dw.any()
    assert not db.any()


def test_without_bias_and_with_a_word_about_itself():
    layer = nn.EnsembleLinear(2, 3, 4, bias=False, dtype="float64").initialize(seed=0)
    assert repr(layer) == "EnsembleLinear(2, 3, 4, bias=False)"
    assert set(layer.state_dict()) == {"weight"}
    assert layer(SAME).shape == (2, ROWS, 4)
    found = nn.Sequential(nn.EnsembleLinear(2, 3, 4)).summary(SAME.astype("float32"))
    assert found.multiply_adds == 2 * ROWS * 3 * 4


@pytest.mark.parametrize("exact", [True, False])
def test_a_compiled_step_trains_as_a_plain_one(exact):
    x, t = SAME.astype("float32"), RNG.standard_normal((MEMBERS, ROWS, 2)).astype("float32")

    def trained(fast):
        model = nn.Sequential(
            nn.EnsembleLinear(MEMBERS, IN, 8), nn.ReLU(), nn.Dropout(0.2), nn.EnsembleLinear(MEMBERS, 8, 2)
        )
        model.initialize(seed=1)
        optimizer = optim.Adam(model, learning_rate=0.01)
        both = xpnn.value_and_grad(lambda model: nn.squared_error(model(x), t))

        def step():
            value, gradients = both(model)
            optimizer.step(gradients)
            return value

        run = xpnn.compile(step, state=(model, optimizer), exact=exact) if fast else step
        losses = [float(run()) for _ in range(6)]
        return losses, [numpy.copy(p) for p in model.parameters()]

    (losses, weights), (plain_losses, plain_weights) = trained(True), trained(False)
    assert losses[-1] < losses[0]
    if exact:
        assert losses == plain_losses
    for a, b in zip(weights, plain_weights, strict=True):
        # the loss is one sum of 48 numbers in another order; Adam's first steps divide by what is near to 0
        numpy.testing.assert_allclose(a, b, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-5)


WRONG = {
    "members": (lambda: nn.EnsembleLinear(0, 3, 5), ValueError, "members to be a positive integer, got 0"),
    "features": (lambda: nn.EnsembleLinear(2, 3, 2.5), ValueError, "out_features to be a positive integer, got 2.5"),
    "dtype": (lambda: nn.EnsembleLinear(2, 3, 5, dtype="int64"), ValueError, "'float32' or 'float64', got 'int64'"),
    "last axis": (
        lambda: nn.EnsembleLinear(2, 4, 5, dtype="float64")(SAME),
        ValueError,
        r"shape \(n, 4\) or \(2, n, 4\), members and in_features, got shape \(6, 3\)",
    ),
    "first axis": (lambda: nn.EnsembleLinear(2, 3, 5, dtype="float64")(OWN), ValueError, r"got shape \(4, 6, 3\)"),
    "one item": (lambda: nn.EnsembleLinear(2, 3, 5, dtype="float64")(SAME[0]), ValueError, r"got shape \(3,\)"),
    "input's dtype": (lambda: nn.EnsembleLinear(2, 3, 5)(SAME), TypeError, "float32, as its own arrays, got float64"),
    "a list": (lambda: nn.EnsembleLinear(2, 3, 5)([1.0]), TypeError, "expected an array, got a list"),
    "w": (
        lambda: nn.ensemble_linear(SAME, W[0]),
        ValueError,
        r"\(members, out_features, in_features\), got shape \(5, 3\)",
    ),
    "b": (lambda: nn.ensemble_linear(SAME, W, B[0]), ValueError, r"b of shape \(4, 5\), as of w, got shape \(5,\)"),
    "x": (lambda: nn.ensemble_linear(SAME.T, W), ValueError, r"\(n, 3\) or \(4, n, 3\), as of w, got shape \(3, 6\)"),
    "integers": (lambda: nn.ensemble_linear(SAME, W.astype(int)), TypeError, "floating-point numbers, got int64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        call()
