"""Initializers: bounds and variances of the formulas, orthogonality, the same bits for the same seed, and errors."""

import hashlib
from math import prod, sqrt

import numpy
import pytest

from xpnn import nn
from xpnn.nn import initializers

# the variance for each fan_in and fan_out
UNIFORM = {
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "he_uniform": lambda i, o: 2 / i,
    "lecun_uniform": lambda i, o: 1 / i,
    "uniform_fan_in": lambda i, o: 1 / (3 * i),
}
NORMAL = {
    "glorot_normal": lambda i, o: 2 / (i + o),
    "he_normal": lambda i, o: 2 / i,
    "lecun_normal": lambda i, o: 1 / i,
}
VARIANCES = UNIFORM | NORMAL
ALL = (*VARIANCES, "orthogonal")
# (out_features, in_features, *kernel): fan_in and fan_out count the kernel too
SHAPES = {(300, 400): (400, 300), (400, 300): (300, 400), (50, 60, 5, 6): (1800, 1500), (90_000, 1): (1, 90_000)}


def draw(name, shape, *, seed=0, stream="test", dtype="float64"):
    return getattr(initializers, name)(shape, seed=seed, stream=stream, dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", VARIANCES)
def test_mean_and_variance(name, shape):
    x, expected = draw(name, shape), VARIANCES[name](*SHAPES[shape])
    assert x.shape == shape
    # five standard deviations: of the mean sqrt(v / n), of the variance v sqrt((kurtosis - 1) / n), kurtosis up to 3
    assert abs(x.mean()) < 5 * sqrt(expected / x.size)
    assert abs(x.var() - expected) < 5 * expected * sqrt(2 / x.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_draws_fill_their_bounds(name, shape, dtype):
    x, bound = draw(name, shape, dtype=dtype), sqrt(3 * UNIFORM[name](*SHAPES[shape]))
    rounded = numpy.asarray(bound, dtype=dtype)
    assert -rounded <= x.min() < -0.999 * bound  # of 90 000 draws or more
    assert 0.999 * bound < x.max() <= rounded
    counts, _ = numpy.histogram(x, bins=10, range=(-bound, bound))
    n = x.size
    assert abs(counts - n / 10).max() < 5 * sqrt(0.09 * n)  # five standard deviations of a binomial


@pytest.mark.parametrize("name", NORMAL)
def test_normal_draws_are_normal(name):
    x = draw(name, (400, 500)) / sqrt(NORMAL[name](500, 400))
    n = x.size
    for bound, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        assert abs((abs(x) < bound).mean() - share) < 5 * sqrt(share * (1 - share) / n)
    assert abs(x).max() > 4  # not truncated


@pytest.mark.parametrize(
    ("name", "judge"),
    [("glorot", "xavier"), ("he", "kaiming"), ("default", "Linear")],
)
def test_bounds_are_pytorchs(name, judge):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    w = torch.empty(300, 400, dtype=torch.float64)
    if name == "default":
        w = torch.nn.Linear(400, 300).weight.detach()
        found = nn.Linear(400, 300).initialize(seed=0).weight
    else:
        options = {"nonlinearity": "relu"} if name == "he" else {}
        getattr(torch.nn.init, f"{judge}_uniform_")(w, **options)
        found = draw(f"{name}_uniform", (300, 400))
    # the largest of 120 000 draws is within 1e-3 of the bound, in both
    numpy.testing.assert_allclose(abs(found).max(), abs(w.numpy()).max(), rtol=1e-3)


# Orthogonal


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (1, 4), (4, 1), (1, 1), (6, 2, 3), (2, 3, 2, 2), (90, 100)])
def test_rows_or_columns_are_orthonormal(shape):
    x = draw("orthogonal", shape)
    assert x.shape == shape
    matrix = x.reshape(shape[0], prod(shape[1:]))
    if shape[0] > prod(shape[1:]):
        matrix = matrix.T
    # atol: QR in float64 is orthogonal to some 1e-16 times the size
    numpy.testing.assert_allclose(matrix @ matrix.T, numpy.eye(len(matrix)), atol=1e-13)


def test_orthogonal_matrices_are_uniform_among_all():
    """Without the signs of R's diagonal, a QR gives matrices that lean to one side (a diagonal of one sign)."""
    drawn = numpy.stack([draw("orthogonal", (3, 3), seed=seed) for seed in range(2000)])
    # the elements of a uniform orthogonal matrix have mean 0 and variance 1 / n; five standard deviations
    assert abs(drawn.mean(axis=0)).max() < 5 * sqrt(1 / 3 / 2000)
    assert abs((drawn**2).mean(axis=0) - 1 / 3).max() < 5 * sqrt(0.09 / 2000)  # E[q^4] - 1/9 = 1/5 - 1/9
    determinants = numpy.linalg.det(drawn)
    assert abs((determinants > 0).mean() - 0.5) < 5 * 0.5 / sqrt(2000)


# Seeds and streams


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_a_seed_and_a_stream_give_the_same_bits(name, dtype):
    x = draw(name, (20, 30), dtype=dtype)
    assert x.dtype == dtype
    assert draw(name, (20, 30), dtype=dtype).tobytes() == x.tobytes()
    for other in ({"seed": 1}, {"stream": "test "}, {"seed": 2**64 - 1}):
        y = draw(name, (20, 30), dtype=dtype, **other)
        assert (x != y).mean() > 0.99
        assert abs(numpy.corrcoef(x.ravel(), y.ravel())[0, 1]) < 5 / sqrt(600)


@pytest.mark.parametrize("name", NORMAL)
def test_float32_is_float64_rounded(name):
    expected = draw(name, (20, 30)).astype("float32")
    assert draw(name, (20, 30), dtype="float32").tobytes() == expected.tobytes()


def test_a_shape_may_hold_integers_of_numpys():
    assert draw("he_normal", tuple(numpy.asarray([3, 4]))).tobytes() == draw("he_normal", [3, 4]).tobytes()


def test_golden_bits():
    """The first weights of a seed are for ever; only LAPACK's QR may differ in its last bits."""
    digest = hashlib.sha256()
    for name in VARIANCES:
        for dtype in ("float32", "float64"):
            x = draw(name, (3, 4), seed=7, stream="init/0.weight", dtype=dtype)
            digest.update(x.astype(x.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == "77f2cf353c5d3a8f889dcca75fce7de2eb4b96b334b86ff7b84b0230350fb0c0"


@pytest.mark.parametrize("name", ALL)
def test_layers_draw_from_their_path(name):
    initializer = getattr(initializers, name)
    model = nn.Sequential(nn.Linear(6, 6, initializer=initializer), nn.Linear(6, 6, initializer=initializer))
    model.initialize(seed=3)
    for n in range(2):
        expected = draw(name, (6, 6), seed=3, stream=f"init/{n}.weight", dtype="float32")
        assert model[n].weight.tobytes() == expected.tobytes()
        assert not model[n].bias.any()


# What is refused


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(), (3,), (3, 0), (0, 3), (3, -1), (2, 3, 0), (3.0, 2), 3, None, "32", ("3", "2")])
def test_a_shape_that_is_no_weights(name, shape):
    with pytest.raises(ValueError, match="expected the shape of a weight") as caught:
        draw(name, shape)
    assert str(caught.value).endswith(repr(shape))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["int64", "float16", "complex64", "float", "nonsense", None, 3])
def test_another_dtype(name, dtype):
    with pytest.raises(TypeError, match=f"expected dtype 'float32' or 'float64', got {dtype!r}"):
        draw(name, (3, 4), dtype=dtype)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**64, ValueError), (1.5, TypeError), (None, TypeError)]
)
def test_a_bad_seed(name, seed, error):
    with pytest.raises(error, match="expected seed to be"):
        draw(name, (3, 4), seed=seed)
    with pytest.raises(TypeError, match="expected the name of a stream as a string, got 3"):
        draw(name, (3, 4), stream=3)
