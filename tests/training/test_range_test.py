"""The range test of learning rates: what it finds, and that nothing is changed by it."""

import math

import numpy
import pytest
from trained import T, X, assert_equal, assert_same_training, everything, network, trainer_of

from xpnn import nn, optim
from xpnn.training import Loader, Trainer, learning_rate_range_test
from xpnn.training import range_test as module
from xpnn.training.metrics import binary_accuracy


def everything_and_options(trainer):
    optimizer = trainer.optimizer
    return everything(trainer), dict(optimizer.options), {k: dict(v) for k, v in optimizer.patterns.items()}


@pytest.mark.parametrize("loader", [False, True], ids=["arrays", "loader"])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_all_is_as_before_and_training_goes_on_as_if_it_had_not_been(loader, steps_before):
    data = (Loader(X, T, batch_size=6),) if loader else (X, T)
    size = {} if loader else {"batch_size": 6}

    def trainer():
        options = {"metrics": {"accuracy": binary_accuracy}, "training_metrics": True, "average": 0.9, "accumulate": 2}
        model = network()
        return Trainer(model, nn.binary_cross_entropy_with_logits, optim.Adam(model, learning_rate=0.01), **options)

    tested, plain = trainer(), trainer()
    for one in (tested, plain):
        one.fit(*data, steps=steps_before, **size)
    before = everything_and_options(tested)
    history = [*tested.history.rows]
    found = learning_rate_range_test(tested, *data, steps=20, batch_size=6)
    assert len(found.losses) > 10
    after = everything_and_options(tested)
    assert_equal(after[0], before[0])
    assert after[1:] == before[1:]
    assert tested.history.rows == history
    assert not any(module.training for _, module in tested.model.named_modules())
    for one in (tested, plain):
        one.fit(*data, epochs=2, **size)
    assert_same_training(tested, plain)


def test_rates_grow_by_the_same_factor_and_reach_all_parameters():
    model = nn.Linear(3, 1).initialize(seed=0)
    schedule = optim.cosine_decay(0.1, steps=5)
    optimizer = optim.SGD(model, learning_rate=schedule, groups={"bias": {"learning_rate": 0.5}})
    trainer = Trainer(model, nn.squared_error, optimizer)
    seen = []

    def loss(y, t):
        seen.append(set(optimizer.learning_rates().values()))
        return nn.squared_error(y, t)

    trainer.loss = loss
    found = learning_rate_range_test(trainer, X, T, lowest=1e-4, highest=1e-1, steps=10)
    numpy.testing.assert_allclose(found.rates, numpy.geomspace(1e-4, 1e-1, 10), rtol=1e-12)
    rates = [next(iter(rates)) for rates in seen[-10:]]
    numpy.testing.assert_allclose(rates, found.rates, rtol=1e-12)
    assert all(len(rates) == 1 for rates in seen[-10:])
    assert optimizer.options["learning_rate"] is schedule
    assert optimizer.patterns["bias"]["learning_rate"] == 0.5


def test_losses_are_those_of_training_by_these_rates():
    trainer, model = trainer_of(), network()
    found = learning_rate_range_test(trainer, X[:6], T[:6], steps=10, lowest=1e-4, highest=0.01, batch_size=6)
    rates = numpy.geomspace(1e-4, 0.01, 10)
    by_hand = Trainer(
        model, nn.binary_cross_entropy_with_logits, optim.Adam(model, learning_rate=1.0), seed=5, compile=False
    )
    losses = []
    for rate in rates:  # an epoch of one batch each
        by_hand.optimizer.options["learning_rate"] = float(rate)
        losses += by_hand.fit(X[:6], T[:6], epochs=1, batch_size=6).rows[-1:]
    numpy.testing.assert_allclose(found.losses, [row["loss"] for row in losses], rtol=1e-6)  # of float32 rates


def quadratic(curvature):
    """A loss of one weight whose largest rate that converges is 2 / curvature."""
    model = nn.Linear(1, 1, bias=False).initialize(seed=0)
    trainer = Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.1))
    x = numpy.full((32, 1), math.sqrt(curvature / 2), dtype="float32")
    return trainer, x, 10 * x


@pytest.mark.parametrize("curvature", [0.1, 1.0, 10.0])
def test_it_ends_where_the_loss_diverges_and_suggests_less(curvature):
    trainer, x, t = quadratic(curvature)
    found = learning_rate_range_test(trainer, x, t, lowest=1e-4, highest=1e3)
    largest = 2 / curvature
    assert found.diverged
    assert len(found.losses) < 100
    assert largest < found.rates[-1]
    assert largest / 500 < found.suggestion < largest


def test_a_loss_that_is_not_finite_ends_it():
    trainer, x, t = quadratic(1.0)
    trainer.loss = lambda y, t: (
        nn.squared_error(y, t) * (1 if trainer.optimizer.options["learning_rate"] < 1 else math.inf)
    )
    found = learning_rate_range_test(trainer, x, t, lowest=1e-3, highest=10.0, steps=9 + 1)
    assert found.diverged
    assert found.rates[-1] > 1
    assert not math.isfinite(found.losses[-1])


def test_where_nothing_falls_there_is_no_suggestion():
    trainer, x, t = quadratic(1.0)
    trainer.loss = lambda y, t: 0 * nn.squared_error(y, t) + 1
    found = learning_rate_range_test(trainer, x, t, steps=20)
    assert not found.diverged
    assert found.suggestion is None


def test_an_error_puts_all_back():
    trainer = trainer_of()
    calls = []

    def loss(y, t):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("on purpose")
        return nn.binary_cross_entropy_with_logits(y, t)

    trainer.loss = loss
    before = everything_and_options(trainer)
    with pytest.raises(RuntimeError, match="on purpose"):
        learning_rate_range_test(trainer, X, T)
    after = everything_and_options(trainer)
    assert_equal(after[0], before[0])
    assert after[1:] == before[1:]


def test_its_picture_shows_losses_and_the_suggestion():
    pytest.importorskip("matplotlib")
    trainer, x, t = quadratic(1.0)
    found = learning_rate_range_test(trainer, x, t, lowest=1e-4, highest=1e3)
    (axes,) = found.plot().axes
    assert axes.get_xscale() == "log"
    assert list(axes.lines[0].get_ydata()) == found.losses
    assert list(axes.lines[2].get_xdata()) == [found.suggestion] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 0}, "0 < lowest < highest, got lowest 0 and highest 10.0"),
        ({"lowest": 2.0, "highest": 1.0}, "0 < lowest < highest"),
        ({"highest": math.inf}, "0 < lowest < highest"),
        ({"steps": 9}, "steps"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        module.learning_rate_range_test(trainer_of(), X, T, **options)
