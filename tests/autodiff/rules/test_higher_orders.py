"""Second and third derivatives where a formula has kinks that cancel: at 0, at ties, and where digits run out.

A rule's value may be computed through |x| or a maximum, so that nothing overflows. The function is smooth all the same,
and its derivatives of all orders must be those of the function, not of the formula's steps.
"""

import numpy
import pytest

from xpnn import grad, nn, special
from xpnn.arrays.namespaces import namespace_of

HALF = numpy.asarray(0.3)
SMOOTH = {
    "expit": special.expit,
    "softplus": special.softplus,
    "ndtr": special.ndtr,
    "tanh": nn.tanh,
    "gelu": nn.gelu,
    "gelu, tanh form": lambda x: nn.gelu(x, approximate="tanh"),
    "binary_cross_entropy_with_logits": lambda z: nn.binary_cross_entropy_with_logits(z, HALF),
    "the same, weighted": lambda z: nn.binary_cross_entropy_with_logits(z, HALF, positive_weight=3.0),
    "the same by its targets": lambda t: nn.binary_cross_entropy_with_logits(0.0 * t, t, positive_weight=3.0) * t,
    "softmax": lambda x: special.softmax(namespace_of(x).stack([x, 0 * x, 2 * x]))[0],
    "log_softmax": lambda x: special.log_softmax(namespace_of(x).stack([x, 0 * x, 2 * x]))[0],
    "logsumexp": lambda x: special.logsumexp(namespace_of(x).stack([x, 0 * x, 2 * x])),
}


@pytest.mark.parametrize("x", [0.0, -0.0, 0.5])
@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_a_smooth_function_are_those_of_the_function(name, x):
    square = lambda x: SMOOTH[name](x) ** 2  # noqa: E731, the square makes use of the value as well
    h, x = 1e-5, numpy.asarray(x)
    derivative = square
    for _ in range(3):
        before, derivative = derivative, grad(derivative)
        expected = (before(x + h) - before(x - h)) / (2 * h)
        # central differences: h² f''' / 6 and eps f / h, both below 1e-9
        assert abs(float(derivative(x)) - float(expected)) < 1e-8


LOGITS = [[0.0, 0.0, 0.0], [40.0, 0.0, -3.0], [5.0, 5.0, -1000.0], [0.0, -numpy.inf, 1.0]]
LOSSES = {
    "cross_entropy of a label": lambda z: nn.cross_entropy(z[None, :], numpy.asarray([0])),
    "of probabilities": lambda z: nn.cross_entropy(z[None, :], numpy.asarray([[0.5, 0.0, 0.5]])),
    "log_softmax": lambda z: -special.log_softmax(z)[0],
    "logsumexp": special.logsumexp,
}


@pytest.mark.parametrize("z", LOGITS, ids=repr)
@pytest.mark.parametrize("name", LOSSES)
def test_the_hessian_of_log_sum_exp_has_all_its_digits(name, z):
    z = numpy.asarray(z)
    e = numpy.exp(z - z.max())
    p = e / e.sum()
    hessian = [grad(lambda z, i=i: grad(LOSSES[name])(z)[i])(z) for i in range(3)]
    # relative to each element, also where the sum is 1 but for its last digit; on the diagonal p - p² may cancel
    expected = numpy.diag(p) - numpy.outer(p, p)
    assert (abs(numpy.asarray(hessian) - expected) <= 1e-12 * abs(expected) + 1e-16 * numpy.eye(3)).all()


def test_the_gradient_of_relu_is_0_at_0_to_all_orders():
    for f in (nn.relu, lambda x: nn.leaky_relu(x, slope=0.0)):
        for g in (f, lambda x, f=f: f(x) * x, lambda x, f=f: f(x) ** 2):
            assert float(grad(g)(0.0)) == 0
            assert float(grad(grad(g))(0.0)) == 0
    assert float(grad(grad(lambda x: nn.leaky_relu(x, slope=0.25) * x))(0.0)) == 0.5


def test_leaky_relu_without_a_slope_takes_infinity():
    assert nn.leaky_relu(numpy.asarray([-numpy.inf, numpy.inf]), slope=0.0).tolist() == [0.0, numpy.inf]


def test_clip_at_its_bounds_counts_as_inside_to_all_orders():
    for bound in (0.0, 1.0):
        square = lambda x: namespace_of(x).clip(x, 0.0, 1.0) ** 2  # noqa: E731
        assert float(grad(square)(bound)) == 2 * bound
        assert float(grad(grad(square))(bound)) == 2.0


def test_clip_passes_no_gradient_to_nan():
    assert grad(lambda x: namespace_of(x).sum(namespace_of(x).clip(x, 0.0, 1.0)))(numpy.asarray([numpy.nan])) == [0.0]
