"""Warnings of tabular estimators point to the line that the user wrote, also through scikit-learn."""

import numpy
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from xpnn.estimators import TabularClassifier, TabularRegressor

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame({"a": RNG.standard_normal(300), "t": RNG.choice(["x", "y"], 300)})
NAMED = FRAME.assign(id=[f"p{n}" for n in range(300)])
NEW = FRAME.assign(t="q")
Y = FRAME["a"].to_numpy()
QUICK = {"max_epochs": 1, "hidden_layer_sizes": (2,), "random_state": 0}
FITTED = TabularClassifier(**QUICK).fit(FRAME, Y > 0)


def stop(trainer, row):
    raise KeyboardInterrupt


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
    ],
)
def test_a_warning_points_to_the_line_of_the_user(words, call):
    with pytest.warns(UserWarning, match=words) as caught:
        call()
    assert {warning.filename for warning in caught} == {__file__}
