"""scikit-learn's callbacks see a fit and each of its epochs: alone, in a pipeline, in a search and its processes."""

import pickle
import runpy
import sys
import warnings

import numpy
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xpnn.estimators import Classifier, GridSearchMLP, MLPClassifier, MLPRegressor, scikit_callbacks

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

X = numpy.random.default_rng(0).standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)
WEIGHTS = numpy.arange(60) % 3 + 1.0
SHORT = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


class Diary:
    """Writes down what it is told; says `enough` after so many tasks, or fails at `fails_at`."""

    def __init__(self, enough=None, fails_at=None):
        self.enough, self.fails_at = enough, fails_at
        self.told, self.fitted, self.data = [], [], []

    def _note(self, moment, context):
        self.told.append((moment, context.task_name))
        if moment == self.fails_at:
            raise RuntimeError(f"the diary is full at {moment}")

    def setup(self, estimator, context):
        self._note("setup", context)

    def teardown(self, estimator, context):
        self._note("teardown", context)

    def on_fit_task_begin(self, estimator, context):
        self._note("begin", context)

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self._note("end", context)
        self.fitted.append(fitted_estimator)
        self.data.append((X, y, metadata))
        return self.enough == len(self.fitted)


@pytest.mark.parametrize(("solver", "step"), [("adam", "epoch"), ("lbfgs", "iteration")])
def test_a_fit_is_a_task_and_each_epoch_one_under_it(solver, step):
    diary = Diary()
    MLPClassifier(**SHORT, solver=solver).set_callbacks(diary).fit(X, Y)
    steps = [(moment, f"{step} {n}") for n in (1, 2, 3) for moment in ("begin", "end")]
    assert diary.told == [("setup", "fit"), ("begin", "fit"), *steps, ("end", "fit"), ("teardown", "fit")]


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_at_the_end_of_a_step_there_is_an_estimator_of_its_weights(solver):
    diary = Diary()
    model = MLPClassifier(**SHORT, solver=solver).set_callbacks(diary).fit(X, Y)
    for n, one in enumerate(diary.fitted[:-1]):
        shorter = MLPClassifier(**{**SHORT, "max_iter": n + 1}, solver=solver).set_callbacks(Diary()).fit(X, Y)
        numpy.testing.assert_array_equal(one.predict_proba(X), shorter.predict_proba(X))
        assert one.n_iter_ == n + 1
    numpy.testing.assert_array_equal(diary.fitted[-1].predict_proba(X), model.predict_proba(X))


def test_the_last_is_told_of_the_best_weights():
    diary = Diary()
    options = {**SHORT, "max_iter": 40, "learning_rate_init": 0.3, "n_iter_no_change": 2}
    model = MLPClassifier(**options, early_stopping=True).set_callbacks(diary).fit(X, Y, X_val=X, y_val=Y)
    *epochs, last = diary.fitted
    assert log_loss(Y, last.predict_proba(X)) == pytest.approx(min(model.validation_loss_curve_))
    assert log_loss(Y, epochs[-1].predict_proba(X)) == pytest.approx(model.validation_loss_curve_[-1])
    assert len(epochs) == model.n_iter_ < 40


def test_they_get_what_was_given_to_fit():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"))
    diary = Diary()
    MLPClassifier(**SHORT).set_callbacks(diary).fit(frame, Y, WEIGHTS)
    for rows, targets, metadata in diary.data:
        assert rows is frame
        assert targets is Y
        assert metadata == {"sample_weight": WEIGHTS}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_one_that_says_true_ends_the_training(solver):
    model = MLPClassifier(**{**SHORT, "max_iter": 30}, solver=solver).set_callbacks(Diary(enough=2)).fit(X, Y)
    assert model.n_iter_ == 2
    two = MLPClassifier(**{**SHORT, "max_iter": 2}, solver=solver).fit(X, Y)
    numpy.testing.assert_array_equal(model.predict_proba(X), two.predict_proba(X))


def test_the_weights_of_an_iteration_are_written_before_it_is_told():
    """A line search may have left others."""
    diary = Diary()
    model = MLPClassifier(**SHORT, solver="lbfgs").set_callbacks(diary)
    told_of = scikit_callbacks.told_of_iterations
    with (
        scikit_callbacks.fit_task(model, (X, Y, None), 2) as task,
        told_of([task], lambda theta: diary.told.append(("written", theta))) as told,
    ):
        told(7)
    begun = [("begin", "iteration 1"), ("written", 7), ("end", "iteration 1"), ("begin", "iteration 2")]
    assert diary.told == [("setup", "fit"), ("begin", "fit"), *begun, ("end", "iteration 2")]


@pytest.mark.parametrize("fails_at", ["setup", "begin", "end"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_after_an_error_in_one_all_is_as_before(fails_at, solver):
    diary = Diary(fails_at=fails_at)
    model = MLPClassifier(**SHORT, solver=solver).set_callbacks(diary)
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="the diary is full"):
        model.fit(X, Y)
    assert diary.told[-1] == ("teardown", "fit")
    assert vars(model) == before


def test_an_epoch_of_ones_own_loop_is_a_fit_of_one():
    diary = Diary()
    model = MLPClassifier(**SHORT).set_callbacks(diary)
    for _ in range(2):
        model.partial_fit(X, Y, classes=[0, 1])
    assert [name for moment, name in diary.told if moment == "end"] == ["epoch 1", "fit"] * 2


def test_scores_of_each_epoch_alone_and_weighted():
    monitor = callback.ScoringMonitor(scoring="r2")
    model = MLPRegressor(**SHORT).set_callbacks(monitor).fit(X, X[:, 1], WEIGHTS)
    rows = monitor.get_logs().data
    scores = {row["task_id_path"]: row["r2"] for row in rows}
    assert set(scores) == {(0,), (0, 0), (0, 1), (0, 2)}
    assert scores[0,] == scores[0, 2] == pytest.approx(model.score(X, X[:, 1], WEIGHTS))
    first = MLPRegressor(**{**SHORT, "max_iter": 1}).fit(X, X[:, 1], WEIGHTS)
    assert scores[0, 0] == pytest.approx(first.score(X, X[:, 1], WEIGHTS))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scores_of_each_epoch_in_a_search_over_a_pipeline(n_jobs):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = make_pipeline(StandardScaler(), MLPClassifier(**SHORT).set_callbacks(monitor))
    search = GridSearchCV(model, {"mlpclassifier__alpha": [0.01, 1.0]}, cv=2, n_jobs=n_jobs).fit(X, Y)
    rows = monitor.get_logs().data
    assert sum(row["task_name"].startswith("epoch") for row in rows) == (2 * 2 + 1) * 3
    (refitted,) = (row for row in rows if row["task_id_path"] == (0, 1, 1, 2))  # refit, last step, last epoch
    assert refitted["accuracy"] == search.best_estimator_.score(X, Y)


class Propagated(Diary):
    """One that comes down from a search, however deep."""

    max_propagation_depth = None


def searched(kind, who, diary):
    network = MLPClassifier(**SHORT)
    model = make_pipeline(StandardScaler(), network)
    search = kind(model, {"mlpclassifier__alpha": [0.01, 1.0]}, cv=2, refit=True)
    {"search": search, "pipeline": model, "network": network}[who].set_callbacks(diary)
    return search.fit(X, Y)


@pytest.mark.parametrize("who", ["search", "pipeline", "network"])
def test_a_search_that_trains_together_tells_of_what_scikit_learns_does(who):
    told = []
    for kind in (GridSearchCV, GridSearchMLP):
        diary = Propagated() if who == "search" else Diary()
        search = searched(kind, who, diary)
        told.append(diary.told)
        epochs = 0 if who == "pipeline" else 3  # it looks at its own steps only
        assert sum(name.startswith("epoch") for moment, name in diary.told if moment == "end") == (2 * 2 + 1) * epochs
    assert told[0] == told[1]
    assert len(told[0]) > (2 * 2 + 1) * 2
    assert search.n_together_ == 0
    monitor = callback.ScoringMonitor(scoring="accuracy")
    search = searched(GridSearchMLP, "network", monitor)
    (refitted,) = (row for row in monitor.get_logs().data if row["task_id_path"] == (0, 1, 1, 2))
    assert refitted["accuracy"] == search.best_estimator_.score(X, Y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_those_of_any_module_tell_of_their_epochs_too(early_stopping):
    diary = Diary()
    options = {"max_epochs": 12, "learning_rate": 0.1, "patience": 2, "random_state": 0}
    model = Classifier(**options, early_stopping=early_stopping).set_callbacks(diary).fit(X, Y, X_val=X, y_val=Y)
    *epochs, last = diary.fitted
    losses = [log_loss(Y, one.predict_proba(X)) for one in epochs]
    assert losses == pytest.approx(model.history_["val_loss"], rel=1e-6)
    assert log_loss(Y, last.predict_proba(X)) == pytest.approx(min(losses) if early_stopping else losses[-1])
    assert diary.told[:3] == [("setup", "fit"), ("begin", "fit"), ("begin", "epoch 1")]
    assert vars(model).keys() == vars(Classifier(**options).fit(X, Y).set_callbacks(diary)).keys()
    stopped = Classifier(**options).set_callbacks(Diary(enough=2)).fit(X, Y)
    assert stopped.n_iter_ == 2


def test_the_progress_bar_counts_epochs(capsys):
    pytest.importorskip("rich", reason="the bar is rich's")
    bar = callback.ProgressBar(max_propagation_depth=None)
    make_pipeline(StandardScaler(), MLPClassifier(**SHORT)).set_callbacks(bar).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    (ours,) = (line for line in lines if "MLPClassifier" in line)
    assert "100%" in ours


def test_a_clone_and_a_pickle_keep_them_and_only_them():
    diary = Diary()
    model = MLPClassifier(**SHORT).set_callbacks(diary).fit(X, Y)
    assert clone(model)._skl_callbacks == [diary]
    again = pickle.loads(pickle.dumps(model))
    numpy.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert vars(again).keys() == vars(model).keys()


def test_without_them_nothing_is_made(monkeypatch):
    monkeypatch.setattr(scikit_callbacks, "FitTask", None)  # not even asked for
    model = MLPClassifier(**SHORT).fit(X, Y)
    assert not {name for name in vars(model) if "callback_" in name or "task" in name}


def test_before_19_there_are_none_and_no_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    older = runpy.run_path(scikit_callbacks.__file__)
    assert not hasattr(older["CallbackSupport"], "set_callbacks")
    assert not older["is_watched"](object())


def test_the_bits_are_those_of_a_fit_without():
    plain, told = MLPClassifier(**SHORT), MLPClassifier(**SHORT).set_callbacks(Diary())
    numpy.testing.assert_array_equal(told.fit(X, Y).predict_proba(X), plain.fit(X, Y).predict_proba(X))
