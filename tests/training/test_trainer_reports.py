"""What a Trainer reports, predicts and shows: histories, metrics, callbacks, modes, progress, the line in the log."""

import logging
import sys

import array_api_strict
import numpy
import pytest
from elsewhere import EVERYWHERE, PLACES, device_named, on_gpu

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.training import History, Trainer
from xpnn.training.metrics import accuracy, mean_absolute_error

CPU = xpnn.device("cpu")
STRICT = device_named("strict")
RNG = numpy.random.default_rng(17)
X = RNG.standard_normal((11, 3)).astype("float32")
T = RNG.standard_normal((11, 2)).astype("float32")
LABELS = RNG.integers(0, 2, 11)
WEIGHTS = RNG.uniform(0.1, 3.0, 11).astype("float32")


def network(place=CPU, dtype="float32"):
    layers = nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2)
    return nn.Sequential(*layers).initialize(seed=4).to(place, dtype=dtype)


def trainer_of(model, loss=nn.squared_error, **options):
    return Trainer(model, loss, optim.Adam(model, learning_rate=0.05), seed=5, **options)


def state(trainer):
    """All that training changes, in host arrays."""
    return {
        **{f"model/{name}": to_host(array) for name, array in trainer.model.state_dict().items()},
        **{f"optimizer/{name}": to_host(array) for name, array in trainer.optimizer.state_dict().items()},
        "epoch": numpy.asarray(trainer.epoch),
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        numpy.testing.assert_array_equal(found[name], array, err_msg=name)


# Reports


def test_an_epoch_reports_loss_validation_and_metrics():
    trainer = trainer_of(network(), nn.cross_entropy, metrics={"accuracy": accuracy})
    history = trainer.fit(X, LABELS, epochs=2, batch_size=4, validation=(X[:5], LABELS[:5]))
    assert history is trainer.history
    assert list(history.rows[0]) == ["epoch", "loss", "learning_rate", "seconds", "val_loss", "val_accuracy"]
    assert history["epoch"] == [1, 2]
    assert all(seconds > 0 for seconds in history["seconds"])
    assert len(history) == 2
    numbers = trainer.evaluate(X[:5], LABELS[:5])
    assert numbers == {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]}
    y = trainer.predict(X[:5])
    assert numbers["accuracy"] == (y.argmax(axis=1) == LABELS[:5]).mean()
    assert numbers["loss"] == float(nn.cross_entropy(y, LABELS[:5]))


@EVERYWHERE
def test_metrics_get_numpy_arrays_and_weights(place):
    seen = []

    def metric(y, t, **options):
        seen.append((type(y), type(t), {name: type(option) for name, option in options.items()}))
        return mean_absolute_error(y, t, **options)

    trainer = trainer_of(network(place), metrics={"error": metric})
    y = to_host(trainer.predict(X))
    assert trainer.evaluate(X, T)["error"] == mean_absolute_error(y, T)
    weighted = trainer.evaluate(X, T, sample_weight=WEIGHTS)
    assert weighted["error"] == mean_absolute_error(y, T, sample_weight=WEIGHTS)
    # float32 sums of eleven numbers
    numpy.testing.assert_allclose(
        weighted["loss"], numpy.average(((y - T) ** 2).mean(axis=1), weights=WEIGHTS), rtol=1e-6
    )
    arrays = numpy.ndarray, numpy.ndarray
    assert seen == [(*arrays, {}), (*arrays, {"sample_weight": numpy.ndarray})]


def test_weighted_validation_is_reported():
    trainer = trainer_of(network())
    history = trainer.fit(X, T, epochs=1, validation=(X, T, WEIGHTS))
    assert history["val_loss"] == [trainer.evaluate(X, T, sample_weight=WEIGHTS)["loss"]]


def test_a_history_names_what_it_has():
    with pytest.raises(KeyError, match="history has no 'loss'; it has no epochs yet"):
        History()["loss"]
    trainer = trainer_of(network())
    trainer.fit(X, T, epochs=1)
    trainer.fit(X, T, epochs=1, validation=(X, T))
    assert trainer.history["val_loss"][0] is None
    assert trainer.history["val_loss"][1] > 0
    with pytest.raises(KeyError, match="history has no 'accuracy'; it has epoch, learning_rate, loss, seconds, val_loss"):  # noqa: E501
        trainer.history["accuracy"]
    assert trainer.history.device.startswith("cpu, numpy ")


def test_no_epochs_change_nothing():
    trainer = trainer_of(network())
    before = state(trainer)
    assert len(trainer.fit(X, T, epochs=0)) == 0
    assert_equal(state(trainer), before)


def test_one_line_in_the_log_says_where(caplog):
    caplog.set_level(logging.INFO, logger="xpnn")
    trainer_of(network(STRICT)).fit(X, T, epochs=2)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert line.startswith("training on array_api_strict:Device('device1'), array_api_strict ")


# Callbacks


def test_callbacks_get_the_trainer_and_the_row_after_each_epoch():
    calls = []
    trainer = trainer_of(network())
    history = trainer.fit(
        X, T, epochs=3, validation=(X, T), callbacks=[lambda t, row: calls.append((t, t.epoch, row, t.model.training))]
    )
    assert [(t is trainer, epoch, training) for t, epoch, _, training in calls] == [(True, n, False) for n in (1, 2, 3)]
    assert all(call[2] is row for call, row in zip(calls, history.rows, strict=True))
    assert "val_loss" in calls[0][2]


@pytest.mark.parametrize("yes", [True, numpy.True_])
def test_a_callback_ends_the_training_and_all_are_called(yes):
    calls = []
    trainer = trainer_of(network())
    callbacks = [
        lambda t, row: calls.append("first"),
        lambda t, row: yes if row["epoch"] == 2 else False,
        lambda t, row: calls.append("last"),
    ]
    assert len(trainer.fit(X, T, epochs=9, callbacks=callbacks)) == 2
    assert calls == ["first", "last"] * 2
    assert len(trainer.fit(X, T, epochs=1)) == 3


def test_what_a_callback_adds_to_the_row_is_in_the_history():
    trainer = trainer_of(network())
    trainer.fit(X, T, epochs=2, callbacks=[lambda t, row: row.update(rate=t.optimizer.learning_rates()["0.weight"])])
    assert trainer.history["rate"] == pytest.approx([0.05, 0.05])


def test_an_error_in_a_callback_comes_after_its_epoch():
    trainer = trainer_of(network())

    def failing(trainer, row):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=3, callbacks=[failing])
    once = trainer_of(network())
    once.fit(X, T, epochs=1)
    assert_equal(state(trainer), state(once))
    assert len(trainer.history) == 1


# Prediction and modes


@EVERYWHERE
@pytest.mark.parametrize("given", ["strict cpu", *PLACES])
def test_predictions_are_arrays_of_the_kind_given(place, given):
    trainer = trainer_of(network(place))
    x = array_api_strict.asarray(X) if given == "strict cpu" else device_named(given).asarray(X)
    y = trainer.predict(x)
    assert type(y) is type(x)
    assert y.device == x.device
    assert str(y.dtype).endswith("float32")
    # the same operations, through another library, which on a GPU sums in another order
    atol = 1e-6 if on_gpu(place) else 0
    numpy.testing.assert_allclose(to_host(y), network().eval()(X), rtol=1e-6, atol=atol)


@EVERYWHERE
def test_no_rows_give_no_predictions(place):
    trainer = trainer_of(network(place))
    for x in (X[:0], X[:0].astype("float64"), STRICT.asarray(X[:0])):
        y = trainer.predict(x)
        assert (type(y), y.shape) == (type(x), (0, 2))
        assert str(y.dtype).endswith("float32")


@pytest.mark.parametrize("batch_size", [1, 2, 5, 11, 12, 5000])
def test_predictions_do_not_depend_on_the_batch_size(batch_size):
    model = network(dtype="float64")
    # products of other shapes may sum in another order
    numpy.testing.assert_allclose(
        trainer_of(model).predict(X, batch_size=batch_size), model.eval()(X.astype("float64")), rtol=1e-13
    )


def test_predictions_are_made_without_dropout_and_change_nothing():
    trainer = trainer_of(network())
    before = state(trainer)
    numpy.testing.assert_array_equal(trainer.predict(X), trainer.predict(X))
    trainer.evaluate(X, T)
    assert_equal(state(trainer), before)


@pytest.mark.parametrize("use", ["predict", "evaluate"])
@pytest.mark.parametrize("fails", [False, True], ids=["well", "with an error"])
def test_every_module_is_back_in_its_own_mode(use, fails):
    model = network()
    trainer = trainer_of(model)
    model.train()
    model[2].eval()
    modes = [module.training for _, module in model.named_modules()]
    x = X[:, :2] if fails else X
    call = (lambda: trainer.predict(x)) if use == "predict" else (lambda: trainer.evaluate(x, T))
    if fails:
        with pytest.raises(ValueError, match="last axis"):
            call()
    else:
        call()
    assert [module.training for _, module in model.named_modules()] == modes


def test_training_is_done_in_training_mode_and_ends_in_evaluation():
    model = network().eval()
    modes = []

    def loss(y, t):
        modes.append(model.training)
        return nn.squared_error(y, t)

    trainer_of(model, loss).fit(X, T, epochs=1, batch_size=6, validation=(X, T))
    trial, first, second, validation_trial = modes[0], *modes[2:4], modes[1]
    assert (trial, validation_trial, first, second) == (False, False, True, True)
    assert not any(module.training for _, module in model.named_modules())
    assert int(model[2].calls) == 2  # dropout drew a mask for each batch and none for the trials


# Progress


def test_progress_is_shown_where_asked_for(capsys):
    pytest.importorskip("tqdm")
    trainer_of(network()).fit(X, T, epochs=3, progress=True, validation=(X, T))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err
    assert "val_loss=" in shown.err
    assert "seconds" not in shown.err


@pytest.mark.parametrize("progress", [False, None])
def test_nothing_is_shown_off_a_terminal(capsys, progress):
    trainer_of(network()).fit(X, T, epochs=2, progress=progress)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("installed", "terminal", "shown"), [(1, 1, 1), (0, 1, 0), (1, 0, 0)])
def test_unasked_progress_is_shown_on_a_terminal_with_tqdm(capsys, monkeypatch, installed, terminal, shown):
    pytest.importorskip("tqdm")
    if not installed:
        hide_tqdm(monkeypatch)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: bool(terminal), raising=False)
    trainer_of(network()).fit(X, T, epochs=2)
    assert ("2/2" in capsys.readouterr().err) == bool(shown)


def test_progress_without_tqdm_says_how_to_get_it_before_anything_changes(monkeypatch):
    hide_tqdm(monkeypatch)
    trainer = trainer_of(network())
    before = state(trainer)
    with pytest.raises(ModuleNotFoundError, match=r"progress=True needs tqdm: pip install 'xpnn\[progress\]'"):
        trainer.fit(X, T, epochs=2, progress=True)
    assert_equal(state(trainer), before)
    assert len(trainer.history) == 0


def hide_tqdm(monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "tqdm" else found(name, *a))


def test_a_bar_is_closed_after_an_error(capsys):
    pytest.importorskip("tqdm")
    trainer = trainer_of(network())

    def failing(trainer, row):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=3, progress=True, callbacks=[failing])
    assert capsys.readouterr().err.endswith("\n")
