"""Trainer and optimizer stay whole: bad options, targets and metrics are named first, and errors in between undone."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.training import Trainer
from xpnn.training.metrics import roc_auc


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["accuracy"]}, r"metrics as {'name': function or Metric}, got \['accuracy'\]"),
        ({"metrics": {"accuracy": 3}}, "metrics as"),
        ({"seed": "0"}, "seed to be an integer, got '0'"),
    ],
)
def test_bad_options_are_named_at_once(options, message):
    model = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=message):
        Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.1), **options)


@pytest.mark.parametrize("callbacks", [print, ["print"], 3])
def test_bad_callbacks_are_named_before_anything_is_trained(callbacks):
    model = nn.Linear(2, 1)
    trainer = Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.1))
    before = model.weight.copy()
    with pytest.raises(TypeError, match="callbacks to be a list of functions"):
        trainer.fit(numpy.ones((4, 2)), numpy.ones((4, 1)), epochs=1, callbacks=callbacks)
    assert (model.weight == before).all()
    assert len(trainer.history) == 0


def test_no_epochs_leave_the_model_in_evaluation_mode():
    model = nn.Linear(2, 1)
    Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.1)).fit(
        numpy.ones((4, 2)), numpy.ones((4, 1)), epochs=0
    )
    assert not model.training


def test_a_failing_epoch_after_a_change_of_what_is_frozen_goes_back_as_well():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)).initialize(seed=0)
    calls = []

    def loss(y, t):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return nn.squared_error(y, t)

    trainer = Trainer(model, loss, optim.Adam(model, learning_rate=0.1))
    x, t = numpy.ones((8, 2)), numpy.ones((8, 1))
    trainer.fit(x, t, epochs=1, batch_size=2)
    model.freeze("0.*")
    before = {name: array.copy() for name, array in trainer.optimizer.state_dict().items()}
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(x, t, epochs=1, batch_size=2)
    after = trainer.optimizer.state_dict()
    assert after.keys() == before.keys()
    assert all((after[name] == before[name]).all() for name in after)


def test_an_interrupted_rebinding_keeps_the_state(monkeypatch):
    model = nn.Linear(2, 1).initialize(seed=0)
    optimizer = optim.Adam(model, learning_rate=0.1)
    step = lambda: optimizer.step(xpnn.grad(lambda m: nn.squared_error(m(x), x[:, :1]))(model))  # noqa: E731
    x = numpy.ones((4, 2), dtype="float32")
    step()
    model.freeze("bias")

    def interrupted(self, state):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(optim.Optimizer, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            step()
    step()
    assert optimizer.steps == 2
    assert optimizer.state_dict()["weight.mean"].any()


def test_a_schedule_that_raises_changes_nothing():
    def schedule(step):
        raise ZeroDivisionError

    model = nn.Linear(2, 1).initialize(seed=0)
    optimizer = optim.SGD(model, learning_rate=0.1, groups={"weight": {"learning_rate": schedule}})
    before = model.state_dict()
    with pytest.raises(ZeroDivisionError):
        optimizer.step(xpnn.grad(lambda m: nn.squared_error(m(model.weight), model.weight[:, :1]))(model))
    assert optimizer.steps == 0
    assert all((array == before[name]).all() for name, array in model.state_dict().items())


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy_with_logits, nn.BinaryCrossEntropyWithLogits()])
def test_targets_of_minus_1_are_found_before_training(loss, place):
    model = nn.Linear(2, 1).initialize(seed=0)
    trainer = Trainer(model, loss, optim.SGD(model, learning_rate=0.1), device=place)
    t = numpy.asarray([[1.0], [0.0], [1.0], [-1.0]])
    with pytest.raises(ValueError, match=r"targets from 0 to 1, got targets from -1\.0 to 1\.0"):
        trainer.fit(numpy.ones((4, 2)), t)
    assert trainer.optimizer.steps == 0


def test_integer_targets_for_one_output_are_explained():
    model = nn.Linear(2, 1)
    trainer = Trainer(model, nn.binary_cross_entropy_with_logits, optim.SGD(model, learning_rate=0.1))
    with pytest.raises(
        ValueError, match=r"floating-point of shape \(n, 1\), got integers: give t\[:, None\] as float32 .tried with 2"
    ):
        trainer.fit(numpy.ones((4, 2)), numpy.asarray([0, 1, 0, 1]))


def test_a_metric_that_cannot_be_reported_is_found_before_training():
    model = nn.Linear(2, 1).initialize(seed=0)
    metrics = {"AUC": roc_auc}
    trainer = Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.1), metrics=metrics)
    x, t = numpy.ones((4, 2)), numpy.asarray([[0.5], [1.5], [2.5], [3.5]])
    with pytest.raises(ValueError, match=r"roc_auc expected targets 0 and 1, got 0\.5"):
        trainer.fit(x, t, validation=(x, t))
    assert trainer.optimizer.steps == 0
    with pytest.raises(ValueError, match="other names for metrics than loss"):
        Trainer(model, nn.squared_error, trainer.optimizer, metrics={"loss": roc_auc})


def test_labels_out_of_range_are_named_over_all_rows_and_shapes_with_how_many_were_tried():
    model = nn.Linear(2, 3)
    trainer = Trainer(model, nn.cross_entropy, optim.SGD(model, learning_rate=0.1))
    with pytest.raises(ValueError, match=r"got labels from 0 to 7$"):
        trainer.fit(numpy.ones((4, 2)), numpy.asarray([0, 1, 2, 7]))
    with pytest.raises(ValueError, match=r"\(tried with 2 of 4 rows\)$"):
        trainer.fit(numpy.ones((4, 3)), numpy.asarray([0, 1, 2, 2]))
