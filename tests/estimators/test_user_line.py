"""Warnings of estimators point to the line that the user wrote, also through scikit-learn."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from xpnn.estimators import (
    Classifier,
    GridSearchMLP,
    MLPClassifier,
    MLPRegressor,
    Regressor,
    TabularClassifier,
    TabularRegressor,
)
from xpnn.estimators.user_line import held_back, warn

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame({"a": RNG.standard_normal(300), "t": RNG.choice(["x", "y"], 300)})
NAMED = FRAME.assign(id=[f"p{n}" for n in range(300)])
NEW = FRAME.assign(t="q")
Y = FRAME["a"].to_numpy()
QUICK = {"max_epochs": 1, "hidden_layer_sizes": (2,), "random_state": 0}
X, COLUMN = FRAME[["a"]].to_numpy(), Y[:, None]
FITTED = TabularClassifier(**QUICK).fit(FRAME, Y > 0)


def stop(*seen):
    raise KeyboardInterrupt


def no_value(estimator, x, y):
    return numpy.nan


def mlp(kind=MLPClassifier, **options):
    return kind(**{"hidden_layer_sizes": (2,), "max_iter": 1, "random_state": 0, **options})


def of_module(kind=Classifier, **options):
    return kind(**{"max_epochs": 1, "random_state": 0, **options})


STOPS, JUDGED = {"early_stopping": True, "monitor": stop}, {"early_stopping": True, "monitor": no_value}
SEARCH = GridSearchMLP(mlp(batch_size=500), {"alpha": [0.0, 1.0]}, cv=2)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("'id' is left out", lambda: TabularRegressor(**QUICK).fit(NAMED, Y)),
        ("'id' is left out", lambda: make_pipeline(TabularRegressor(**QUICK)).fit(NAMED, Y)),
        ("'id' is left out", lambda: cross_val_score(TabularRegressor(**QUICK), NAMED, Y, cv=2)),
        ("Training interrupted", lambda: TabularRegressor(**QUICK, callbacks=[stop]).fit(FRAME, Y)),
        ("val_r2 has no value", lambda: TabularRegressor(**QUICK, validation_fraction=1e-9).fit(FRAME, Y)),
        ("^X_val has hardly", lambda: TabularClassifier(**QUICK).fit(FRAME, Y > 0, X_val=NEW, y_val=Y > 0)),
        ("^X has hardly", lambda: FITTED.predict(NEW)),
        ("^X has hardly", lambda: FITTED.decision_function(NEW)),
        ("^X has hardly", lambda: FITTED.score(NEW, Y > 0)),
        ("^X has hardly", lambda: make_pipeline(FITTED).predict_proba(NEW)),
        ("column-vector", lambda: TabularClassifier(**QUICK).fit(FRAME, COLUMN > 0)),
        ("column-vector", lambda: TabularClassifier(**QUICK).fit(FRAME, FRAME[["t"]])),
        ("column-vector", lambda: TabularRegressor(**QUICK).fit(FRAME, COLUMN)),
        ("column-vector", lambda: of_module().fit(X, COLUMN > 0)),
        ("column-vector", lambda: of_module(Regressor).fit(X, COLUMN)),
        ("column-vector", lambda: mlp().partial_fit(X, COLUMN > 0, classes=[False, True])),
        ("column-vector", lambda: mlp(MLPRegressor).partial_fit(X, COLUMN)),
        ("column-vector", lambda: make_pipeline(of_module()).fit(X, COLUMN > 0)),
        ("hasn't converged", lambda: mlp().fit(X, Y > 0)),
        ("hasn't converged", lambda: mlp(dropout=0.1).fit(X, Y > 0)),
        ("hasn't converged", lambda: make_pipeline(mlp()).fit(X, Y > 0)),
        ("hasn't converged", lambda: cross_val_score(mlp(), X, Y > 0, cv=2)),
        ("lbfgs failed to converge", lambda: mlp(solver="lbfgs", tol=0.0).fit(X, Y > 0)),
        ("`batch_size` less than 1", lambda: mlp(batch_size=500).partial_fit(X, Y > 0, classes=[False, True])),
        ("`batch_size` less than 1", lambda: SEARCH.fit(X, Y > 0)),
        ("was nan after each epoch", lambda: mlp(**JUDGED).fit(X, Y > 0)),
        ("was nan after each epoch", lambda: make_pipeline(of_module(**JUDGED)).fit(X, Y > 0)),
        ("Training interrupted", lambda: mlp(**STOPS).fit(X, Y > 0)),
        ("Training interrupted", lambda: mlp(callbacks=[stop]).fit(X, Y > 0)),
        ("Training interrupted", lambda: make_pipeline(of_module(callbacks=[stop])).fit(X, Y > 0)),
    ],
)
def test_a_warning_points_to_the_line_of_the_user(words, call, recwarn):
    call()
    assert any(re.search(words, str(warning.message)) for warning in recwarn)
    assert {warning.filename for warning in recwarn} == {__file__}


def test_what_is_held_back_is_that_of_one_thread(recwarn):
    with held_back() as held:
        warn("of this one")
        with held_back() as inner:
            warn(DeprecationWarning("of a part"))
        with ThreadPoolExecutor(1) as thread:
            thread.submit(warn, "of the other").result()
        warn("of this one, later", RuntimeWarning)
    assert [(type(one), str(one)) for one in held] == [
        (UserWarning, "of this one"), (RuntimeWarning, "of this one, later"),
    ]  # fmt: skip
    assert [type(one) for one in inner] == [DeprecationWarning]
    warn("again")
    assert [str(one.message) for one in recwarn] == ["of the other", "again"]
