"""The picture of a fit: the numbers that the estimator keeps, on axes that are given or made."""

import warnings

import numpy
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
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
    return {line.get_label(): numpy.asarray(line.get_ydata()).tolist() for line in axes.get_lines()}


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


@pytest.mark.parametrize("kind", [MLPClassifier, Classifier])
def test_epochs_without_held_out_rows_have_no_point(kind):
    model = kind(random_state=0).partial_fit(X, Y, classes=[0, 1], X_val=X, y_val=Y)
    model.partial_fit(X, Y).partial_fit(X, Y, X_val=X, y_val=Y).partial_fit(X, Y)
    for axes in CurvesDisplay.from_estimator(model).axes_:
        (validation,) = (line for line in axes.get_lines() if line.get_label() == "validation")
        assert validation.get_xdata().tolist() == [1, 3]
    model = MLPClassifier(**SHORT, warm_start=True, early_stopping=True).fit(X, Y)
    model.set_params(early_stopping=False).fit(X, Y)
    for axes in CurvesDisplay.from_estimator(model).axes_:
        (validation,) = (line for line in axes.get_lines() if line.get_label() == "validation")
        assert validation.get_xdata().tolist() == [1, 2, 3, 4, 5]


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
    search = GridSearchCV(MLPClassifier(**SHORT), {"alpha": [0.1]}, cv=2, refit=False).fit(X, Y)
    with pytest.raises(TypeError, match="a search with a best_estimator_, got one with refit=False"):
        CurvesDisplay.from_estimator(search)
    with pytest.raises(ValueError, match="val_loss of 1 epochs at most, got 2"):
        CurvesDisplay(loss=[1.0], val_loss=[1.0, 0.5])
    with pytest.raises(TypeError, match="ax expected axes of matplotlib, got 3"):
        CurvesDisplay(loss=[1.0]).plot(3)
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


def kept(axes):
    """Where the line of the kept epoch is, or None."""
    lines = [line for line in axes.get_lines() if line.get_label().startswith("kept, epoch ")]
    return lines[0].get_xdata()[0] if lines else None


def test_the_epoch_whose_weights_were_kept_has_a_line_in_each_panel():
    given = iter([0.1, 0.9, 0.2, 0.3, 0.4])
    model = MLPRegressor(**SHORT, early_stopping=True, monitor=lambda *_: next(given)).fit(X, X[:, 0])
    assert model.best_epoch_ == 2
    loss, score = CurvesDisplay.from_estimator(model).axes_
    assert kept(loss) == kept(score) == 2
    assert "kept, epoch 2" in [text.get_text() for text in loss.get_legend().get_texts()]
    module = Classifier(max_epochs=6, early_stopping=True, random_state=0).fit(X, Y)
    assert kept(CurvesDisplay.from_estimator(module).ax_) == module.best_epoch_
    for plain in (MLPRegressor(**SHORT).fit(X, X[:, 0]), MLPRegressor(**SHORT).fit(X, X[:, 0], X_val=X, y_val=Y)):
        assert plain.best_epoch_ is None
        assert kept(CurvesDisplay.from_estimator(plain).ax_) is None
    with pytest.raises(ValueError, match="expected best_epoch from 1 to 2, got 3"):
        CurvesDisplay(loss=[1.0, 0.5], best_epoch=3)


def test_the_score_says_what_it_is():
    held_out = {"X_val": X, "y_val": Y}
    stops = {"early_stopping": True, "random_state": 0}
    for model, name in [
        (MLPClassifier(**SHORT).fit(X, Y, **held_out), "accuracy"),
        (MLPRegressor(**SHORT).fit(X, Y, **held_out), "r2"),
        (MLPClassifier(**SHORT, early_stopping=True, monitor="roc_auc").fit(X, Y), "roc_auc"),
        (Classifier(max_epochs=3, monitor="roc_auc", **stops).fit(X, Y), "roc_auc"),
        (TabularClassifier(max_epochs=3, metric="roc_auc", random_state=0).fit(X, Y, **held_out), "roc_auc"),
    ]:
        axes = CurvesDisplay.from_estimator(model).axes_[1]
        assert (axes.get_title(), axes.get_ylabel()) == ("score", name)
    model = Classifier(max_epochs=3, monitor="roc_auc", **stops).fit(X, Y)
    scores = lines_of(CurvesDisplay.from_estimator(model).axes_[1])
    assert scores["validation"] == model.history_["val_scorer"]
    model = MLPClassifier(**SHORT, early_stopping=True, monitor="roc_auc").fit(X, Y)
    assert lines_of(CurvesDisplay.from_estimator(model).axes_[1])["validation"] == model.monitored_curve_


def test_of_a_search_they_are_those_of_its_best():
    search = GridSearchCV(make_pipeline(MLPClassifier(**SHORT)), {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    curve = lines_of(CurvesDisplay.from_estimator(search).ax_)["training"]
    assert curve == search.best_estimator_[-1].loss_curve_
