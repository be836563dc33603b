"""The picture of a fit: the numbers that the estimator keeps, on axes that are given or made."""

import warnings

import numpy
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xpnn.estimators import (
    Classifier,
    CurvesDisplay,
    MLPClassifier,
    MLPRegressor,
    TabularClassifier,
    TabularRegressor,
)
from xpnn.training.callbacks import plots

pyplot = pytest.importorskip("matplotlib.pyplot")
X = numpy.random.default_rng(0).standard_normal((80, 3))
Y = (X[:, 0] > 0).astype(int)
SHORT = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}


@pytest.fixture(autouse=True)
def quiet():
    pyplot.switch_backend("agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
    pyplot.close("all")


def lines_of(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}


def test_curves_are_those_that_are_kept():
    model = MLPClassifier(**SHORT, early_stopping=True).fit(X, Y)
    display = CurvesDisplay.from_estimator(model, name="a fit")
    loss, score = (lines_of(axes) for axes in display.axes_)
    assert loss["training"] == model.loss_curve_
    assert loss["validation"] == model.validation_loss_curve_
    assert score["validation"] == model.validation_scores_
    assert [axes.get_title() for axes in display.axes_] == ["loss", "score"]
    assert display.figure_.get_suptitle() == "a fit"
    assert display.ax_ is display.axes_[0]


def test_without_held_out_rows_there_is_the_loss_alone():
    model = MLPRegressor(**SHORT).fit(X, X[:, 0])
    (axes,) = CurvesDisplay.from_estimator(model).axes_
    assert lines_of(axes)["training"] == model.loss_curve_
    assert "validation" not in lines_of(axes)


def test_of_a_pipeline_of_any_module_and_of_scikit_learns():
    steps = make_pipeline(StandardScaler(), MLPClassifier(**SHORT)).fit(X, Y)
    assert lines_of(CurvesDisplay.from_estimator(steps).ax_)["training"] == steps[-1].loss_curve_
    module = Classifier(max_epochs=4, random_state=0).fit(X, Y, X_val=X, y_val=Y)
    loss, score = CurvesDisplay.from_estimator(module).axes_
    assert lines_of(loss)["validation"] == module.history_["val_loss"]
    assert lines_of(score)["validation"] == module.history_["val_score"]
    theirs = neural_network.MLPClassifier(**SHORT, early_stopping=True).fit(X, Y)
    assert lines_of(CurvesDisplay.from_estimator(theirs).axes_[1])["validation"] == theirs.validation_scores_


def test_held_out_rows_that_came_later_are_of_the_last_epochs():
    model = MLPClassifier(**SHORT, warm_start=True).fit(X, Y).fit(X, Y, X_val=X, y_val=Y)
    ((_, validation, _), _) = (axes.get_lines() for axes in CurvesDisplay.from_estimator(model).axes_)
    assert validation.get_xdata().tolist() == [6, 7, 8, 9, 10]


def test_axes_of_ones_own():
    model = MLPClassifier(**SHORT, early_stopping=True).fit(X, Y)
    _, axes = pyplot.subplots(2, 1)
    display = CurvesDisplay.from_estimator(model, ax=axes)
    assert list(display.axes_) == list(axes)
    display.plot(axes[0])
    assert list(display.axes_) == [axes[0]]
    _, three = pyplot.subplots(3)
    with pytest.raises(ValueError, match=r"expected one of the axes or 2, got shape \(3,\)"):
        display.plot(three)


def test_what_has_no_curves_is_named(monkeypatch):
    with pytest.raises(NotFittedError):
        CurvesDisplay.from_estimator(MLPClassifier())
    with pytest.raises(TypeError, match=r"expected an estimator with loss_curve_ or history_, got MLPClassifier\("):
        CurvesDisplay.from_estimator(MLPClassifier(**SHORT, solver="lbfgs").fit(X, Y))
    with pytest.raises(ValueError, match="one epoch or more, got none"):
        CurvesDisplay(loss=[])
    monkeypatch.setattr(plots.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"CurvesDisplay needs matplotlib: pip install 'xpnn\[plot\]'"):
        CurvesDisplay(loss=[1.0]).plot()


@pytest.mark.parametrize(
    ("kind", "metric", "panel"),
    [
        (TabularClassifier, "log_loss", "loss"),
        (TabularClassifier, "accuracy", "score"),
        (TabularRegressor, "r2", "score"),
        (TabularRegressor, "squared_error", "error"),
        (TabularRegressor, "absolute_error", "error"),
    ],
)
def test_a_tabular_estimator_shows_its_metric_of_held_out_rows(kind, metric, panel):
    model = kind(metric=metric, max_epochs=3, random_state=0).fit(X, Y, X_val=X[:20], y_val=Y[:20])
    display = CurvesDisplay.from_estimator(model)
    panels = {axes.get_title(): lines_of(axes) for axes in display.axes_}
    assert panels["loss"]["training"] == model.history_["loss"]
    assert panels[panel]["validation"] == model.history_[f"val_{metric}"]
    (best,) = (line for line in display.axes_[list(panels).index(panel)].get_lines() if len(line.get_xdata()) == 1)
    assert best.get_xdata()[0] == model.best_epoch_
