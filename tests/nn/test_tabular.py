"""Embeddings of the columns of a table: the papers' formulas written out, quantiles, learning, wrong inputs."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim

RNG = numpy.random.default_rng(3)
X = RNG.standard_normal((50, 3))
EDGES = [numpy.asarray([-1.0, 0.0, 0.5, 2.0]), numpy.asarray([0.0, 1.0]), numpy.asarray([-2.0, -1.0, 3.0])]


def by_hand(x, edges, bins):
    """Equation 1 for one number."""
    e = numpy.zeros(bins)
    for t in range(1, len(edges)):
        if x < edges[t - 1] and t > 1:
            e[t - 1] = 0
        elif x >= edges[t] and t < len(edges) - 1:
            e[t - 1] = 1
        else:
            e[t - 1] = (x - edges[t - 1]) / (edges[t] - edges[t - 1])
    return e


def test_piecewise_linear_encoding_is_the_papers():
    layer = nn.PiecewiseLinearEmbedding(EDGES, 4, dtype="float64")
    x = numpy.concatenate([X, [[-9.0, -9.0, -9.0], [9.0, 9.0, 9.0], [0.0, 1.0, -1.0]]])
    expected = [[by_hand(number, edges, 3) for number, edges in zip(row, EDGES, strict=True)] for row in x]
    found = nn.piecewise_linear_encoding(x, layer.edges)
    numpy.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
    y = numpy.einsum("nft,ftd->nfd", found, layer.weight) + layer.bias
    numpy.testing.assert_allclose(layer(x), y, rtol=1e-12, atol=1e-14)
    layer = nn.PiecewiseLinearEmbedding(EDGES, 4, activation=True, dtype="float64")
    assert layer(x).min() == 0


def test_the_derivative_at_an_edge_is_that_from_the_right():
    edges = numpy.asarray([[0.0, 1.0, 3.0]])
    total = xpnn.grad(lambda x: xpnn.namespace_of(x).sum(nn.piecewise_linear_encoding(x, edges)))
    assert total(numpy.asarray([[-5.0], [0.0], [1.0], [3.0], [9.0]])).tolist() == [[1], [1], [0.5], [0.5], [0.5]]


def test_periodic_encoding_is_the_papers():
    layer = nn.PeriodicEmbedding(3, 5, frequencies=4, deviation=0.5, activation=False, dtype="float64")
    v = 2 * numpy.pi * X[:, :, None] * layer.frequencies
    waves = numpy.concatenate([numpy.sin(v), numpy.cos(v)], axis=-1)
    numpy.testing.assert_allclose(nn.periodic_encoding(X, layer.frequencies), waves, rtol=1e-13, atol=1e-14)
    y = numpy.einsum("nft,ftd->nfd", waves, layer.weight) + layer.bias
    numpy.testing.assert_allclose(layer(X), y, rtol=1e-12, atol=1e-13)
    layer.activation = True
    assert numpy.array_equal(layer(X), numpy.maximum(layer(X), 0))


def test_first_parameters():
    layer = nn.PeriodicEmbedding(100, 2, frequencies=100, deviation=0.3).initialize(seed=0)
    assert abs(layer.frequencies.std() - 0.3) < 0.01  # 5 deviations of 10 000 numbers
    assert 0.07 < abs(layer.weight).max() < 200**-0.5
    other = nn.PeriodicEmbedding(100, 2, frequencies=100, deviation=0.3).initialize(seed=0)
    assert all(numpy.array_equal(value, other.state_dict()[name]) for name, value in layer.state_dict().items())
    assert abs(nn.CategoricalEmbedding([50, 50], 4).initialize(seed=0).weight).max() < 0.5


def test_linear_embeddings():
    layer = nn.LinearEmbedding(3, 4, dtype="float64")
    numpy.testing.assert_allclose(layer(X), X[:, :, None] * layer.weight + layer.bias, rtol=1e-14)
    layer = nn.LinearEmbedding(3, 4, activation=True, dtype="float64")
    assert layer(X).min() == 0
    layer = nn.LinearPerFeature(3, 4, 2, dtype="float64")
    x = RNG.standard_normal((2, 5, 3, 4))
    y = numpy.einsum("abft,ftd->abfd", x, layer.weight) + layer.bias
    numpy.testing.assert_allclose(layer(x), y, rtol=1e-13, atol=1e-14)


def test_categories_have_tables_of_their_own():
    layer = nn.CategoricalEmbedding([2, 3], 4)
    y = layer(numpy.asarray([[1, 0], [0, 2]]))
    assert numpy.array_equal(y, layer.weight[[[1, 2], [0, 4]]])
    y = layer(numpy.asarray([[1, 0]], dtype="uint8"))
    assert numpy.array_equal(y, layer.weight[[[1, 2]]])


def test_quantiles_are_numpys():
    edges = nn.quantile_edges(X, bins=7)
    for column, found in zip(X.T, edges, strict=True):
        numpy.testing.assert_allclose(found, numpy.quantile(column, numpy.linspace(0, 1, 8)), rtol=1e-12, atol=1e-12)
    counted = nn.quantile_edges(numpy.asarray([[0.0], [0.0], [0.0], [1.0], [2.0]]), bins=4)
    assert [row.tolist() for row in counted] == [[0.0, 1.0, 2.0]]


def test_quantiles_elsewhere(elsewhere):
    for ours, theirs in zip(nn.quantile_edges(elsewhere.asarray(X), bins=5), nn.quantile_edges(X, bins=5), strict=True):
        assert numpy.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["periodic", "piecewise"])
def test_an_embedding_learns_what_a_line_cannot(kind):
    x = RNG.uniform(-1, 1, (256, 2)).astype("float32")
    t = (numpy.sin(8 * x[:, :1]) + (x[:, 1:] > 0.3)).astype("float32")
    embedding = (
        nn.PeriodicEmbedding(2, 8, frequencies=8, deviation=1.0)
        if kind == "periodic"
        else nn.PiecewiseLinearEmbedding(nn.quantile_edges(x, bins=12), 8, activation=True)
    )
    model = nn.Sequential(embedding, nn.Flatten(), nn.Linear(16, 1)).initialize(seed=0)
    optimizer = optim.Adam(model, learning_rate=0.03)
    step = xpnn.value_and_grad(lambda model: nn.squared_error(model(x), t))
    for _ in range(150):
        value, gradients = step(model)
        optimizer.step(gradients)
    # the best line leaves more than half of the variance of 0.73
    assert value < 0.1


ONES = numpy.ones
WRONG = {
    "features": (lambda: nn.PeriodicEmbedding(3, 2)(ONES((4, 2), "f4")), r"be 3 \(features\), got shape \(4, 2\)"),
    "deviation": (lambda: nn.PeriodicEmbedding(3, 2, deviation=0), "positive deviation, got 0"),
    "waves": (lambda: nn.PeriodicEmbedding(3, 2, frequencies=0), "frequencies to be a positive integer"),
    "no edges": (lambda: nn.PiecewiseLinearEmbedding([], 2), "at least one feature"),
    "one edge": (lambda: nn.PiecewiseLinearEmbedding([ONES(1)], 2), "two ascending finite edges for feature 0"),
    "equal edges": (lambda: nn.PiecewiseLinearEmbedding([EDGES[0], ONES(2)], 2), "for feature 1"),
    "NaN": (lambda: nn.PiecewiseLinearEmbedding([numpy.asarray([0.0, numpy.nan])], 2), "ascending finite"),
    "edges": (lambda: nn.piecewise_linear_encoding(ONES((4, 2)), ONES((3, 2))), r"got \(4, 2\) and \(3, 2\)"),
    "frequencies": (lambda: nn.periodic_encoding(ONES((4, 2)), ONES((3, 2))), r"got \(4, 2\) and \(3, 2\)"),
    "vectors": (lambda: nn.linear_per_feature(ONES((4, 2, 3)), ONES((2, 4, 3))), r"got \(4, 2, 3\) and \(2, 4, 3\)"),
    "bias": (lambda: nn.linear_per_feature(ONES((4, 2, 3)), ONES((2, 3, 5)), ONES(5)), r"b of shape \(2, 5\)"),
    "vectors of a layer": (lambda: nn.LinearPerFeature(2, 3, 4)(ONES((5, 3, 2), "f4")), r"to be \(2, 3\)"),
    "columns": (lambda: nn.CategoricalEmbedding([2, 3], 4)(ONES((5, 3), "int64")), "2 columns"),
    "category": (lambda: nn.CategoricalEmbedding([2, 3], 4)(numpy.asarray([[1, 3]])), "column 1 of 3 .*got 3"),
    "no categories": (lambda: nn.CategoricalEmbedding([], 4), "at least one length"),
    "constant": (lambda: nn.quantile_edges(ONES((4, 1))), "not all equal, in feature 0"),
    "rows": (lambda: nn.quantile_edges(ONES(4)), r"\(n, features\), got shape \(4,\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_and_shapes(name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_wrong_kinds():
    with pytest.raises(TypeError, match="float32, as its own arrays, got float64"):
        nn.PeriodicEmbedding(3, 2)(X)
    with pytest.raises(TypeError, match="expected integers, got float64"):
        nn.CategoricalEmbedding([2, 3], 4)(X[:, :2])


def test_edges_that_are_no_arrays_are_refused():
    with pytest.raises(TypeError, match="expected an array of edges for feature 0, got list"):
        nn.PiecewiseLinearEmbedding([[0.0, 1.0]], 3)
