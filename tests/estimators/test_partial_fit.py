"""`partial_fit`: rates go by the rows seen, schedules without an end are refused, and held-out rows are judged."""

import numpy
import pytest
from sklearn_twins import assert_twins, twins

from xpnn.estimators import MLPClassifier, MLPRegressor

RNG = numpy.random.default_rng(8)
X = RNG.standard_normal((90, 4))
LABELS = (X[:, 0] > 0).astype(int)
NUMBERS = X[:, 0] + X[:, 1] ** 2
SMALL = {"hidden_layer_sizes": (4,), "random_state": 0}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("rate", ["constant", "invscaling", "adaptive"])
def test_the_rate_goes_by_the_rows_seen_as_scikit_learns_does(rate, momentum):
    options = {"learning_rate": rate, "learning_rate_init": 0.05, "n_iter_no_change": 1, "tol": 0.02}
    options["momentum"] = momentum
    ours, theirs = twins("MLPRegressor", X, NUMBERS, **options)
    for rows in (60, 10, 10, 90, 3, 60, 60, 60):
        for model in (ours, theirs):
            model.partial_fit(X[:rows], NUMBERS[:rows])
    assert ours.t_ == theirs.t_ == 353
    assert_twins(ours, theirs)


def test_many_small_parts_with_a_rate_that_goes_down_warn_of_nothing():
    model = MLPRegressor(**SMALL, solver="sgd", learning_rate="invscaling")
    for _ in range(150):
        model.partial_fit(X[:20], NUMBERS[:20])
    assert model.n_iter_ == 150


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "warmup_cosine"])
def test_a_schedule_that_needs_an_end_is_refused(schedule):
    model = MLPClassifier(**SMALL, schedule=schedule)
    with pytest.raises(ValueError, match=f"partial_fit cannot know where schedule='{schedule}' ends"):
        model.partial_fit(X, LABELS, classes=[0, 1])
    assert not hasattr(model, "classes_")


def test_a_schedule_that_is_a_function_goes_on_over_the_calls():
    seen = []
    model = MLPRegressor(
        **SMALL, schedule=lambda step: 0.1 / (step + 1), callbacks=[lambda t, row: seen.append(t.learning_rate())]
    )
    for _ in range(3):
        model.partial_fit(X, NUMBERS)
    numpy.testing.assert_allclose(seen, 0.1 / numpy.arange(2, 5))  # of the next update


def test_early_stopping_holds_out_rows_of_each_part():
    model = MLPClassifier(**SMALL, early_stopping=True)
    for n in range(1, 4):
        model.partial_fit(X, LABELS, classes=[0, 1])
        assert len(model.validation_scores_) == len(model.validation_loss_curve_) == n
        assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.t_ == 3 * 81  # a tenth of the rows is held out


def test_rows_of_ones_own_are_judged_after_each_part():
    model, plain = MLPRegressor(**SMALL), MLPRegressor(**SMALL)
    for _ in range(3):
        plain.partial_fit(X[:60], NUMBERS[:60])
        model.partial_fit(X[:60], NUMBERS[:60], X_val=X[60:], y_val=NUMBERS[60:])
        assert model.validation_scores_[-1] == pytest.approx(model.score(X[60:], NUMBERS[60:]))
    numpy.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])  # they change nothing else


def test_a_part_after_which_it_is_worse_is_not_taken_back():
    model = MLPRegressor(**SMALL, early_stopping=True, learning_rate_init=0.5, n_iter_no_change=1)
    for _ in range(6):
        before = model.coefs_[0].copy() if model.__sklearn_is_fitted__() else None
        model.partial_fit(X, NUMBERS)
        assert before is None or not numpy.array_equal(model.coefs_[0], before)


@pytest.mark.parametrize("who", ["partial_fit", "warm_start"])
def test_another_loss_is_refused(who):
    model = MLPRegressor(**SMALL, warm_start=True, solver="sgd", tol=9, n_iter_no_change=1)
    fit = model.partial_fit if who == "partial_fit" else model.fit
    fit(X, abs(NUMBERS))
    before = model.predict(X)
    model.set_params(loss="poisson")
    with pytest.raises(ValueError, match=f"{who} needs loss='squared_error' as in the first fit, got 'poisson'"):
        fit(X, abs(NUMBERS))
    numpy.testing.assert_array_equal(model.predict(X), before)
    model = MLPRegressor("quantile", **SMALL, quantiles=[0.1, 0.9]).partial_fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"of \[0.1, 0.9\] as in the first fit, got 'quantile' of \[0.9, 0.1"):
        model.set_params(quantiles=[0.9, 0.1]).partial_fit(X, NUMBERS)


@pytest.mark.parametrize("changed", [{"alpha": 5.0}, {"delta": 0.01}, {"max_norm": 0.01}])
def test_a_changed_step_is_taken_by_the_same_optimizer(changed):
    """As if the next part had been trained with it after the same past."""
    first = {"alpha": 1e-4, "delta": 1.0, "max_norm": None}
    models = [MLPRegressor("huber", **SMALL).partial_fit(X, NUMBERS) for _ in range(2)]
    optimizers = [model._trainer.optimizer for model in models]
    models[0].set_params(**changed).partial_fit(X, NUMBERS)
    models[1].set_params(**first).partial_fit(X, NUMBERS)
    assert all(model._trainer.optimizer is one for model, one in zip(models, optimizers, strict=True))
    assert abs(models[0].coefs_[0] - models[1].coefs_[0]).max() > 1e-7
