"""When EarlyStopping ends a training, and that the best weights are then the model's."""

import math

import numpy
import pytest
from trained import HELD_OUT, T_HELD_OUT, X_HELD_OUT, T, X, assert_equal, assert_same_training, everything, trainer_of

from xpnn.arrays.native import to_host
from xpnn.training import Loader
from xpnn.training.callbacks import EarlyStopping
from xpnn.training.metrics import binary_accuracy


def numbers(*values, name="score"):
    """A callback that puts these numbers into the rows."""

    def put(trainer, row):
        row[name] = values[min(row["epoch"], len(values)) - 1]

    return put


def epochs_until(stopping, *values, name="number", epochs=12):
    """How many epochs a training has whose numbers are these."""
    trainer = trainer_of()
    trainer.fit(X, T, epochs=epochs, callbacks=[numbers(*values, name=name), stopping])
    return trainer.epoch


@pytest.mark.parametrize(
    ("patience", "values", "ended"),
    [
        (1, [3, 2, 2, 1], 3),  # as good is not better
        (2, [3, 2, 2, 1, 1, 1], 6),  # 5 and 6 are no better than 4
        (3, [3, 4, 5, 6], 4),
        (3, [3, 4, 5, 2, 3, 4, 5], 7),
        (1, [5, 4, 3, 2, 1, 0], 7),  # the last number stays
        (None, [1, 2], 12),
    ],
)
def test_it_ends_after_so_many_epochs_without_a_better_value(patience, values, ended):
    assert epochs_until(EarlyStopping("number", mode="min", patience=patience), *values) == ended


def test_a_name_that_does_not_say_what_is_better_is_refused():
    with pytest.raises(ValueError, match=r"EarlyStopping cannot tell by the name .* 'val_hits' .* say mode='max' or"):
        EarlyStopping("val_hits")


def test_a_value_has_to_be_better_by_the_least_gain():
    stopping = EarlyStopping("number", mode="min", patience=2, least=0.5)
    assert (
        epochs_until(stopping, 3.0, 2.4, 2.0, 1.9, 1.8) == 4
    )  # 2.0 and 1.9 gain 0.4 and 0.5 on 2.4: no more than that
    assert (stopping.best, stopping.best_epoch) == (2.4, 2)


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_loss", "min"), ("loss", "min"), ("val_mean_absolute_error", "min"), ("val_accuracy", "max"),
        ("val_roc_auc", "max"), ("f1", "max"), ("val_r2", "max"), ("my_score", "max"),
    ],
)  # fmt: skip
def test_auto_takes_the_mode_from_the_name(monitor, mode):
    assert EarlyStopping(monitor).mode == mode
    assert EarlyStopping(monitor, mode="min").mode == "min"


def test_larger_is_better_in_mode_max():
    stopping = EarlyStopping("number", mode="max", patience=2)
    assert epochs_until(stopping, 1, 3, 2, 2.5) == 4
    assert (stopping.best, stopping.best_epoch) == (3, 2)


def test_nan_is_never_better():
    stopping = EarlyStopping("number", mode="min", patience=2)
    assert epochs_until(stopping, math.nan, 2, math.nan, math.nan, 1) == 4
    assert (stopping.best, stopping.best_epoch) == (2, 2)
    nothing = EarlyStopping("number", mode="min", patience=3)
    assert epochs_until(nothing, math.nan) == 3
    assert nothing.best is None


@pytest.mark.parametrize("values", [[math.inf, 5, 6, 7], [math.inf, math.inf, 5]])
def test_infinity_is_a_value(values):
    stopping = EarlyStopping("number", mode="min", patience=2)
    epochs_until(stopping, *values, epochs=len(values))
    assert stopping.best == 5


def recorder(kept):
    """A callback that keeps the state of the evaluated model of each epoch."""

    def keep(trainer, row):
        kept[row["epoch"]] = {name: to_host(array).copy() for name, array in trainer.evaluated.state_dict().items()}

    return keep


@pytest.mark.parametrize("average", [None, 0.7])
@pytest.mark.parametrize("loader", [False, True], ids=["arrays", "loader"])
def test_the_best_weights_are_restored_with_buffers_and_average(average, loader):
    kept = {}
    stopping = EarlyStopping("number", mode="min", patience=2)
    callbacks = [numbers(3, 2, 4, 5, name="number"), recorder(kept), stopping]
    trainer = trainer_of(average=average)
    if loader:
        trainer.fit(Loader(X, T, batch_size=6), epochs=9, validation=Loader(*HELD_OUT), callbacks=callbacks)
    else:
        trainer.fit(X, T, epochs=9, batch_size=6, validation=HELD_OUT, callbacks=callbacks)
    assert trainer.epoch == 4
    found = {name: to_host(array) for name, array in trainer.evaluated.state_dict().items()}
    assert_equal(found, kept[2])
    assert not numpy.array_equal(kept[2]["1.running_mean"], kept[4]["1.running_mean"])
    # the loader's validation is a mean of batches, the other a loss of all rows at once: the same but for rounding
    numpy.testing.assert_allclose(
        trainer.evaluate(X_HELD_OUT, T_HELD_OUT)["loss"], trainer.history["val_loss"][1], rtol=1e-6
    )


def test_the_last_weights_stay_where_that_is_wanted():
    kept = {}
    stopping = EarlyStopping("number", mode="min", patience=2, restore_best=False)
    trainer = trainer_of()
    trainer.fit(X, T, epochs=9, callbacks=[numbers(3, 2, 4, 5, name="number"), recorder(kept), stopping])
    assert_equal({name: to_host(array) for name, array in trainer.model.state_dict().items()}, kept[4])


def test_the_best_weights_are_restored_at_the_goal_too():
    kept = {}
    trainer = trainer_of()
    callbacks = [numbers(3, 2, 4, 5, name="number"), recorder(kept), EarlyStopping("number", mode="min", patience=9)]
    trainer.fit(X, T, epochs=4, callbacks=callbacks)
    assert_equal({name: to_host(array) for name, array in trainer.model.state_dict().items()}, kept[2])


def test_after_an_error_the_weights_stay_those_of_the_position():
    def failing(trainer, row):
        if row["epoch"] == 3:
            raise RuntimeError("on purpose")

    trainer, plain = trainer_of(), trainer_of()
    callbacks = [numbers(1, 2, name="number"), EarlyStopping("number", mode="min", patience=5), failing]
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=9, callbacks=callbacks)
    plain.fit(X, T, epochs=3)
    found = everything(trainer)
    assert_equal({name: found[name] for name in everything(plain)}, everything(plain))


def test_each_fit_begins_anew():
    stopping = EarlyStopping("number", mode="min", patience=2)
    trainer = trainer_of()
    for _ in range(2):
        trainer.fit(X, T, epochs=9, callbacks=[numbers(0, 1, 2, name="number"), stopping])
    assert trainer.epoch == 3 + 3  # in the second fit the first number is 2, and no later one is better


def goes_on(folder, trainer, *, epochs, patience=3, until=None):
    """A fit that ends early of itself; `until` breaks it off after that epoch, as a kill would."""

    def killed(trainer, row):
        if row["epoch"] == until:
            raise KeyboardInterrupt

    values = numbers(5, 4, 3, 4, 5, 6, 7, name="number")
    trainer.fit(
        X, T, epochs=epochs, batch_size=6, checkpoint=folder, resume=True,
        callbacks=[values, EarlyStopping("number", mode="min", patience=patience), killed],
    )  # fmt: skip


@pytest.mark.parametrize("average", [None, 0.7])
@pytest.mark.parametrize("until", [2, 3, 4, 5, 6])
def test_its_state_survives_a_resume_bit_for_bit(tmp_path, average, until):
    whole, first, second = (trainer_of(average=average) for _ in range(3))
    goes_on(tmp_path / "whole", whole, epochs=20)
    assert whole.epoch == 6
    with pytest.raises(KeyboardInterrupt):
        goes_on(tmp_path / "parts", first, epochs=20, until=until)
    goes_on(tmp_path / "parts", second, epochs=20)
    assert_same_training(second, whole)
    ended = trainer_of(average=average)
    goes_on(tmp_path / "parts", ended, epochs=20)  # once more: it has ended, and gives the best weights
    assert_same_training(ended, whole)


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("val_loss", r"expected a number 'val_loss' .* got epoch, loss, learning_rate, seconds: give fit validation"),
        ("val_accuracy", "give fit validation"),
        ("accuracy", "expected a number 'accuracy' .*: give Trainer training_metrics=True"),
    ],
)
def test_what_will_not_be_reported_is_refused_before_anything_is_trained(monitor, message):
    trainer = trainer_of(metrics={"accuracy": binary_accuracy})
    before = everything(trainer)
    with pytest.raises(ValueError, match=message):
        trainer.fit(X, T, epochs=3, callbacks=[EarlyStopping(monitor)])
    found = everything(trainer)
    assert_equal({name: found[name] for name in before}, before)


def test_an_unknown_name_is_refused_after_the_first_epoch():
    trainer = trainer_of()
    with pytest.raises(ValueError, match=r"a number 'val_acc' in each epoch, got epoch, loss, .*, val_loss(\n|$)"):
        trainer.fit(X, T, epochs=3, validation=HELD_OUT, callbacks=[EarlyStopping("val_acc")])
    assert trainer.epoch == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience"),
        ({"patience": 1.5}, "patience"),
        ({"least": -0.1}, "least of 0 or more, got -0.1"),
        ({"least": math.nan}, "least of 0 or more, got nan"),
        ({"mode": "best"}, "mode 'auto', 'min' or 'max', got 'best'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        EarlyStopping(**options)
