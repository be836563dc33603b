"""`partial_fit`: rates go by the rows seen, schedules without an end are refused, and held-out rows are judged."""

import copy
import pickle
import warnings

import numpy
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn_twins import assert_twins, twins

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
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
        assert model.best_epoch_ is None  # the weights are those of now
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


CHANGES = [
    (MLPRegressor("huber", **SMALL), {"alpha": 5.0}), (MLPRegressor("huber", **SMALL), {"delta": 0.01}),
    (MLPRegressor("huber", **SMALL), {"max_norm": 0.01}), (MLPClassifier(**SMALL), {"label_smoothing": 0.3}),
    (MLPRegressor("tweedie", **SMALL), {"tweedie_power": 1.9}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "changed"), CHANGES, ids=lambda value: str(value) if type(value) is dict else "")
def test_a_changed_step_is_taken_by_the_same_optimizer(model, changed):
    """As if the next part had been trained with it after the same past."""
    y, classes = (LABELS, {"classes": [0, 1]}) if isinstance(model, MLPClassifier) else (abs(NUMBERS), {})
    models = [clone(model).partial_fit(X, y, **classes) for _ in range(2)]
    optimizers = [model._trainer.optimizer for model in models]
    models[0].set_params(**changed)
    for one in models:
        one.partial_fit(X, y)
    assert all(model._trainer.optimizer is one for model, one in zip(models, optimizers, strict=True))
    assert abs(models[0].coefs_[0] - models[1].coefs_[0]).max() > 1e-7


OF_OPTIMIZER = {
    "solver": "adam", "learning_rate_init": 0.5, "learning_rate": "constant", "power_t": 0.9, "momentum": 0.1,
    "nesterovs_momentum": False, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 0.1,
}  # fmt: skip
OF_NOW = {"alpha": 1.0, "batch_size": 7, "tol": 10.0, "n_iter_no_change": 1, "max_iter": 3}
FIRST = [
    {"momentum": 0.9, "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 9.0},
    {"momentum": 0.9, "learning_rate": "invscaling"},
    {"solver": "adam", "epsilon": 1e-14},
]


@pytest.mark.parametrize("changed", [{}, *({name: value} for name, value in (OF_OPTIMIZER | OF_NOW).items())], ids=str)
@pytest.mark.parametrize("first", FIRST, ids=lambda first: first.get("learning_rate", "adam"))
@pytest.mark.parametrize("before", ["fit", "partial_fit"])
def test_an_optimizer_stays_what_it_was_begun_as_as_scikit_learns_does(before, first, changed):
    """In float64, steps of Adam differ by `epsilon` in a denominator."""
    ours, theirs = twins("MLPRegressor", X, NUMBERS, **{"learning_rate_init": 0.05, "max_iter": 4, **first})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in (ours, theirs):
            getattr(model, before)(X, NUMBERS)
            model.set_params(**changed)
            if "solver" in first and "solver" in changed:
                model.set_params(solver="sgd")
            for rows in (90, 50, 90):
                model.partial_fit(X[:rows], NUMBERS[:rows])
    assert_twins(ours, theirs, 1e-7 if "solver" in first else 1e-9)


@pytest.mark.parametrize("given", [None, lambda step: 0.01 / (step + 1)], ids=["none", "function"])
def test_after_a_schedule_that_ended_the_rate_is_that_of_now(given):
    seen = []
    model = MLPRegressor(**SMALL, schedule="cosine", max_iter=2, learning_rate_init=0.05)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, NUMBERS)
    model.set_params(schedule=given, callbacks=[lambda trainer, row: seen.append(trainer.learning_rate())])
    model.partial_fit(X, NUMBERS)
    assert seen == [pytest.approx(0.05 if given is None else 0.01 / 4)]  # two steps before, of the next update


def test_what_partial_fit_goes_on_with_is_in_no_copy_and_fails_whole():
    model = MLPRegressor(**SMALL, max_iter=2)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, NUMBERS)
    again, other = (pickle.loads(pickle.dumps(model)) for _ in range(2))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^X_val: "):
            model.partial_fit(X, NUMBERS, X_val=X[:, :1], y_val=NUMBERS)
    left = model._begun
    assert left.state is not None
    assert again._begun is None
    other.set_params(learning_rate_init=0.5).partial_fit(X, NUMBERS)
    again.partial_fit(X, NUMBERS)
    assert abs(other.coefs_[0] - again.coefs_[0]).max() > 0.1
    model.partial_fit(X, NUMBERS)
    assert model._begun.asked is left.asked
    assert model._begun.state is None  # its trainer is there


def test_another_solver_changes_nothing_of_the_penalty():
    models = [MLPRegressor(**SMALL, alpha=20.0).partial_fit(X, NUMBERS) for _ in range(2)]
    models[0].set_params(solver="adamw")  # whose loss has none
    for model in models:
        model.set_params(max_norm=1.0).partial_fit(X, NUMBERS)
    assert models[0].loss_ == models[1].loss_
    numpy.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    model = MLPRegressor(**SMALL, alpha=20.0, solver="adamw", warm_start=True, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, X[:, :2]).set_params(solver="lbfgs").fit(X, X[:, :2])
    error = ((model.predict(X) - X[:, :2]) ** 2).mean()
    assert model.loss_ == pytest.approx(error / 2 + 10 * sum((w**2).sum() for w in model.coefs_) / 90)


def test_the_optimizer_moves_with_the_network(elsewhere):
    moved, plain = (MLPRegressor(**SMALL, learning_rate_init=0.05) for _ in range(2))
    for model in (moved, plain):
        for _ in range(3):
            model.partial_fit(X, NUMBERS)
    moved.set_params(device=elsewhere)
    for model in (moved, plain):
        model.partial_fit(X, NUMBERS).partial_fit(X, NUMBERS)
    assert device_of(moved.network_.parameters()[0]) == elsewhere
    for one, other in zip(moved.coefs_, plain.coefs_, strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-9)  # sums in another order


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"dropout": 0.5, "n_ens": 2}, {"solver": "sgd"}], ids=str)
@pytest.mark.parametrize("before", ["fit", "partial_fit"])
def test_a_deep_copy_goes_on_as_its_original(before, options):
    model = MLPRegressor(**SMALL, max_iter=2, learning_rate_init=0.05, batch_size=20, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        getattr(model, before)(X, NUMBERS)
    models = [model.partial_fit(X, NUMBERS), copy.deepcopy(model), copy.deepcopy(copy.deepcopy(model))]
    for one in models:
        one.partial_fit(X, NUMBERS).set_params(learning_rate_init=9.0).partial_fit(X, NUMBERS)
        numpy.testing.assert_array_equal(model.coefs_[0], one.coefs_[0])


@pytest.mark.parametrize("change", ["step", "device"])
def test_rows_go_on_in_another_order_by_another_step_or_elsewhere(change, elsewhere):
    """Weights after steps of one row each tell the order."""
    orders = []
    for changed in (False, True):
        seen = []
        model = MLPRegressor(**SMALL, batch_size=1, solver="sgd", momentum=0.0, alpha=0.0)
        model.set_params(callbacks=[lambda trainer, row, seen=seen: seen.append((trainer.epoch, trainer.step))])
        for call in range(3):
            if changed and call:
                model.set_params(**{"step": {"max_norm": 1e9 + call}, "device": {"device": elsewhere}}[change])
            model.partial_fit(X[:9], NUMBERS[:9])
        orders.append((seen, to_host(model.network_.parameters()[0])))
    assert orders[0][0] == orders[1][0] == [(1, 9), (2, 18), (3, 27)]
    numpy.testing.assert_allclose(orders[0][1], orders[1][1], rtol=1e-12)


def scaled(factor):
    def loss(y, t):
        return factor * namespace_of(y).mean((y - t) ** 2)

    return loss


def test_another_function_is_the_loss_from_then_on_whatever_its_name():
    """Of plain descent, the opposite loss takes the opposite step."""
    moved = []
    for factor in (1.0, -1.0):
        model = MLPRegressor(scaled(1.0), **SMALL, solver="sgd", momentum=0.0, alpha=0.0).partial_fit(X, NUMBERS)
        optimizer, before = model._trainer.optimizer, model.coefs_[0].copy()
        model.set_params(loss=scaled(factor), batch_size=len(X)).partial_fit(X, NUMBERS)
        assert model._trainer.optimizer is optimizer
        moved.append(model.coefs_[0] - before)
    assert abs(moved[0]).max() > 1e-6
    numpy.testing.assert_allclose(moved[0], -moved[1], rtol=1e-9)  # rounding of float64


@pytest.mark.parametrize("who", ["partial_fit", "fit"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fit_of_lbfgs_is_gone_on_with_by_steps(who, early_stopping):
    model = MLPRegressor(**SMALL, solver="lbfgs", tol=1.0, warm_start=True).fit(X, NUMBERS)
    model.set_params(solver="adam", early_stopping=early_stopping, tol=9, n_iter_no_change=1)
    getattr(model, who)(X, NUMBERS)
    assert len(model.loss_curve_) >= 1
    assert model.loss_ == model.loss_curve_[-1]
