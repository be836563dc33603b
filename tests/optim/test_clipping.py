"""Clipping: the norm over all arrays, the bound met exactly, and what happens to gradients that are not finite."""

import numpy
import pytest

import xpnn
import xpnn.testing
from xpnn import nn, optim
from xpnn.arrays.devices import device_of
from xpnn.arrays.tree import flatten
from xpnn.optim import clip_by_global_norm, global_norm

INF, NAN = numpy.inf, numpy.nan
RNG = numpy.random.default_rng(8)
TREE = {"w": RNG.standard_normal((3, 4)), "rest": [RNG.standard_normal(5), (RNG.standard_normal(()), None)]}


def f32(*numbers):
    return numpy.asarray(numbers, dtype="float32")


def joined(tree):
    return numpy.concatenate([x.ravel() for x in flatten(tree)[0]])


# The norm


def test_the_norm_is_over_all_arrays_together():
    # rtol: a sum of 18 squares in float64
    numpy.testing.assert_allclose(global_norm(TREE), numpy.linalg.norm(joined(TREE)), rtol=1e-14)
    assert global_norm([numpy.asarray([3.0]), numpy.asarray([4.0])]) == 5
    assert global_norm({"w": numpy.zeros((2, 2))}) == 0
    assert global_norm(numpy.asarray(-2.0)) == 2
    assert global_norm([numpy.zeros((0, 3)), numpy.asarray(2.0)]) == 2
    assert global_norm(numpy.asarray([3j, 4.0])) == 5


def test_squares_neither_overflow_nor_vanish():
    numpy.testing.assert_allclose(global_norm([f32(2e19), f32(2e19)]), 2e19 * 2**0.5, rtol=1e-6)  # float32
    numpy.testing.assert_allclose(global_norm([f32(2e-30), f32(2e-30)]), 2e-30 * 2**0.5, rtol=1e-6)
    numpy.testing.assert_allclose(global_norm([f32(1e-45)] * 4), 2.8e-45, rtol=1e-2)  # the smallest float32
    assert global_norm(f32(3.4e38)) == numpy.float32(3.4e38)
    assert global_norm([f32(INF), f32(1)]) == INF
    assert global_norm([f32(-INF), f32(3e38)]) == INF
    assert numpy.isnan(global_norm([f32(NAN), f32(1)]))
    assert numpy.isnan(global_norm([f32(NAN), f32(INF)]))


# Clipping


@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 3.0])
def test_what_is_too_long_is_scaled_to_the_bound(max_norm):
    before = joined(TREE)
    clipped, norm = clip_by_global_norm(TREE, max_norm)
    assert norm == global_norm(TREE) > max_norm
    numpy.testing.assert_allclose(global_norm(clipped), max_norm, rtol=1e-14)
    numpy.testing.assert_allclose(joined(clipped), before * max_norm / norm, rtol=1e-14)
    numpy.testing.assert_array_equal(joined(TREE), before)
    assert clipped["rest"][1][1] is None


@pytest.mark.parametrize("max_norm", [5.0, 5.1, 1e300, INF])
def test_what_is_short_enough_keeps_its_bits(max_norm):
    for dtype in ("float32", "float64"):
        gradient = numpy.asarray([3.0, -4.0], dtype=dtype)
        clipped, norm = clip_by_global_norm([gradient], max_norm)
        assert clipped[0].tobytes() == gradient.tobytes()
        assert norm == 5


def test_the_scale_is_pytorchs_but_for_its_epsilon():
    torch = pytest.importorskip("torch")
    tensors = [torch.zeros(x.shape, requires_grad=True, dtype=torch.float64) for x in (TREE["w"], TREE["rest"][0])]
    for tensor, x in zip(tensors, (TREE["w"], TREE["rest"][0]), strict=True):
        tensor.grad = torch.tensor(x)
    torch.nn.utils.clip_grad_norm_(tensors, 2.0)
    clipped, norm = clip_by_global_norm([TREE["w"], TREE["rest"][0]], 2.0)
    for x, tensor in zip(clipped, tensors, strict=True):
        # PyTorch divides by norm + 1e-6
        numpy.testing.assert_allclose(x * norm / (norm + 1e-6), tensor.grad.numpy(), rtol=1e-13)


def test_zeros_stay_zeros():
    clipped, norm = clip_by_global_norm([f32(0, 0)], 1.0)
    assert clipped[0].tolist() == [0, 0]
    assert norm == 0


def test_huge_gradients_are_scaled_and_not_zeroed():
    """PyTorch: the norm overflows and all gradients become 0 without a word."""
    (clipped,), norm = clip_by_global_norm([f32(2e19, 2e19)], 1.0)
    numpy.testing.assert_allclose(clipped, 0.5**0.5, rtol=1e-6)  # float32
    assert numpy.isfinite(norm)


def test_a_model_of_gradients_comes_back_as_one():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).initialize(seed=0)
    x = RNG.standard_normal((5, 3)).astype("float32")
    gradients = xpnn.grad(lambda m: nn.squared_error(m(x), x[:, :2]))(model)
    clipped, _ = clip_by_global_norm(gradients, 1e-2)
    assert type(clipped) is nn.Sequential
    assert {p.dtype for p in clipped.parameters()} == {numpy.dtype("float32")}
    numpy.testing.assert_allclose(global_norm(clipped), 1e-2, rtol=1e-6)  # float32
    before = [p.copy() for p in model.parameters()]
    optim.SGD(model, learning_rate=1.0).step(clipped)
    length = global_norm([a - b for a, b in zip(model.parameters(), before, strict=True)])
    numpy.testing.assert_allclose(length, 1e-2, rtol=1e-4)  # differences of float32 numbers of size 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_dtypes_are_kept(dtype):
    (clipped,), norm = clip_by_global_norm([numpy.asarray([3.0, 4.0], dtype=dtype)], 1.0)
    assert clipped.dtype == dtype
    assert norm.dtype == dtype.replace("complex64", "float32")
    numpy.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("nonfinite", ["zero", "propagate"])
def test_on_a_device_nothing_is_read(elsewhere, nonfinite):
    gradient = elsewhere.asarray([3.0, 4.0])
    with xpnn.testing.no_device_reads():
        (clipped,), norm = clip_by_global_norm([gradient], 1.0, nonfinite=nonfinite)
    assert device_of(clipped) == device_of(norm) == elsewhere
    assert float(norm) == 5
    assert [float(x) for x in clipped] == [3.0 * 0.2, 0.8]


# Gradients that are not finite

BAD = [INF, -INF, NAN]


@pytest.mark.parametrize("bad", BAD)
def test_raise_says_how_many(bad):
    gradients = [f32(1, bad, 2), f32(3e38), numpy.asarray(bad, dtype="float32")]
    with pytest.raises(FloatingPointError, match="2 of 5 gradient elements are infinite or NaN: the update was not"):
        clip_by_global_norm(gradients, 1.0)


@pytest.mark.parametrize("bad", BAD)
def test_zero_makes_a_step_that_changes_nothing(bad):
    clipped, norm = clip_by_global_norm([f32(1, bad), f32(3e38)], 1.0, nonfinite="zero")
    assert [x.tolist() for x in clipped] == [[0, 0], [0]]
    assert not numpy.isfinite(norm)


@pytest.mark.parametrize("bad", BAD)
def test_propagate_makes_all_nan(bad):
    """One infinite gradient would make the others 0 by its norm, which hides it; in PyTorch it does."""
    clipped, norm = clip_by_global_norm([f32(1, bad), f32(3e38)], 1.0, nonfinite="propagate")
    assert numpy.isnan(joined(clipped)).all()
    assert not numpy.isfinite(norm)


@pytest.mark.parametrize("nonfinite", ["raise", "zero", "propagate"])
def test_policies_leave_finite_gradients_alone(nonfinite):
    (clipped,), _ = clip_by_global_norm([f32(3, 4)], 1.0, nonfinite=nonfinite)
    numpy.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-6)  # float32


def test_a_norm_that_overflows_is_not_called_an_infinite_gradient():
    with numpy.errstate(over="ignore"), pytest.raises(FloatingPointError, match="the norm of gradients overflows"):
        clip_by_global_norm([f32(3e38, 3e38, 3e38)], 1.0)


# What is refused


@pytest.mark.parametrize("max_norm", [0, 0.0, -1.0, NAN])
def test_a_bound_out_of_range(max_norm):
    with pytest.raises(ValueError, match=f"clip_by_global_norm expected max_norm above 0, got {max_norm}"):
        clip_by_global_norm([f32(1)], max_norm)


@pytest.mark.parametrize("max_norm", ["1", None, [1.0], numpy.ones(2)])
def test_a_bound_that_is_no_number(max_norm):
    with pytest.raises(TypeError, match="clip_by_global_norm expected max_norm to be a number, got"):
        clip_by_global_norm([f32(1)], max_norm)


@pytest.mark.parametrize("policy", ["skip", None, True])
def test_another_policy(policy):
    with pytest.raises(ValueError, match=f"nonfinite is 'raise', 'zero' or 'propagate', got {policy!r}"):
        clip_by_global_norm([f32(1)], 1.0, nonfinite=policy)


@pytest.mark.parametrize("tree", [[], {}, None, (), [numpy.zeros(0)], nn.Tanh()])
@pytest.mark.parametrize("function", [global_norm, lambda tree: clip_by_global_norm(tree, 1.0)])
def test_a_tree_without_numbers(function, tree):
    with pytest.raises(ValueError, match="global_norm expected at least one array with elements, got none"):
        function(tree)


@pytest.mark.parametrize("leaf", [1.0, "x", numpy.arange(3), [[1.0]]])
@pytest.mark.parametrize("function", [global_norm, lambda tree: clip_by_global_norm(tree, 1.0)])
def test_leaves_that_are_no_gradients(function, leaf):
    with pytest.raises(TypeError, match=r"expected floating-point arrays, got (float|str|int64)"):
        function([f32(1), leaf])


def test_a_compiled_step_is_told_what_to_pass():
    step = xpnn.compile(lambda g: optim.clip_by_global_norm([g], 0.5)[0][0])
    with pytest.raises(xpnn.CannotRecord, match="nonfinite='zero' or 'propagate'"):
        step(numpy.ones(3))
