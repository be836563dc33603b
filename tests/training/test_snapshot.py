"""What a step changes, copied and put back, even after a callback froze, unfroze or replaced parameters."""

import numpy
import pytest
from trained import LOSS, T, X, assert_equal, everything

from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.training import Loader, Trainer
from xpnn.training.callbacks import Callback
from xpnn.training.snapshot import Snapshot

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, where it computes NaN

SPOILED = X.copy()
SPOILED[13] = 3e38
OPTIMIZERS = {
    "Adam": lambda model: optim.Adam(model, learning_rate=0.05),
    "SGD": lambda model: optim.SGD(model, learning_rate=0.05, momentum=0.9),
    "NAdam": lambda model: optim.NAdam(model, learning_rate=0.05),  # with numbers that all parameters share
    "Adagrad": lambda model: optim.Adagrad(model, learning_rate=0.05, initial_sum=0.5),
}


def partly_frozen(optimizer="Adam", **options):
    """A trainer of two layers, the first of them frozen, after an epoch."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).initialize(seed=0)
    model[0].freeze()
    trainer = Trainer(model, LOSS, OPTIMIZERS[optimizer](model), seed=5, **options)
    trainer.fit(X, T, epochs=1, batch_size=6)
    return trainer


class Unfreezing(Callback):
    """Lets the first layer learn, at one moment; then fails, if told to."""

    def __init__(self, moment, error=None):
        self.error = error
        setattr(self, moment, self.act)

    def act(self, trainer, *arguments):
        trainer.model[0].unfreeze()
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("moment", ["epoch_starts", "fit_starts"])
def test_after_an_unfreeze_the_error_of_a_bad_step_comes_and_all_is_finite(optimizer, moment):
    trainer = partly_frozen(optimizer)
    with pytest.raises(FloatingPointError, match="Model and optimizer are as after step 4"):
        trainer.fit(SPOILED, T, epochs=1, batch_size=6, callbacks=[Unfreezing(moment)])
    assert (trainer.epoch, trainer.batch, trainer.step) == (1, 0, 4)
    assert all(numpy.isfinite(array).all() for array in everything(trainer).values())


def test_after_an_unfreeze_bad_steps_are_skipped():
    trainer = partly_frozen(nonfinite="skip")
    before = to_host(trainer.model[0].weight).copy()
    trainer.fit(SPOILED, T, epochs=1, batch_size=6, callbacks=[Unfreezing("epoch_starts")])
    assert trainer.history["skipped"] == [None, 1]
    assert (trainer.model[0].weight != before).any()
    assert all(numpy.isfinite(array).all() for array in everything(trainer).values())


def test_after_an_unfreeze_the_error_of_a_loader_comes_through():
    def samples():
        yield from zip(X, T, strict=True)
        raise OSError("disk gone")

    trainer = partly_frozen()
    before = {name: to_host(array).copy() for name, array in trainer.model.state_dict().items()}
    with pytest.raises(OSError, match="disk gone"):
        trainer.fit(Loader(samples, batch_size=6), epochs=1, callbacks=[Unfreezing("epoch_starts")])
    assert_equal({name: to_host(array) for name, array in trainer.model.state_dict().items()}, before)
    assert trainer.step == 4


def test_what_a_callback_wrote_as_an_epoch_started_stays_where_a_step_is_undone():
    class Writing(Callback):
        def epoch_starts(self, trainer):
            trainer.model.weight[...] = 7

    def trained(x, t, **options):
        model = nn.Linear(3, 1).initialize(seed=0)
        trainer = Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.05), nonfinite="skip")
        trainer.fit(x, t, epochs=1, batch_size=6, shuffle=False, callbacks=[Writing()])
        return to_host(trainer.model.weight)

    spoiled = X.copy()
    spoiled[2] = 3e38  # in the first batch
    numpy.testing.assert_array_equal(trained(spoiled, T), trained(X[6:], T[6:]))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_error_right_after_an_unfreeze_goes_back_to_the_look_before(optimizer):
    trainer, same = partly_frozen(optimizer), partly_frozen(optimizer)
    error = RuntimeError("on purpose")
    with pytest.raises(RuntimeError, match="on purpose") as caught:
        trainer.fit(X, T, epochs=1, batch_size=6, report_every=2, callbacks=[Unfreezing("report", error)])
    assert len(caught.value.__notes__) == 1  # the callback's name: it could be taken back
    same.fit(X, T, steps=2, batch_size=6, report_every=2)
    same.model[0].unfreeze()
    for part in ("model", "optimizer"):
        found, expected = (getattr(one, part).state_dict() for one in (trainer, same))
        assert_equal({k: to_host(v) for k, v in found.items()}, {k: to_host(v) for k, v in expected.items()})


def test_parameters_that_were_frozen_or_replaced_take_their_values_back():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).initialize(seed=0)
    optimizer = optim.Adam(model, learning_rate=0.05)
    Trainer(model, LOSS, optimizer).fit(X, T, epochs=1)
    before = {name: to_host(array).copy() for name, array in model.state_dict().items()}
    kept = {name: to_host(array).copy() for name, array in optimizer.state_dict().items() if name.startswith("1.")}
    snapshot = Snapshot(model, optimizer, [], [])
    model[0].freeze()
    model[1].weight = numpy.zeros((1, 4), dtype="float32")
    for name in ("weight", "bias"):
        getattr(model[0], name)[...] = numpy.nan
    snapshot.restore()
    assert_equal({name: to_host(array) for name, array in model.state_dict().items()}, before)
    found = {name: to_host(array) for name, array in optimizer.state_dict().items()}
    assert_equal({name: array for name, array in found.items() if name != "steps"}, kept)
    assert found["steps"] == 1


def test_what_cannot_be_put_back_is_a_note_on_the_first_error():
    class Reshaping(Callback):
        def report(self, trainer, row):
            trainer.model[1].weight = nn.Parameter(numpy.zeros((2, 3), dtype="float32"))
            raise RuntimeError("on purpose")

    trainer = partly_frozen()
    with pytest.raises(RuntimeError, match="on purpose") as caught:
        trainer.fit(X, T, epochs=1, batch_size=6, report_every=2, callbacks=[Reshaping()])
    assert "could not be taken back to the last look: ValueError" in caught.value.__notes__[1]
