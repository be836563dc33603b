"""Losses, penalties, solvers and rates are those of their formulas: judged by scikit-learn's MLP from the same weights,
by its metrics, by ridge regression and by PyTorch.
"""

import warnings

import numpy
import pytest
import sklearn
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, mean_absolute_error, mean_pinball_loss, mean_tweedie_deviance
from sklearn_twins import assert_twins, twins

from xpnn.estimators import MLPClassifier, MLPRegressor
from xpnn.estimators.network import linear_layers
from xpnn.estimators.objectives import regression

RNG = numpy.random.default_rng(8)
X = RNG.standard_normal((90, 4))
LABELS = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
THREE = numpy.arange(90) % 3
SEVERAL = numpy.stack([LABELS, 1 - LABELS, X[:, 1] > 0], axis=1).astype(int)
NUMBERS = X[:, 0] + X[:, 1] ** 2
POSITIVE = numpy.exp(0.5 * X[:, 0])
TWO = numpy.stack([NUMBERS, X[:, 2]], axis=1)
WEIGHTS = RNG.uniform(0.2, 3, 90)
POISSON = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 7)
# Weights do not move, so that the loss of an epoch is that of the model
STILL = {
    "learning_rate_init": 1e-300, "solver": "sgd", "alpha": 0.0, "max_iter": 1, "hidden_layer_sizes": (6,),
    "random_state": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


# Training, step by step beside scikit-learn's


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("alpha", [0.0, 3.0])
@pytest.mark.parametrize(
    ("kind", "y", "options"),
    [
        ("MLPClassifier", LABELS, {}),
        ("MLPClassifier", THREE, {"activation": "tanh"}),
        ("MLPClassifier", SEVERAL, {"activation": "logistic"}),
        ("MLPRegressor", NUMBERS, {}),
        ("MLPRegressor", TWO, {"activation": "identity"}),
        pytest.param(
            "MLPRegressor", POSITIVE, {"loss": "poisson"},
            marks=pytest.mark.skipif(not POISSON, reason="scikit-learn's regressor takes a loss from 1.7 on"),
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "adam"])
def test_training_takes_scikit_learns_steps(kind, y, options, alpha, weighted, solver):
    how = {
        "sgd": {"momentum": 0.0}, "momentum": {"momentum": 0.9, "nesterovs_momentum": False},
        "nesterov": {"momentum": 0.9}, "adam": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-12},
    }[solver]  # fmt: skip
    ours, theirs = twins(kind, X, y, **options, **how, alpha=alpha, learning_rate_init=0.05, max_iter=4, batch_size=30)
    for model in (ours, theirs):
        model.fit(X, y, WEIGHTS if weighted else None)
    # scikit-learn adds epsilon to what is not yet corrected for its bias: 1e-12 / 1e-6, of the smallest gradients
    assert_twins(ours, theirs, rtol=1e-6 if solver == "adam" else 1e-9)
    if not weighted and not alpha:  # theirs weighs batches by their rows, and has each step's penalty
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)


@pytest.mark.parametrize(("rate", "again"), [("invscaling", 1), ("invscaling", 2), ("adaptive", 1)])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, True), (0.8, False), (0.8, True), (1.0, False)])
def test_rates_go_down_as_scikit_learns_do(rate, again, momentum, nesterov):
    options = {"learning_rate": rate, "power_t": 0.7, "learning_rate_init": 0.1, "max_iter": 8, "batch_size": 30}
    options |= {"momentum": momentum, "nesterovs_momentum": nesterov}
    ours, theirs = twins("MLPRegressor", X, NUMBERS, **options, tol=0.02, n_iter_no_change=1)
    for _ in range(again):
        ours.fit(X, NUMBERS)
        theirs.fit(X, NUMBERS)
    assert ours.n_iter_ == theirs.n_iter_
    assert_twins(ours, theirs)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("alpha", [0.5, 20.0])
def test_lbfgs_without_hidden_layers_is_ridge_regression(alpha, weighted):
    weights = WEIGHTS if weighted else None
    model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=alpha, tol=1e-10, max_iter=500, random_state=0)
    model.fit(X, NUMBERS, weights)
    ridge = Ridge(alpha=alpha).fit(X, NUMBERS, weights)
    numpy.testing.assert_allclose(model.coefs_[0][:, 0], ridge.coef_, atol=1e-4)  # SciPy stops where it gains 1e-9
    numpy.testing.assert_allclose(model.intercepts_[0], ridge.intercept_, atol=1e-4)


# Losses, by scikit-learn's metrics


def huber(delta):
    def loss(t, y, sample_weight=None):
        error = numpy.abs(t - y)
        each = numpy.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
        return numpy.average(each, weights=sample_weight)

    return loss


LOSSES = {
    "absolute": ({"loss": "absolute_error"}, mean_absolute_error),
    "huber": ({"loss": "huber"}, huber(1.0)),
    "huber 0.3": ({"loss": "huber", "delta": 0.3}, huber(0.3)),
    "median": ({"loss": "quantile"}, mean_pinball_loss),
    "quantile": ({"loss": "quantile", "quantiles": 0.9}, lambda *a, **k: mean_pinball_loss(*a, **k, alpha=0.9)),
    **{
        name: (options, lambda *a, power=power, **k: mean_tweedie_deviance(*a, **k, power=power) / 2)
        for name, options, power in [
            ("poisson", {"loss": "poisson"}, 1), ("gamma", {"loss": "gamma"}, 2), ("tweedie", {"loss": "tweedie"}, 1.5),
            ("tweedie 1.2", {"loss": "tweedie", "tweedie_power": 1.2}, 1.2),
            ("tweedie 1", {"loss": "tweedie", "tweedie_power": 1}, 1),
            ("tweedie 2", {"loss": "tweedie", "tweedie_power": 2}, 2),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_of_a_regression_is_that_of_its_metric(loss, weights):
    options, metric = LOSSES[loss]
    model = MLPRegressor(**{**STILL, **options}).fit(X, POSITIVE, weights)
    assert model.loss_ == pytest.approx(metric(POSITIVE, model.predict(X), sample_weight=weights), rel=1e-9)


def test_deviances_of_several_targets_are_shown_as_sums_as_scikit_learns_poisson_is():
    y = numpy.stack([POSITIVE, 2 * POSITIVE], axis=1)
    model = MLPRegressor(**STILL, loss="poisson").fit(X, y, X_val=X, y_val=y)
    each = [mean_tweedie_deviance(*pair, power=1) / 2 for pair in zip(y.T, model.predict(X).T, strict=True)]
    assert model.loss_ == pytest.approx(sum(each), rel=1e-9)
    assert model.validation_loss_curve_ == pytest.approx([sum(each)], rel=1e-9)
    if "loss" not in neural_network.MLPRegressor().get_params():
        return  # scikit-learn's has Poisson's from 1.7 on
    options = {"solver": "sgd", "learning_rate_init": 1e-12, "max_iter": 1, "alpha": 0.0}
    theirs = neural_network.MLPRegressor(loss="poisson", **options).fit(X, y)
    sums = [mean_tweedie_deviance(*pair, power=1) / 2 for pair in zip(y.T, theirs.predict(X).T, strict=True)]
    assert theirs.loss_ == pytest.approx(sum(sums), rel=1e-6)


@pytest.mark.parametrize("y", [LABELS, THREE, SEVERAL], ids=["binary", "multiclass", "labels"])
def test_label_smoothing_spreads_its_share_over_the_classes(y):
    smoothing = 0.2
    model = MLPClassifier(**STILL, label_smoothing=smoothing).fit(X, y)
    p = model.predict_proba(X)
    if y is SEVERAL:
        sharp = numpy.stack([1 - y, y], axis=-1)
        p = numpy.stack([1 - p, p], axis=-1)
    else:
        sharp = numpy.eye(p.shape[1])[y]
    smooth = sharp * (1 - smoothing) + smoothing / sharp.shape[-1]
    expected = -(smooth * numpy.log(p)).sum(axis=-1).reshape(90, -1).sum(axis=1).mean()
    assert model.loss_ == pytest.approx(expected, rel=1e-9)


def test_the_loss_of_several_questions_is_the_sum_of_theirs():
    y = numpy.stack([LABELS, THREE], axis=1)
    model = MLPClassifier(**STILL).fit(X, y)
    each = [log_loss(column, p) for column, p in zip(y.T, model.predict_proba(X), strict=True)]
    assert model.loss_ == pytest.approx(sum(each), rel=1e-9)
    model = MLPClassifier(**STILL).fit(X, y, WEIGHTS)
    each = [log_loss(column, p, sample_weight=WEIGHTS) for column, p in zip(y.T, model.predict_proba(X), strict=True)]
    assert model.loss_ == pytest.approx(sum(each), rel=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_a_row_loses_the_sum_over_its_targets_and_quantiles(weights):
    """Which is what `alpha` is weighed against; `loss_` is the mean."""
    y, t = RNG.standard_normal((90, 6)), TWO
    objective = regression("quantile", 2, {"quantiles": [0.1, 0.5, 0.8]})
    given = {} if weights is None else {"sample_weight": weights}
    each = [
        mean_pinball_loss(t[:, target], y[:, 3 * target + n], alpha=q, **given)
        for target in range(2)
        for n, q in enumerate((0.1, 0.5, 0.8))
    ]
    assert float(objective.loss(y, t, **given)) == pytest.approx(sum(each), rel=1e-12)
    assert objective.reported == objective.outputs == 6


# What scikit-learn has not


def one_step(**options):
    """The weights before and after one step with all rows."""
    first = MLPRegressor(**{**STILL, "batch_size": 90}).fit(X, NUMBERS)
    given = {**STILL, "batch_size": 90, "momentum": 0.0, "learning_rate_init": 0.1}
    model = MLPRegressor(**{**given, **options}).fit(X, NUMBERS)
    return [[*m.coefs_, *m.intercepts_] for m in (first, model)]


def length(before, after):
    return numpy.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)))


def test_a_step_is_no_longer_than_max_norm_times_the_rate():
    free = length(*one_step())
    assert free > 0.1 * 0.5
    assert length(*one_step(max_norm=0.5)) == pytest.approx(0.1 * 0.5)
    assert length(*one_step(max_norm=1e3)) == pytest.approx(free)


@pytest.mark.parametrize("layers", [{"normalization": "layer"}, {"activation": "prelu"}, {"n_ens": 2}], ids=str)
@pytest.mark.parametrize("solver", ["adam", "adamw"])
def test_a_penalty_is_for_the_weights_of_dense_layers_alone(solver, layers):
    plain, penalised = (
        MLPRegressor(hidden_layer_sizes=(3, 3), solver=solver, alpha=alpha, random_state=0, **layers).partial_fit(X, X)
        for alpha in (0.0, 9.0)
    )
    dense = {id(layer.weight) for layer in linear_layers(plain.network_)}
    moved = {}
    for (name, one), other in zip(plain.network_.named_parameters(), penalised.network_.parameters(), strict=True):
        moved.setdefault(id(one) in dense, []).append((name, numpy.array_equal(one, other)))
    assert not any(same for _, same in moved[True])
    assert all(same for _, same in moved[False])


def test_adamw_takes_its_decay_off_the_weights_alone():
    before, plain = one_step(solver="adam")
    _, decayed = one_step(solver="adamw", alpha=0.3)
    for n, (w, a, b) in enumerate(zip(before, plain, decayed, strict=True)):
        expected = -0.1 * 0.3 * w if n < 2 else 0 * w  # weights first, then biases
        numpy.testing.assert_allclose(b - a, expected, atol=1e-12)


def rates(**options):
    """The rate of each update but the first."""
    found = []
    note = lambda trainer, row: found.append(trainer.learning_rate())  # noqa: E731
    options = {"hidden_layer_sizes": (2,), "batch_size": 90, "random_state": 0, "tol": 0.0, **options}
    MLPRegressor(**options, n_iter_no_change=100, callbacks=[note]).fit(X, NUMBERS)
    return found


def torch_rates(kind, steps, **options):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule = getattr(torch.optim.lr_scheduler, kind)(optimizer, **options)
    found = []
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_cosine_is_pytorchs():
    found = rates(schedule="cosine", learning_rate_init=0.2, max_iter=10)
    numpy.testing.assert_allclose(found, torch_rates("CosineAnnealingLR", 10, T_max=10), atol=1e-12)


def test_one_cycle_is_pytorchs():
    found = rates(schedule="one_cycle", learning_rate_init=0.2, max_iter=20)
    numpy.testing.assert_allclose(found[:-1], torch_rates("OneCycleLR", 19, max_lr=0.2, total_steps=20), rtol=1e-9)


def test_a_warm_up_takes_a_twentieth_of_the_steps():
    found = rates(schedule="warmup_cosine", learning_rate_init=0.2, max_iter=60)
    assert found[0] == pytest.approx(0.2 * 2 / 3)  # of the second update of three
    assert found[1] == pytest.approx(0.2)
    numpy.testing.assert_allclose(found[2:], 0.1 * (1 + numpy.cos(numpy.pi * numpy.arange(58) / 57)), atol=1e-12)


@pytest.mark.parametrize(("activation", "share"), [("relu", 6.0), ("tanh", 6.0), ("logistic", 2.0)])
def test_first_weights_are_spread_as_glorot_and_bengio_say(activation, share):
    model = MLPRegressor(**{**STILL, "hidden_layer_sizes": (400,)}, activation=activation).fit(X, NUMBERS)
    for w, b, fans in zip(model.coefs_, model.intercepts_, [404, 401], strict=True):
        bound = numpy.sqrt(share / fans)
        assert 0.97 * bound < numpy.abs(w).max() <= bound  # of 400 numbers or more
        assert numpy.abs(b).max() <= bound
