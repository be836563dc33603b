"""What decides when a fit stops: a scorer by its name or as a function, which may have no value."""

import numpy
import pytest
from sklearn.metrics import get_scorer, make_scorer, roc_auc_score

from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor
from xpnn.training.callbacks import EarlyStopping

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((60, 3)).astype("float32")
NUMBERS = X[:, 0] * 2
LABELS = (NUMBERS > 0).astype(int)
FITS = [
    (MLPClassifier(max_iter=3, random_state=0, early_stopping=True), LABELS),
    (MLPRegressor(max_iter=3, random_state=0, early_stopping=True), NUMBERS),
    (Classifier(max_epochs=3, random_state=0, early_stopping=True), LABELS),
    (Regressor(max_epochs=3, random_state=0, early_stopping=True), NUMBERS),
]


def no_number(estimator, X, y):
    """A scorer that cannot say."""
    return numpy.nan


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "y"), FITS, ids=lambda value: type(value).__name__)
def test_a_monitor_without_a_value_is_said_to_have_none(estimator, y, recwarn):
    estimator.set_params(monitor=no_number)
    with pytest.warns(UserWarning, match="monitor=.*no_number.* was nan after each epoch") as found:
        estimator.fit(X, y)
    said = [warning for warning in found if "after each epoch" in str(warning.message)]
    assert len(said) == 1
    assert said[0].filename == __file__
    assert estimator.n_iter_ >= 1
    recwarn.clear()
    estimator.set_params(monitor="loss").fit(X, y)
    assert not [warning for warning in recwarn if "after each epoch" in str(warning.message)]


def stopped_by(monitor, kind=MLPClassifier, y=LABELS, **options):
    return kind(max_iter=60, random_state=0, early_stopping=True, monitor=monitor, **options).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_scorer_by_name_is_the_scorer(tmp_path):
    by_name, by_function = stopped_by("roc_auc"), stopped_by(get_scorer("roc_auc"))
    assert by_name.best_epoch_ == by_function.best_epoch_
    numpy.testing.assert_array_equal(by_name.predict_proba(X), by_function.predict_proba(X))
    by_name.save(tmp_path / "model")
    assert MLPClassifier.load(tmp_path / "model").monitor == "roc_auc"
    held_out = {"X_val": X[:20], "y_val": LABELS[:20]}
    model = MLPClassifier(max_iter=30, random_state=0, early_stopping=True, monitor="roc_auc", n_iter_no_change=50)
    model.fit(X[20:], LABELS[20:], **held_out)
    assert roc_auc_score(LABELS[:20], model.predict_proba(X[:20])[:, 1]) == model._best_monitored


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("callbacks", [None, [lambda trainer, row: None]], ids=["alone", "by a Trainer"])
def test_what_the_scorer_said_is_kept(callbacks):
    held_out = {"X_val": X[:20], "y_val": LABELS[:20]}
    model = stopped_by("roc_auc", n_iter_no_change=99, callbacks=callbacks, verbose=0)
    assert len(model.monitored_curve_) == model.n_iter_
    assert model.best_epoch_ == 1 + numpy.argmax(model.monitored_curve_)
    assert max(model.monitored_curve_) == model._best_monitored
    for other in (MLPClassifier(max_iter=2).fit(X, LABELS, **held_out), stopped_by("score"), stopped_by("loss")):
        assert other.monitored_curve_ is None
    assert model.set_params(warm_start=True, monitor="loss").fit(X, LABELS).monitored_curve_ is None


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks_find_the_numbers_of_the_rows_held_out():
    rows = []
    options = {"callbacks": [EarlyStopping("val_loss", patience=50), lambda trainer, row: rows.append(dict(row))]}
    model = stopped_by("roc_auc", **options)
    names = {"val_loss": "validation_loss_curve_", "val_score": "validation_scores_", "val_scorer": "monitored_curve_"}
    for name, attribute in names.items():
        assert [row[name] for row in rows] == getattr(model, attribute)
    rows.clear()
    MLPRegressor(max_iter=2, **options).set_params(callbacks=options["callbacks"][1:]).fit(X, NUMBERS)
    assert not {name for row in rows for name in row if name.startswith("val_")}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("monitor", ["loss", "score", "roc_auc"])
def test_the_line_at_the_end_says_what_did_not_improve(monitor, capsys):
    stopped_by(monitor, n_iter_no_change=1, tol=10.0, verbose=True)
    assert f"Validation {monitor} did not improve more than tol=10.000000 for 1 " in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_of_several_quantiles_a_scorer_by_name_judges_the_middle_one():
    options = {"loss": "quantile", "quantiles": [0.1, 0.5, 0.9], "tol": 0.0}
    one, other = (stopped_by(monitor, MLPRegressor, NUMBERS, **options) for monitor in ("r2", "score"))
    numpy.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_a_scorer_that_is_none_or_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"The 'monitor' parameter of MLPClassifier must be .* Got 'auc' instead"):
        stopped_by("auc")
    model = MLPClassifier(early_stopping=True, monitor="roc_auc")
    with pytest.raises(ValueError, match=r"^monitor='roc_auc': multi_class must be in"):
        model.fit(X, numpy.arange(60) % 3)
    assert not hasattr(model, "network_")


WEIGHTS = RNG.uniform(0.5, 2.0, 60)
HELD_OUT = {"X_val": X[:20], "y_val": None, "sample_weight_val": WEIGHTS[:20]}


def plain(estimator, X, y):
    assert estimator.predict(X).shape == y.shape
    return 0.5


def weighing(estimator, X, y, sample_weight=None):
    numpy.testing.assert_allclose(sample_weight, WEIGHTS[:20], rtol=1e-6)  # float32
    return 0.25


def taking_all(estimator, X, y, **given):
    return 0.25 if given else 0.0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "y"), FITS, ids=lambda value: type(value).__name__)
def test_a_scorer_counts_rows_by_their_weights_if_it_takes_weights(estimator, y):
    is_classifier = y is LABELS
    judged = {
        plain: 0.5, weighing: 0.25, taking_all: 0.25,
        make_scorer(lambda y, p: float(len(y))): 20.0, make_scorer(lambda y, p, sample_weight: 0.125): 0.125,
        "roc_auc" if is_classifier else "neg_mean_absolute_error": None, "neg_max_error": None,
    }  # fmt: skip
    for monitor, expected in judged.items():
        estimator.set_params(monitor=monitor)
        estimator.fit(X[20:], y[20:], WEIGHTS[20:], **{**HELD_OUT, "y_val": y[:20]})
        found = (
            estimator.monitored_curve_ if hasattr(estimator, "monitored_curve_") else estimator.history_["val_scorer"]
        )
        if expected is None:
            weight = {} if monitor == "neg_max_error" else {"sample_weight": WEIGHTS[:20].astype("float32")}
            best = estimator.best_epoch_ - 1
            assert found[best] == pytest.approx(get_scorer(monitor)(estimator, X[:20], y[:20], **weight), rel=1e-5)
        else:
            assert set(found) == {expected}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "y"), FITS, ids=lambda value: type(value).__name__)
def test_a_scorer_that_gives_no_number_is_named(estimator, y):
    estimator.set_params(monitor=lambda estimator, X, y: "much")
    with pytest.raises(TypeError, match=r"^monitor expected a function that gives a number, got 'much'"):
        estimator.fit(X, y)
