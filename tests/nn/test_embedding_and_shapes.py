"""Embedding, Bilinear, Flatten, Unflatten and Identity: PyTorch's numbers, repeated and padded rows, wrong inputs."""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(8)
INDICES = numpy.asarray([[1, 0, 1], [3, 1, 4]])


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these layers")


def compared(torch, ours, theirs, *inputs):
    """Outputs and all gradients in float64, rtol 1e-12: products and sums of some numbers."""
    theirs.load_state_dict({name: torch.tensor(value) for name, value in ours.state_dict().items()})
    given = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    expected = theirs(*given)
    dy = RNG.standard_normal(expected.shape)
    expected.backward(torch.tensor(dy))
    floating = [n for n, x in enumerate(inputs) if x.dtype.kind == "f"]

    def function(layer, *some):
        return layer(*(some[floating.index(n)] if n in floating else x for n, x in enumerate(inputs)))

    y, back = xpnn.vjp(function, ours, *(inputs[n] for n in floating))
    gradients, *others = back(dy)
    pairs = [(y, expected.detach())]
    pairs += [(slot.value, getattr(theirs, slot.name).grad) for slot in gradients.slots("parameter")]
    pairs += [(dx, given[n].grad) for n, dx in zip(floating, others, strict=True)]
    for a, b in pairs:
        numpy.testing.assert_allclose(a, b.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding", [None, 1, -1])
def test_embedding_is_pytorchs(torch, padding):
    layer = nn.Embedding(5, 3, padding_index=padding, dtype="float64")
    compared(torch, layer, torch.nn.Embedding(5, 3, padding_idx=padding, dtype=torch.float64), INDICES)


@pytest.mark.parametrize("shape", [(4,), (), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_is_pytorchs(torch, shape, bias):
    ours = nn.Bilinear(3, 2, 4, bias=bias, dtype="float64")
    theirs = torch.nn.Bilinear(3, 2, 4, bias=bias, dtype=torch.float64)
    compared(torch, ours, theirs, RNG.standard_normal((*shape, 3)), RNG.standard_normal((*shape, 2)))


def test_first_weights_are_spread_as_pytorchs():
    weight = nn.Embedding(1000, 20, padding_index=7).initialize(seed=0).weight
    assert not weight[7].any()
    assert abs(weight.std() - 1) < 0.02  # 4 deviations of 20 000 numbers
    layer = nn.Bilinear(4, 50, 60).initialize(seed=0)
    assert 0.49 < abs(layer.weight).max() < 0.5
    assert 0.4 < abs(layer.bias).max() < 0.5
    assert numpy.array_equal(layer.weight, nn.Bilinear(4, 50, 60).initialize(seed=0).weight)


def test_rows_that_occur_often_add_up():
    w = numpy.zeros((4, 2))
    dw = xpnn.grad(lambda w: xpnn.namespace_of(w).sum(nn.embedding(numpy.asarray([2, 2, 0]), w)))(w)
    assert dw.tolist() == [[1, 1], [0, 0], [2, 2], [0, 0]]


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64"])
def test_indices_of_any_kind(kind):
    w = RNG.standard_normal((300, 2))
    indices = numpy.asarray([250, 3, 250], dtype=kind if kind != "uint8" else "uint8")
    y, back = xpnn.vjp(lambda w: nn.embedding(indices, w), w)
    assert numpy.array_equal(y, w[indices.astype(int)])
    assert back(numpy.ones_like(y))[0][250].tolist() == [2, 2]


def test_an_embedding_learns_in_a_compiled_step():
    model = nn.Embedding(5, 3, padding_index=0).initialize(seed=1)
    step = xpnn.value_and_grad(lambda model, k, t: nn.squared_error(model(k), t))
    fast = xpnn.compile(lambda k, t: step(model, k, t)[1].weight, state=(model,), exact=True)
    for n in range(4):
        k, t = (INDICES + n) % 5, RNG.standard_normal((2, 3, 3)).astype("float32")
        assert numpy.array_equal(fast(k, t), step(model, k, t)[1].weight)


WRONG = {
    "index above": (lambda: nn.Embedding(3, 2)(numpy.asarray([3])), ValueError, "Embedding, of 3 rows: .*got 3"),
    "index below": (lambda: nn.Embedding(3, 2)(numpy.asarray([-1])), ValueError, "from 0 to 2, got -1"),
    "index of a fraction": (lambda: nn.Embedding(3, 2)(numpy.ones(2)), TypeError, "integers, got float64"),
    "index in a list": (lambda: nn.Embedding(3, 2)([1, 2]), TypeError, "expected an array, got a list"),
    "padding": (lambda: nn.Embedding(3, 2, padding_index=3), ValueError, "one of 3 categories, got 3"),
    "padding of a word": (lambda: nn.Embedding(3, 2, padding_index="a"), TypeError, "integer, got 'a'"),
    "rows": (lambda: nn.Embedding(0, 2), ValueError, "categories to be a positive integer, got 0"),
    "matrix": (lambda: nn.embedding(INDICES, numpy.ones(3)), ValueError, r"\(categories, features\), got shape \(3,\)"),
    "first input": (
        lambda: nn.Bilinear(2, 3, 4)(numpy.ones((5, 3), "f4"), numpy.ones((5, 3), "f4")),
        ValueError,
        r"\(\.\.\., 2\) and \(\.\.\., 3\), .*got \(5, 3\)",
    ),
    "batches": (
        lambda: nn.Bilinear(2, 3, 4)(numpy.ones((5, 2), "f4"), numpy.ones((4, 3), "f4")), ValueError, "alike",
    ),
    "dtype": (lambda: nn.Bilinear(2, 3, 4)(numpy.ones((5, 2)), numpy.ones((5, 3))), TypeError, "float32.*got float64"),
    "bias": (
        lambda: nn.bilinear(numpy.ones((1, 2)), numpy.ones((1, 2)), numpy.ones((3, 2, 2)), numpy.ones(2)),
        ValueError, r"b of shape \(3,\)",
    ),
    "axis": (lambda: nn.Flatten(start_axis=3)(numpy.ones((2, 3))), ValueError, r"an axis 3, got shape \(2, 3\)"),
    "order": (lambda: nn.Flatten(start_axis=2, end_axis=1)(numpy.ones((2, 3, 4))), ValueError, "before end_axis"),
    "product": (lambda: nn.Unflatten(1, (2, 2))(numpy.ones((2, 5))), ValueError, "product is 5"),
    "rest": (lambda: nn.Unflatten(1, (2, -1))(numpy.ones((2, 5))), ValueError, "product is 5"),
    "two rests": (lambda: nn.unflatten(numpy.ones((2, 4)), 1, (-1, -1)), ValueError, "product is 4"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        call()


def test_shapes():
    x = RNG.standard_normal((2, 3, 4, 5))
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(start_axis=0, end_axis=-2)(x).shape == (24, 5)
    assert nn.Flatten()(x[:0]).shape == (0, 60)
    assert numpy.array_equal(nn.Unflatten(1, (3, 4, 5))(nn.Flatten()(x)), x)
    assert nn.Identity()(x) is x


@pytest.mark.parametrize(
    ("layer", "right", "wrong", "message"),
    [
        (nn.Embedding(3, 2), [[0], [2]], [[0], [3]], "Embedding, of 3 rows: expected indices from 0 to 2, got 3"),
        (nn.CategoricalEmbedding([2, 5], 2), [[1, 4]], [[1, 5]], "column 1 of 5 categories: .* from 0 to 4, got 5"),
    ],
)
def test_a_compiled_layer_names_itself_and_the_column(layer, right, wrong, message):
    layer.initialize(seed=0)
    compiled = xpnn.compile(lambda indices: layer(indices), state=layer)
    for _ in range(2):
        compiled(numpy.asarray(right))
    for run in (layer, compiled):
        with pytest.raises(ValueError, match=message):
            run(numpy.asarray(wrong))
