"""A tour: each promise of the README as a few lines that keep it. Read from top to bottom."""

import json
import logging

import fake_gpu
import numpy
import pytest

import xpnn
from xpnn import nn, optim, testing, training
from xpnn.arrays.random import keep_mask
from xpnn.cli.main import main

RNG = numpy.random.default_rng(0)
POINTS = RNG.normal(size=(120, 2)).astype("float32")
INSIDE = (numpy.sum(POINTS**2, axis=1, keepdims=True) < 1.4).astype("float32")


def network(seed=0):
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1)).initialize(seed=seed)


def loss(model, x, t):
    return nn.binary_cross_entropy_with_logits(model(x), t)


def trained(seed=0, epochs=3, model=None):
    model = network(seed) if model is None else model
    optimizer = optim.Adam(model, learning_rate=0.03)
    trainer = training.Trainer(model, nn.binary_cross_entropy_with_logits, optimizer, seed=seed)
    trainer.fit(POINTS, INSIDE, epochs=epochs)
    return trainer


# Arrays


def test_a_layer_is_a_function_of_arrays_and_a_raw_array_in_is_a_raw_array_out():
    y = nn.linear(POINTS, numpy.ones((3, 2), dtype="float32"), numpy.zeros(3, dtype="float32"))
    assert type(y) is numpy.ndarray
    assert type(network().eval()(POINTS)) is numpy.ndarray


def test_arrays_elsewhere_run_through_the_same_code_and_give_the_same_numbers(elsewhere):
    here, there = network().eval(), network().eval().to(elsewhere)
    y = there(elsewhere.asarray(POINTS))
    assert type(y) is type(elsewhere.xp.zeros(1))
    # the products may be summed in another order
    numpy.testing.assert_allclose(elsewhere.to_host(y), here(POINTS), rtol=1e-6, atol=1e-6)


def test_the_words_for_a_device_without_a_gpu(monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="xpnn")
    with fake_gpu.restored_modules():
        fake_gpu.pretend(monkeypatch, driver=None, cupy=None)
        assert (xpnn.device("cpu").name, xpnn.device("cpu").reason, caplog.records) == ("cpu", "", [])
        assert "[not-installed]" in xpnn.device("auto").reason
        assert xpnn.device("cuda", fallback=True).name == "cpu"
        assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
        with pytest.raises(xpnn.DeviceUnavailable) as error:
            xpnn.device("cuda")
        assert (error.value.code, bool(error.value.remedy)) == ("not-installed", True)


def test_the_words_for_a_device_with_a_gpu_whose_set_up_is_broken(monkeypatch, caplog):
    with fake_gpu.restored_modules():
        fake_gpu.pretend(monkeypatch, driver=13000, cupy={"kernel": "ImportError"})
        assert "[missing-libraries]" in xpnn.device("auto").reason
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        with pytest.raises(xpnn.DeviceUnavailable, match="pip install"):
            xpnn.device("cuda", fallback=True)


def test_a_seed_gives_the_same_bits_on_numpy_and_elsewhere(elsewhere):
    here, there = network(7).state_dict(), network().to(elsewhere).initialize(seed=7).state_dict()
    assert all(numpy.array_equal(here[name], elsewhere.to_host(there[name])) for name in here)
    assert not numpy.array_equal(here["0.weight"], network(8)[0].weight)
    masks = [keep_mask((5, 3), 0.5, seed=7, stream="s", step=1, like=x) for x in (POINTS, elsewhere.asarray(POINTS))]
    assert numpy.array_equal(masks[0], elsewhere.to_host(masks[1]))


def test_training_twice_from_one_seed_gives_the_same_bits():
    first, second, other = trained(seed=3), trained(seed=3), trained(seed=4)
    assert first.predict(POINTS).tobytes() == second.predict(POINTS).tobytes()
    assert first.predict(POINTS).tobytes() != other.predict(POINTS).tobytes()


# Derivatives


def test_gradients_come_in_the_shape_of_the_models_tree():
    model = network()
    value, grads = xpnn.value_and_grad(loss)(model, POINTS, INSIDE)
    assert value.shape == ()
    assert isinstance(grads, nn.Sequential)
    assert grads[0].weight.shape == model[0].weight.shape
    assert not hasattr(model[0].weight, "grad")  # nothing is stored, nothing needs to be zeroed


def test_a_layer_of_your_own_needs_no_derivative():
    class Gate(nn.Module):
        def __init__(self, features):
            self.slope = nn.Parameter(numpy.full(features, 0.5))

        def forward(self, x):
            return x / (1 + xpnn.namespace_of(x).exp(-self.slope * x))

    testing.check(lambda layer, x: layer(x), Gate(3), RNG.normal(size=(4, 3)))  # on NumPy, strict and a GPU, if any


def test_an_operation_of_your_own_brings_value_and_derivative_together():
    @xpnn.differentiable
    def cube(x):
        def dx(dy):
            return dy * 3 * x**2

        return x**3, (dx,)

    assert cube(2.0) == 8.0
    assert xpnn.grad(cube)(2.0) == 12.0
    assert xpnn.grad(xpnn.grad(cube))(2.0) == 12.0


def test_gradients_nest_and_their_levels_are_not_confused():
    assert xpnn.grad(lambda x: x * xpnn.grad(lambda y: x + y)(1.0))(1.0) == 1.0


def test_no_gradient_is_lost_silently():
    with pytest.raises(AttributeError, match="unwrap has no derivative"):
        xpnn.grad(lambda x: xpnn.namespace_of(x).unwrap(x)[0])(numpy.ones(3))
    with pytest.raises(TypeError, match="would lose the gradient"):
        xpnn.grad(lambda x: float(x) * x)(2.0)


# Training


def test_an_optimizer_updates_the_models_own_arrays():
    model = network()
    optimizer = optim.SGD(model, learning_rate=0.1)
    weight = model[0].weight
    before = weight.copy()
    _, grads = xpnn.value_and_grad(loss)(model, POINTS, INSIDE)
    optimizer.step(grads)
    assert model[0].weight is weight
    # one rounding in the product, one in the difference
    numpy.testing.assert_allclose(weight, before - 0.1 * grads[0].weight, rtol=1e-6, atol=1e-7)


def test_a_trainer_fits_evaluates_and_predicts():
    model = network()
    metrics = {"accuracy": training.metrics.binary_accuracy}
    optimizer = optim.Adam(model, learning_rate=0.03)
    trainer = training.Trainer(model, nn.binary_cross_entropy_with_logits, optimizer, metrics=metrics)
    history = trainer.fit(POINTS, INSIDE, epochs=60, validation=(POINTS, INSIDE))
    assert history["loss"][-1] < history["loss"][0] / 2
    assert not model.training
    assert trainer.evaluate(POINTS, INSIDE) == {name: history[f"val_{name}"][-1] for name in ("loss", "accuracy")}
    assert history["val_accuracy"][-1] > 0.9
    assert trainer.predict(POINTS).shape == (120, 1)


def test_a_saved_model_gives_the_same_predictions(tmp_path):
    trainer = trained()
    training.save(tmp_path / "model.safetensors", trainer.model.state_dict(), {"classes": ["outside", "inside"]})
    arrays, about = training.load(tmp_path / "model.safetensors")
    again = network(seed=9).load_state_dict(arrays).eval()
    assert about == {"classes": ["outside", "inside"]}
    assert again(POINTS).tobytes() == trainer.predict(POINTS).tobytes()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (POINTS[:, :1], r"Linear expected the last axis of x to be 2 \(in_features\), got shape \(2, 1\)"),
        (POINTS[:5], r"got x of shape \(5, 2\) and t of shape \(120, 1\)"),
        (numpy.where(POINTS > 2, numpy.nan, POINTS), r"x holds NaN, infinity .* first in row \d+: drop, fill or scale"),
    ],
)
def test_bad_data_are_refused_in_one_sentence_before_anything_is_trained(x, message):
    model = network()
    before = model[0].weight.copy()
    trainer = training.Trainer(model, nn.binary_cross_entropy_with_logits, optim.Adam(model))
    with pytest.raises(ValueError, match=message):
        trainer.fit(x, INSIDE)
    assert numpy.array_equal(model[0].weight, before)


# The terminal


def test_doctor_says_what_is_there_and_why_a_gpu_is_not_used(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["auto"] in ("cpu", "cuda:0")
    assert (found["code"] == "ok") or (found["detail"] and found["remedy"])
