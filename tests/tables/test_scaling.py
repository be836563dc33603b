"""Scales, judged by scikit-learn; where they give way; the bound of smooth clipping."""

import numpy
import pytest

from xpnn.tables import robust_scale, smooth_clip
from xpnn.tables.scaling import scale_for, standard_scale, weighted_quantiles

RNG = numpy.random.default_rng(5)
X = RNG.standard_t(2, 301)  # long tails


def test_scikit_learn_agrees():
    judge = pytest.importorskip("sklearn.preprocessing")
    for ours, theirs in ((robust_scale, judge.RobustScaler()), (standard_scale, judge.StandardScaler())):
        centre, factor = ours(X)
        expected = theirs.fit_transform(X[:, None])[:, 0]
        numpy.testing.assert_allclose((X - centre) * factor, expected, rtol=1e-12, atol=1e-14)  # of 301 sums


def test_where_quartiles_are_equal_half_the_range_counts():
    x = numpy.asarray([5.0] * 8 + [1.0, 9.0])
    assert robust_scale(x) == (5.0, 0.25)


def test_equal_numbers_have_no_scale():
    for scale in (robust_scale, standard_scale):
        assert scale(numpy.asarray([7.1, 7.1, 7.1]))[1] == 0
        assert scale(numpy.asarray([0.0, 1e-310]))[1] == 0  # its inverse would overflow
    assert scale_for("none", X) == (0.0, 1.0)


def test_smooth_clip_is_the_formula_and_bounded():
    z = numpy.linspace(-20, 20, 101)
    numpy.testing.assert_allclose(smooth_clip(z), z / numpy.sqrt(1 + (z / 3) ** 2), rtol=1e-14)
    assert (numpy.diff(smooth_clip(z)) > 0).all()
    assert smooth_clip(numpy.asarray([-1e300, 0.0, 1e300])).tolist() == [-3, 0, 3]


@pytest.mark.parametrize("x", [[], [1.0, numpy.nan], [numpy.inf], [[1.0]]])
def test_what_has_no_scale(x):
    for scale, name in ((robust_scale, "robust_scale"), (standard_scale, "standard_scale")):
        with pytest.raises(ValueError, match=f"{name} expected one axis of finite numbers"):
            scale(numpy.asarray(x))


def test_whole_weights_are_repeated_numbers():
    times = RNG.integers(1, 5, len(X))
    repeated = numpy.repeat(X, times)
    for scale in (robust_scale, standard_scale):
        ones = numpy.ones(len(repeated))
        expected = scale(repeated, sample_weight=ones)
        numpy.testing.assert_allclose(scale(X, sample_weight=times), expected, rtol=1e-12)  # of 800 sums
        numpy.testing.assert_allclose(scale(X, sample_weight=times / 7), expected, rtol=1e-12)


def test_weighted_quantiles_are_numpys():
    shares = numpy.linspace(0, 1, 11)
    ours = weighted_quantiles(X, numpy.ones(len(X)), shares)
    numpy.testing.assert_array_equal(ours, numpy.quantile(X, shares, method="averaged_inverted_cdf"))


def test_a_share_that_ends_between_two_numbers_is_found_though_sums_of_fractions_are_not_exact():
    x, tenths = numpy.arange(1.0, 11.0), numpy.full(10, 0.1)
    assert numpy.cumsum(tenths)[2] != 0.3 * numpy.cumsum(tenths)[-1]
    shares = numpy.linspace(0.1, 0.9, 9)
    numpy.testing.assert_array_equal(weighted_quantiles(x, tenths, shares), numpy.arange(1.5, 10))
