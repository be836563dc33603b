"""scikit-learn's callbacks see the fit of a tabular estimator, and each of its epochs."""

import numpy
import pytest
from sklearn.model_selection import GridSearchCV

from xpnn.estimators import TabularClassifier, TabularRegressor

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

ROWS = 80
RNG = numpy.random.default_rng(0)
FRAME = pandas.DataFrame({"a": RNG.standard_normal(ROWS), "t": RNG.choice(["Rome", "Oslo"], ROWS)})
Y = FRAME["a"].to_numpy()
QUICK = {"max_epochs": 3, "hidden_layer_sizes": (4,), "random_state": 0}


class Diary:
    """Writes down what it is told; says `enough` after so many tasks."""

    def __init__(self, enough=None):
        self.enough, self.told, self.fitted, self.data = enough, [], [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.told.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.told.append(("end", context.task_name))
        self.fitted.append(fitted_estimator)
        self.data.append((X, y, metadata))
        return self.enough == len(self.fitted)


def test_a_fit_is_a_task_and_each_epoch_one_under_it():
    diary, weight = Diary(), numpy.ones(ROWS)
    model = TabularRegressor(**QUICK).set_callbacks(diary).fit(FRAME, Y, weight)
    steps = [(moment, f"epoch {n}") for n in (1, 2, 3) for moment in ("begin", "end")]
    assert diary.told == [("begin", "fit"), *steps, ("end", "fit"), ("teardown", "fit")]
    assert all(X is FRAME and y is Y and metadata == {"sample_weight": weight} for X, y, metadata in diary.data)
    first, _, third, last = (one.predict(FRAME) for one in diary.fitted)
    numpy.testing.assert_array_equal(last, model.predict(FRAME))
    numpy.testing.assert_array_equal(last, third)
    assert (first != third).any()


def test_one_that_says_true_ends_the_training():
    assert TabularClassifier(**QUICK).set_callbacks(Diary(enough=2)).fit(FRAME, Y > 0).n_iter_ == 2


def stop(trainer, row):
    raise KeyboardInterrupt


def test_ctrl_c_closes_the_task_of_its_epoch():
    diary = Diary()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        TabularRegressor(**QUICK, callbacks=[stop]).set_callbacks(diary).fit(FRAME, Y)
    assert diary.told == [
        ("begin", "fit"), ("begin", "epoch 1"), ("end", "epoch 1"), ("end", "fit"), ("teardown", "fit")
    ]  # fmt: skip


class Propagated(Diary):
    max_propagation_depth = None

    def on_fit_task_begin(self, estimator, context):
        self.told.append((type(estimator).__name__, context.task_name))


def test_those_of_a_search_reach_its_fits():
    search = GridSearchCV(TabularRegressor(**QUICK), {"dropout": [0.0]}, cv=2, refit=False)
    diary = Propagated()
    search.set_callbacks(diary).fit(FRAME, Y)
    assert diary.told.count(("TabularRegressor", "epoch 3")) == 2
