"""A fit logs nothing, and keeps nobody else from logging."""

import logging
import threading

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.estimators import MLPRegressor
from xpnn.estimators.quiet import unlogged
from xpnn.training import Trainer

X = numpy.random.default_rng(0).standard_normal((40, 3)).astype("float32")
Y = X[:, 0]
LINE = f"training on {xpnn.device('cpu').describe()}"


def train():
    """A training that is no estimator's."""
    model = nn.Linear(3, 1)
    Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.1)).fit(X, Y[:, None], epochs=1, progress=False)


def fit(*callbacks):
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, tol=0, random_state=0, callbacks=callbacks).partial_fit(X, Y)


def test_a_fit_logs_nothing_and_a_training_after_it_does(caplog):
    caplog.set_level(logging.DEBUG, "xpnn")
    fit()
    assert caplog.messages == []
    train()
    assert caplog.messages == [LINE]


@pytest.mark.parametrize("ends_first", [0, 1])
def test_two_fits_at_once_leave_the_log_as_it_was(caplog, ends_first):
    """Each goes on when it is told to, so both are within a fit at once, and either ends first."""
    caplog.set_level(logging.DEBUG, "xpnn")
    within, go_on = ([threading.Event() for _ in range(2)] for _ in range(2))

    def wait(n):
        within[n].set()
        go_on[n].wait(10)

    threads = [threading.Thread(target=fit, args=(lambda trainer, row, n=n: wait(n),)) for n in range(2)]
    for thread, inside in zip(threads, within, strict=True):
        thread.start()
        assert inside.wait(10)
    train()  # neither keeps this thread from logging
    for n in (ends_first, 1 - ends_first):
        go_on[n].set()
        threads[n].join(10)
    assert caplog.messages == [LINE]
    train()
    assert caplog.messages == [LINE] * 2
    assert not logging.getLogger("xpnn").disabled


def test_within_one_another(caplog):
    caplog.set_level(logging.DEBUG, "xpnn")
    with unlogged():
        fit()
        train()
    assert caplog.messages == []
