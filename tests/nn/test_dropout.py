"""Dropout: the same masks on every device, the right share and scale, off in evaluation, and a count that is saved."""

import copy

import numpy
import pytest

import xpnn
from xpnn import nn
from xpnn.arrays.devices import device_of

ONES = numpy.ones((50, 40), dtype="float32")


def layer(p=0.5, seed=0):
    return nn.Dropout(p).initialize(seed=seed)


# Masks


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_the_share_and_the_scale(p):
    y = nn.dropout(numpy.ones(100_000), p, seed=0)
    kept = y != 0
    numpy.testing.assert_allclose(y[kept], 1 / (1 - p), rtol=1e-4)  # p is rounded to a multiple of 2^-16
    assert abs(kept.mean() - (1 - p)) < 5 * (p * (1 - p) / 100_000) ** 0.5  # five standard deviations


@pytest.mark.parametrize("p", [1e-5, 0.3, 0.99, 0.999, 1 - 2e-5, 1 - 1e-5])
def test_the_mean_is_kept_where_p_is_rounded(p):
    # p is rounded to a multiple of 2^-16, for the mask and for the scale
    count, share = 1_000_000, round((1 - p) * 2**16) / 2**16
    y = nn.dropout(numpy.ones(count, dtype="float32"), p, seed=1)
    numpy.testing.assert_allclose(y[y != 0], 1 / share, rtol=1e-6)  # a division in float32
    assert abs(y.mean(dtype="float64") - 1) < 5 * ((1 - share) / share / count) ** 0.5  # five standard deviations


def test_edges_of_p():
    assert nn.dropout(ONES, 0, seed=0) is ONES
    assert not nn.dropout(ONES, 1, seed=0).any()
    assert not nn.Dropout(1.0)(ONES).any()
    assert nn.Dropout(0)(ONES) is ONES


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 5)])
def test_shapes_and_dtypes_are_kept(shape):
    for dtype in ("float32", "float64"):
        y = layer()(numpy.ones(shape, dtype=dtype))
        assert (y.shape, y.dtype) == (shape, dtype)


def test_masks_are_a_function_of_seed_stream_and_step():
    same = [nn.dropout(ONES, 0.5, seed=3, stream="a", step=4) for _ in range(2)]
    assert (same[0] == same[1]).all()
    for other in ({"seed": 4}, {"stream": "b"}, {"step": 5}):
        y = nn.dropout(ONES, 0.5, **({"seed": 3, "stream": "a", "step": 4} | other))
        agree = ((y != 0) == (same[0] != 0)).mean()
        assert abs(agree - 0.5) < 5 * 0.5 / 2000**0.5  # unrelated masks agree on half of 2000 elements


def test_a_mask_does_not_depend_on_memory_layout():
    x = numpy.random.default_rng(0).standard_normal((6, 4))
    expected = nn.dropout(x, 0.5, seed=0)
    for other in (numpy.asfortranarray(x), numpy.repeat(x, 2, axis=1)[:, ::2]):
        numpy.testing.assert_array_equal(nn.dropout(other, 0.5, seed=0), expected)


def test_a_read_only_input_is_left_alone():
    x = ONES.copy()
    x.flags.writeable = False
    layer()(x)
    assert (x == 1).all()


# The layer


def test_each_call_has_a_mask_of_its_own_and_the_seed_brings_them_back():
    model = layer()
    first, second = model(ONES), model(ONES)
    assert (first != second).any()
    assert model.calls == 2
    model.initialize(seed=0)
    numpy.testing.assert_array_equal(model(ONES), first)
    assert (layer(seed=1)(ONES) != first).any()


def test_two_layers_of_a_model_have_unrelated_masks():
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5)).initialize(seed=0)
    agree = ((model[0](ONES) != 0) == (model[1](ONES) != 0)).mean()
    assert abs(agree - 0.5) < 5 * 0.5 / 2000**0.5


def test_without_initialize_two_layers_differ():
    assert (nn.Dropout(0.5)(ONES) != nn.Dropout(0.5)(ONES)).any()


def test_evaluation_draws_nothing():
    model = layer().eval()
    assert model(ONES) is ONES
    assert model.calls == 0


def test_masks_are_the_same_bits_on_another_device(elsewhere):
    here, there = layer(), layer().to(elsewhere)
    for _ in range(3):
        y = there(elsewhere.asarray(ONES))
        assert device_of(y) == elsewhere
        assert elsewhere.to_host(y).tobytes() == here(ONES).tobytes()


def test_masks_go_on_where_a_saved_count_left_off():
    model = layer()
    model(ONES)
    again = layer()
    again.load_state_dict(model.state_dict())
    numpy.testing.assert_array_equal(again(ONES), model(ONES))
    numpy.testing.assert_array_equal(copy.deepcopy(model)(ONES), model(ONES))


def test_the_gradient_passes_where_the_value_passed():
    model, twin = layer(), layer()
    gradient = xpnn.grad(lambda x: xpnn.namespace_of(x).sum(model(x)))(ONES)
    numpy.testing.assert_array_equal(gradient, twin(ONES))
    assert model.calls == 1


# What is refused


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), float("inf")])
def test_p_is_a_probability(p):
    with pytest.raises(ValueError, match=f"Dropout expected a probability p between 0 and 1, got {p}"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match=f"dropout expected a probability p between 0 and 1, got {p}"):
        nn.dropout(ONES, p, seed=0)


@pytest.mark.parametrize("x", [[1.0], 1.0, None])
def test_only_arrays_come_in(x):
    model = layer()
    with pytest.raises(TypeError, match="expected"):
        model(x)
    assert model.calls == 0


def test_integers_are_refused_rather_than_promoted():
    model = layer()
    with pytest.raises(TypeError, match="int64"):
        model(numpy.ones(3, dtype="int64"))
    assert model.calls == 0
