"""The estimators keep scikit-learn's parameters and attributes, train alike twice, and are small when pickled."""

import inspect
import pickle
import warnings

import numpy
import pytest
import sklearn
from scipy import sparse
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from xpnn import namespace_of, nn
from xpnn.estimators import MLPClassifier, MLPRegressor
from xpnn.estimators.pool import POOL
from xpnn.nn.dropout import Dropout

RNG = numpy.random.default_rng(8)
X = RNG.standard_normal((120, 5))
LABELS = numpy.asarray(["no", "yes"])[(X[:, 0] * X[:, 1] > 0).astype(int)]
NUMBERS = X[:, 0] + X[:, 1] ** 2
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 15, "random_state": 3}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))


@pytest.mark.skipif(VERSION < (1, 7), reason="scikit-learn's regressor takes a loss from 1.7 on")
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_parameters_begin_with_those_of_scikit_learn(name):
    ours, theirs = (
        inspect.signature(getattr(module, name)).parameters
        for module in (__import__("xpnn.estimators", fromlist=[name]), neural_network)
    )
    assert list(ours)[: len(theirs)] == list(theirs)
    assert {key: (p.default, p.kind) for key, p in theirs.items()} == {
        key: (ours[key].default, ours[key].kind) for key in theirs
    }


def test_a_large_network_learns_what_scikit_learns_does():
    options = {"hidden_layer_sizes": (50,), "max_iter": 300, "random_state": 0, "learning_rate_init": 0.01}
    ours, theirs = MLPClassifier(**options).fit(X, LABELS), neural_network.MLPClassifier(**options).fit(X, LABELS)
    assert ours.score(X, LABELS) >= theirs.score(X, LABELS) - 0.02
    assert [w.shape for w in ours.coefs_] == [w.shape for w in theirs.coefs_]
    assert (ours.n_layers_, ours.n_outputs_, ours.out_activation_) == (3, 1, "logistic")


LOWERED = {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1}  # the rate, as it trains


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"activation": "rrelu"}, LOWERED], ids=str)
@pytest.mark.parametrize("compile", [True, False])
def test_the_same_seed_gives_the_same_bits_from_a_kept_trainer_too(options, compile):
    options = {**SHORT, **options, "compile": compile}
    POOL.clear()
    first = MLPClassifier(**options).fit(X, LABELS)
    again = MLPClassifier(**options).fit(X, LABELS)
    POOL.clear()
    other = MLPClassifier(**{**options, "random_state": 4}).fit(X, LABELS)
    after_another = MLPClassifier(**options).fit(X, LABELS)
    for a, b, c, d in zip(first.coefs_, again.coefs_, other.coefs_, after_another.coefs_, strict=True):
        numpy.testing.assert_array_equal(a, b)
        numpy.testing.assert_array_equal(a, d)
        assert not numpy.array_equal(a, c)
    assert first.loss_curve_ == again.loss_curve_ == after_another.loss_curve_


def test_a_later_fit_leaves_the_weights_of_an_earlier_one():
    POOL.clear()
    first = MLPClassifier(**SHORT, dropout=0.1).fit(X, LABELS)
    before = [one.copy() for one in first.coefs_]
    MLPClassifier(**{**SHORT, "random_state": 4}, dropout=0.1).fit(X, LABELS)
    assert len(POOL._free) == 1
    for one, other in zip(first.coefs_, before, strict=True):
        numpy.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_a_later_fit_with_another_seed_replays_the_steps_of_an_earlier_one(dropout):
    POOL.clear()
    plans = []
    for seed in range(2):
        MLPClassifier((8,), max_iter=30, batch_size=20, random_state=seed, dropout=dropout).fit(X, LABELS)
        (kept,) = POOL._free.values()
        plans.append(kept.trainer._made.training._fast.plan())
    assert plans[0] is plans[1] is not None


def test_masks_differ_from_seed_to_seed():
    masks = []
    for seed in (0, 1):
        network = MLPClassifier(**{**SHORT, "random_state": seed}, dropout=0.5).fit(X, LABELS).network_
        (layer,) = (module for _, module in network.named_modules() if isinstance(module, Dropout))
        masks.append(layer.train()(numpy.ones(64)))
    assert not numpy.array_equal(*masks)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_follows_the_rows(dtype):
    model = MLPRegressor(**SHORT).fit(X.astype(dtype), NUMBERS)
    assert {w.dtype.name for w in (*model.coefs_, *model.intercepts_)} == {dtype}
    assert model.predict(X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("first", "then"), [("float32", "float64"), ("float64", "float32")])
def test_a_later_fit_goes_on_in_the_dtype_of_the_first(first, then, solver):
    model = MLPRegressor(**SHORT, solver=solver, warm_start=True).fit(X.astype(first), NUMBERS)
    held_out = {"X_val": X.astype(then), "y_val": NUMBERS} if solver == "adam" else {}
    model.fit(X.astype(then), NUMBERS, **held_out)
    assert model.coefs_[0].dtype == first


def test_sparse_rows_train_as_dense_ones_do():
    dense, rows = (MLPClassifier(**SHORT).fit(kind, LABELS) for kind in (X, sparse.csr_matrix(X)))
    for a, b in zip(dense.coefs_, rows.coefs_, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-10)  # the same batches, rounded alike but for their order in memory


def test_a_pickle_holds_the_weights_once_and_no_rows():
    model = MLPClassifier(hidden_layer_sizes=(300,), max_iter=3, random_state=0).fit(X, LABELS)
    weights = sum(w.nbytes for w in (*model.coefs_, *model.intercepts_))
    kept = pickle.dumps(model)
    assert len(kept) < weights + 10_000
    numpy.testing.assert_array_equal(pickle.loads(kept).predict_proba(X), model.predict_proba(X))


def fourth_powers(y, t):
    """A loss of one's own."""
    return namespace_of(y).mean((y - t) ** 4)


def weighted_squares(y, t, *, sample_weight=None):
    """One that takes weights."""
    return nn.squared_error(y, t, sample_weight=sample_weight)


@pytest.mark.parametrize("loss", [fourth_powers, weighted_squares])
def test_a_model_of_ones_own_loss_is_pickled(loss):
    model = MLPRegressor(loss, **SHORT).fit(X, NUMBERS)
    again = pickle.loads(pickle.dumps(model))
    numpy.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.partial_fit(X, NUMBERS)  # the loss itself is there


def test_weights_need_a_loss_that_takes_them():
    weights = numpy.arange(1.0, 121)
    with pytest.raises(ValueError, match=r"sample_weight needs a loss function that takes sample_weight="):
        MLPRegressor(fourth_powers, **SHORT).fit(X, NUMBERS, weights)
    own = MLPRegressor(weighted_squares, **SHORT, alpha=0.0).fit(X, NUMBERS, weights)
    plain = MLPRegressor(**SHORT, alpha=0.0, solver="adam").fit(X, NUMBERS, weights)
    assert own.loss_curve_[0] == pytest.approx(2 * plain.loss_curve_[0])


def test_a_validation_set_of_ones_own_decides():
    model = MLPRegressor(**{**SHORT, "max_iter": 200}, early_stopping=True, n_iter_no_change=3, learning_rate_init=0.05)
    model.fit(X[:60], NUMBERS[:60], X_val=X[60:], y_val=NUMBERS[60:])
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == model.n_iter_ < 200
    error = ((model.predict(X[60:]) - NUMBERS[60:]) ** 2).mean() / 2
    assert error == pytest.approx(min(model.validation_loss_curve_), rel=1e-12)  # the best weights are kept


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson", "gamma", "tweedie"])
def test_other_losses_learn(loss):
    positive = numpy.exp(0.3 * X[:, 0] + 0.2)
    model = MLPRegressor(loss, (16,), max_iter=200, random_state=0, learning_rate_init=0.01).fit(X, positive)
    assert model.score(X, positive) > 0.8
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_of_several_quantiles_the_one_next_to_the_median_is_scored():
    y = numpy.stack([X[:, 0], X[:, 1]], axis=1)
    model = MLPRegressor("quantile", (8,), quantiles=[0.9, 0.45, 0.1, 0.55], max_iter=20, random_state=0)
    for targets in (NUMBERS, y):
        model.fit(X, targets, X_val=X, y_val=targets)
        expected = r2_score(targets, model.predict(X)[..., 1])
        assert model.score(X, targets) == pytest.approx(expected)
        assert model.validation_scores_[-1] == pytest.approx(expected)


def test_several_quantiles_lie_in_order_and_cover_their_share():
    noisy = X[:, 0] + RNG.standard_normal(120)
    model = MLPRegressor("quantile", (16,), quantiles=[0.1, 0.5, 0.9], max_iter=300, random_state=0)
    low, _, high = model.fit(X, noisy).predict(X).T
    assert 0.6 < ((low <= noisy) & (noisy <= high)).mean() < 0.98


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (MLPRegressor("poisson"), -numpy.abs(NUMBERS) - 1, r"loss='poisson' needs targets y at least 0, got -"),
        (MLPRegressor("gamma"), numpy.zeros(120), r"loss='gamma' needs targets y above 0, got 0"),
        (
            MLPRegressor("tweedie", tweedie_power=2),
            numpy.abs(NUMBERS) * (NUMBERS > 0.5),
            r"loss='tweedie' with tweedie_power=2 needs targets y above 0, got 0",
        ),
        (
            MLPRegressor("tweedie"),
            -numpy.abs(NUMBERS),
            r"loss='tweedie' with tweedie_power=1.5 needs targets y at least 0, got -",
        ),
        (MLPClassifier(solver="newton"), LABELS, "'solver' parameter of MLPClassifier must be"),
        (MLPClassifier(dropout=[0.1, 0.2]), LABELS, "dropout expected one value for each of 1 hidden layers, got 2"),
        (MLPClassifier(solver="lbfgs", dropout=0.5), LABELS, "no dropout"),
    ],
)
def test_what_does_not_fit_is_named(model, y, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_a_gpu_that_is_not_there_is_named_before_any_work():
    import xpnn

    if xpnn.device("auto").name != "cpu":
        pytest.skip("there is a GPU")
    with pytest.raises(xpnn.DeviceUnavailable):
        MLPClassifier(device="cuda").fit(X, LABELS)


def test_classes_of_several_questions_at_once():
    y = numpy.stack([LABELS, numpy.where(X[:, 2] > 0, "a", "b")], axis=1)
    model = MLPClassifier(max_iter=200, random_state=0, learning_rate_init=0.01).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.9
    assert [p.shape for p in model.predict_proba(X)] == [(120, 2), (120, 2)]


def test_the_decision_function_is_above_0_where_the_second_class_is_likelier():
    model = MLPClassifier(**SHORT).fit(X, LABELS)
    scores = model.decision_function(X)
    numpy.testing.assert_array_equal(model.classes_[(scores > 0).astype(int)], model.predict(X))
    numpy.testing.assert_allclose(1 / (1 + numpy.exp(-scores)), model.predict_proba(X)[:, 1])
    three = MLPClassifier(**SHORT).fit(X, numpy.arange(120) % 3)
    numpy.testing.assert_array_equal(three.decision_function(X).argmax(axis=1), three.predict(X))


def test_balanced_classes_count_the_same():
    rare = (X[:, 0] > 1.2).astype(int)
    plain, balanced = (MLPClassifier(**SHORT, class_weight=weight).fit(X, rare) for weight in (None, "balanced"))
    assert balanced.predict(X).sum() > plain.predict(X).sum()


def test_a_search_over_its_parameters():
    search = GridSearchCV(MLPClassifier(**SHORT), {"alpha": [1e-4, 1.0], "dropout": [0.0, 0.2]}, cv=2).fit(X, LABELS)
    assert set(search.best_params_) == {"alpha", "dropout"}
