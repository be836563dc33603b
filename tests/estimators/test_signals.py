"""Ctrl-C ends a fit with a warning, as scikit-learn's does; any other signal does what it does without xpnn."""

import os
import signal
import subprocess
import sys

import numpy
import pytest

from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, TabularClassifier

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
X = numpy.random.default_rng(0).standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)

PROGRAM = """
import os, signal, warnings
import numpy
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # of os.fork, from 3.12 on
from xpnn.estimators import Classifier, MLPClassifier, TabularClassifier
X = numpy.random.default_rng(0).standard_normal((60, 3))
def send(trainer, row):
    os.kill(os.getpid(), signal.SIGTERM)
def send_twice(trainer, row):
    send(trainer, row)
    send(trainer, row)
for model in (
    MLPClassifier((4,), max_iter=3, callbacks=[send]),
    MLPClassifier((4,), max_iter=3, callbacks=[send_twice]),
    Classifier(max_epochs=3, callbacks=[send]),
    TabularClassifier(max_epochs=3, callbacks=[send]),
):
    child = os.fork()
    if not child:
        try:
            model.fit(X, (X[:, 0] > 0).astype(int))
        finally:
            print("went on", flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_sigterm_ends_the_process_as_ever():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False, capture_output=True, text=True)
    assert (run.stdout.split(), run.stderr) == ([str(-signal.SIGTERM)] * 4, "")


def test_a_handler_of_the_program_hears_sigterm_at_once():
    heard, before = [], signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        MLPClassifier(
            (4,), max_iter=3, tol=9.0, n_iter_no_change=1, callbacks=[lambda *_: os.kill(os.getpid(), signal.SIGTERM)]
        ).fit(X, Y)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(heard) == 3


@pytest.mark.parametrize(
    "model",
    [
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=9),
        MLPClassifier((4,), max_iter=9, early_stopping=True),
        Classifier(max_epochs=9),
        TabularClassifier(max_epochs=9),
    ],
    ids=lambda model: type(model).__name__,
)
def test_ctrl_c_ends_a_fit_with_a_warning(model):
    def press(trainer, row):
        if row["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match="interrupted by user"):
            model.set_params(callbacks=[press]).fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert model.predict(X).shape == (60,)
    epochs = model.n_iter_ if hasattr(model, "n_iter_") else len(model.history_)
    assert epochs == 2
