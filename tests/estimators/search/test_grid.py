"""A search whose candidates are trained together finds what scikit-learn's finds one by one."""

import os
import warnings

import numpy
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler, scale

from xpnn.arrays.devices import device
from xpnn.estimators import GridSearchMLP, MLPClassifier, MLPRegressor
from xpnn.estimators.search import grid, known, together
from xpnn.nn.activations import tanh
from xpnn.training.callbacks.base import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CANCER, IRIS, DIABETES = (load(return_X_y=True) for load in (load_breast_cancer, load_iris, load_diabetes))
CANCER, IRIS = (CANCER[0][::2], CANCER[1][::2]), IRIS
DIABETES = (DIABETES[0][::2] * 20, scale(DIABETES[1][::2]))
RATES = {"learning_rate_init": [0.003, 0.03], "alpha": [1e-4, 0.5]}
CLASSIFIER = MLPClassifier((12,), random_state=0, max_iter=8, batch_size=32)
REGRESSOR = MLPRegressor(hidden_layer_sizes=(12,), random_state=0, max_iter=8, batch_size=32)


def both(estimator, grid, data, *, together, given=None, **options):
    """scikit-learn's search and ours, after their results were found to be the same."""
    X, y = data
    if not isinstance(estimator, MLPRegressor | type(make_pipeline(StandardScaler()))):
        X = scale(X)
    options = {"cv": 3, "error_score": "raise", "return_train_score": True, **options}
    theirs = GridSearchCV(clone(estimator), grid, **options).fit(X, y, **(given or {}))
    ours = GridSearchMLP(clone(estimator), grid, **options).fit(X, y, **(given or {}))
    assert ours.n_together_ == together
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for name, value in theirs.cv_results_.items():
        if ("_test_" in name or "_train_" in name) and "rank" not in name:
            numpy.testing.assert_allclose(ours.cv_results_[name], value, rtol=1e-7, atol=1e-9, err_msg=name)
    assert ours.best_params_ == theirs.best_params_
    numpy.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    return theirs, ours


def weighted(estimator, X, y, sample_weight=None):
    """`epochs`, which no weight of a row changes."""
    return epochs(estimator, X, y)


def epochs(estimator, X, y):
    """A scorer that tells in how many epochs a network was trained, and how well at the end."""
    return {"epochs": estimator.n_iter_, "loss": estimator.loss_, "first": estimator.loss_curve_[0]}


def everything(estimator, X, y):
    """All that training changes, as numbers."""
    state = [numpy.abs(weights).sum() for weights in (*estimator.coefs_, *estimator.intercepts_)]
    curves = (estimator.loss_curve_, estimator.validation_loss_curve_ or [], estimator.validation_scores_ or [])
    numbers = {"weights": sum(state), "curves": sum(sum(curve) for curve in curves), "t": estimator.t_}
    best = (estimator.best_loss_, estimator.best_validation_score_)
    numbers["best"] = sum(value for value in best if value is not None)
    numbers |= {"kept": estimator.best_epoch_ or 0, "count": estimator._no_improvement_count}
    numbers["monitored"] = sum(estimator.monitored_curve_ or [])
    return {**epochs(estimator, X, y), **numbers}


def process(estimator, X, y):
    """The process that scores."""
    return os.getpid()


class Counting(Callback):
    """A callback that does nothing."""


@pytest.mark.parametrize(
    ("estimator", "data"),
    [(CLASSIFIER, CANCER), (CLASSIFIER, IRIS), (REGRESSOR, DIABETES)],
    ids=["binary", "multiclass", "regression"],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"solver": "sgd"},
        {"solver": "sgd", "momentum": 0.0, "learning_rate": "invscaling"},
        {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
        {"activation": "tanh", "hidden_layer_sizes": (7, 5)},
        {"activation": "logistic", "shuffle": False},
        {"activation": "identity", "hidden_layer_sizes": (7, 5, 4)},
        {"tol": 0.05, "n_iter_no_change": 1, "max_iter": 30},
        {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 12},
        {"n_ens": 2, "tol": 0.05, "n_iter_no_change": 1, "max_iter": 30},
        {"n_ens": 2, "early_stopping": True, "n_iter_no_change": 2, "max_iter": 12},
    ],
    ids=[
        "adam", "momentum", "invscaling", "adaptive", "tanh", "logistic", "identity", "stops", "early stopping",
        "ensembles", "judged ensembles",
    ],
)
def test_networks_trained_together_are_those_trained_one_by_one(estimator, data, options):
    both(clone(estimator).set_params(**options), RATES, data, together=12, scoring=epochs, refit="loss")


def test_numbers_of_adam_may_differ():
    grid = {"beta_1": [0.5, 0.9], "beta_2": [0.9, 0.99], "epsilon": [1e-8, 1e-2], "max_iter": [2, 4]}
    both(CLASSIFIER, grid, CANCER, together=48, scoring=epochs, refit="loss")


def test_rules_of_descent_may_differ():
    network = clone(CLASSIFIER).set_params(solver="sgd", learning_rate_init=0.1)
    both(network, {"nesterovs_momentum": [True, False]}, CANCER, together=6, scoring=epochs, refit="loss")
    grid = {"learning_rate": ["constant", "invscaling"], "max_iter": [3, 8]}  # some go on by another rate
    both(network, grid, CANCER, together=12, scoring=epochs, refit="loss")


def test_shapes_and_seeds_may_differ():
    grid = {"hidden_layer_sizes": [(4,), (5, 3)], "activation": ["relu", "tanh"], "random_state": [0, 1]}
    both(CLASSIFIER, grid, IRIS, together=24, scoring=epochs, refit="loss")


def test_how_many_networks_are_averaged_may_differ():
    both(CLASSIFIER, {"n_ens": [1, 2, 3], "alpha": [1e-4, 1.0]}, IRIS, together=18, scoring=epochs, refit="loss")


def test_others_are_fitted_one_by_one():
    grid = [{"solver": ["adam", "lbfgs", "adamw"], "max_iter": [3]}, {"dropout": [0.2]}]
    both(CLASSIFIER, grid, IRIS, together=3)


def test_in_a_pipeline():
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "standardscaler__with_mean": [True, False]}
    both(make_pipeline(StandardScaler(), CLASSIFIER), grid, CANCER, together=12)


def test_weights_of_rows_and_classes():
    weights = numpy.random.default_rng(0).uniform(0.5, 2, len(CANCER[1]))
    grid = {**RATES, "class_weight": [None, "balanced"]}
    both(CLASSIFIER, grid, CANCER, together=24, given={"sample_weight": weights}, scoring=weighted, refit="loss")


def test_several_labels_and_smoothed_ones():
    several = numpy.stack([IRIS[1] == 0, IRIS[1] > 1], axis=1).astype(int)
    grid = {**RATES, "label_smoothing": [0.0, 0.1]}
    for y in (several, IRIS[1]):
        both(CLASSIFIER, grid, (IRIS[0], y), together=24, scoring=epochs, refit="loss", cv=KFold(3))


def test_several_scores():
    both(CLASSIFIER, RATES, CANCER, together=12, scoring=["accuracy", "roc_auc"], refit="roc_auc")


@pytest.mark.parametrize("monitor", [None, "loss", "neg_log_loss"])
def test_processes_change_nothing(monitor):
    stopping = {"early_stopping": monitor is not None, "n_iter_no_change": 2, "tol": 0.02, "max_iter": 15}
    stopping["monitor"] = monitor or "loss"
    network, found = clone(CLASSIFIER).set_params(**stopping), []
    for n in (1, 2):
        search = GridSearchMLP(network, RATES, n_jobs=n, cv=3, scoring=everything, refit=False)
        with pytest.warns(ConvergenceWarning) as said:
            search.fit(*IRIS)
        assert 0 < sum(warning.category is ConvergenceWarning for warning in said) < 12  # some stop in their last epoch
        assert search.n_together_ == 3 * len(ParameterGrid(RATES))
        found.append(search.cv_results_)
    names = [name for name in found[0] if name.startswith("split")]
    assert len(names) == 3 * 10
    for name in names:
        numpy.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)


def test_folds_that_change_are_fitted_one_by_one():
    search = GridSearchMLP(CLASSIFIER, RATES, cv=KFold(3, shuffle=True), refit=False).fit(*IRIS)
    assert search.n_together_ == 0


def seeded_folds():
    return KFold(3, shuffle=True, random_state=numpy.random.RandomState(0))


def folds_once():
    return iter(list(KFold(3).split(IRIS[0])))


@pytest.mark.parametrize("folds", [seeded_folds, folds_once])
def test_folds_that_come_once_are_those_of_scikit_learn(folds):
    X = scale(IRIS[0])
    theirs = GridSearchCV(CLASSIFIER, RATES, cv=folds(), refit=False).fit(X, IRIS[1])
    ours = GridSearchMLP(CLASSIFIER, RATES, cv=folds(), refit=False).fit(X, IRIS[1])
    assert ours.n_together_ == 12
    numpy.testing.assert_array_equal(ours.cv_results_["split2_test_score"], theirs.cv_results_["split2_test_score"])


def test_the_numbers_of_numpy_s_own_state_are_the_folds():
    X = scale(IRIS[0])
    scores = []
    for kind in (GridSearchCV, GridSearchMLP):
        numpy.random.seed(3)
        search = kind(CLASSIFIER, RATES, cv=KFold(3, shuffle=True), refit=False).fit(X, IRIS[1])
        scores.append(search.cv_results_["mean_test_score"])
    numpy.testing.assert_array_equal(*scores)


def judge(estimator, X, y):
    """A scorer that cannot do with one of the candidates."""
    if estimator.alpha > 1:
        raise ValueError("an alpha above 1")
    return estimator.score(X, y)


def test_a_member_that_fails_in_training_fails_alone():
    network = clone(REGRESSOR).set_params(early_stopping=True, monitor=judge)
    search = GridSearchMLP(network, {"alpha": [1e-4, 2.0]}, cv=3, refit=False)
    with pytest.warns(match="3 fits failed out of a total of 6"), pytest.warns(match="scores are non-finite"):
        search.fit(*DIABETES)
    assert numpy.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]


def needs_first_rows(estimator, X, y):
    """A scorer that cannot do without rows of the first third."""
    if not (X[:, 0] == 0).any():
        raise ValueError
    return estimator.score(X, y)


def test_a_fit_that_failed_takes_over_no_other_folds_network():
    """Rows of objects, too, are told apart, of folds that have the same labels."""
    rows = numpy.stack([numpy.arange(150) // 50, numpy.arange(150) % 50 / 50], axis=1).astype(object)
    labels = numpy.arange(150) % 2
    network = clone(CLASSIFIER).set_params(early_stopping=True, monitor=needs_first_rows, validation_fraction=0.5)
    found = []
    for kind in (GridSearchCV, GridSearchMLP):
        with pytest.warns(match="1 fits failed out of a total of 3"), pytest.warns(match="scores are non-finite"):
            search = kind(network, {"alpha": [0.1]}, cv=KFold(3), refit=False).fit(rows, labels)
        found.append([search.cv_results_[f"split{n}_test_score"][0] for n in range(3)])
    assert search.n_together_ == 2
    numpy.testing.assert_array_equal(*found)


ALONE = {
    "normalization": {"normalization": ["layer"]}, "schedule": {"schedule": ["cosine"]},
    "max_norm": {"max_norm": [0.1]},
    "callbacks": {"callbacks": [[Counting()]]}, "dropout": {"dropout": [0.2]},
    "loss": {"loss": ["absolute_error"]}, "a state": {"random_state": [numpy.random.RandomState(0)]},
    "verbose": {"verbose": [1]}, "own function": {"activation": [tanh]},
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_what_together_does_not_know_is_left_to_each_fit(name, monkeypatch):
    monkeypatch.setattr(grid, "trained_together", None)  # which fails if it is called
    both(REGRESSOR, ALONE[name], DIABETES, together=0)


def test_a_device_that_is_the_cpu_is_the_cpu():
    together = 12 if device("auto").name == "cpu" else 0
    both(clone(REGRESSOR).set_params(device="auto"), RATES, DIABETES, together=together)
    both(clone(REGRESSOR).set_params(device=device("cpu")), RATES, DIABETES, together=12)


def test_beyond_the_memory_fits_are_made_one_by_one(monkeypatch):
    monkeypatch.setattr(grid, "MEMORY", 0)
    both(REGRESSOR, RATES, DIABETES, together=1)


def test_where_nothing_is_trained_together_the_search_has_scikit_learns_processes():
    """Each worker tells who it is."""
    network = clone(REGRESSOR).set_params(solver="lbfgs", max_iter=2)
    search = GridSearchMLP(network, {"alpha": [0.1, 0.2]}, cv=3, n_jobs=2, scoring=process, refit=False)
    found = search.fit(*DIABETES).cv_results_
    assert all(os.getpid() not in found[f"split{n}_test_score"] for n in range(3))


def test_warnings_of_what_goes_before_training_are_kept():
    network = clone(REGRESSOR).set_params(batch_size=10_000)
    with pytest.warns(UserWarning, match="Got `batch_size` less than 1 or larger than sample size") as found:
        GridSearchMLP(network, {"alpha": [0.1, 0.2]}, cv=3, refit=False).fit(*DIABETES)
    assert sum("Got `batch_size`" in str(one.message) for one in found) == 6


def warns(estimator, X, y):
    """A scorer that has something to say."""
    warnings.warn("not well-defined", stacklevel=1)
    return estimator.score(X, y)


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (clone(CLASSIFIER).set_params(early_stopping=True, monitor=warns), {"alpha": [0.1, 0.2]}),
        (make_pipeline(FunctionTransformer(scale), StackingClassifier([("one", CLASSIFIER)], cv=2), CLASSIFIER),
         {"mlpclassifier__alpha": [0.1, 0.2]}),
        (make_pipeline(QuantileTransformer(), clone(CLASSIFIER).set_params(dropout=0.1)),
         {"mlpclassifier__alpha": [0.1, 0.2]}),
    ],
    ids=["scorer", "networks in a transformer", "fits that are made one by one"],
)  # fmt: skip
def test_all_warnings_are_those_of_scikit_learns_search(model, grid):
    said = []
    for kind in (GridSearchCV, GridSearchMLP):
        with pytest.warns() as found:
            kind(model, grid, cv=2, refit=False).fit(*IRIS)
        said.append(sorted(str(one.message) for one in found))
    assert said[0] == said[1]


def test_without_a_seed_candidates_are_trained_together_too():
    search = GridSearchMLP(clone(CLASSIFIER).set_params(random_state=None), RATES, cv=3).fit(*IRIS)
    assert search.n_together_ == 12


@pytest.mark.parametrize("grid", [RATES, {"solver": ["adam", "adamw", "sgd"]}], ids=["all", "some"])
@pytest.mark.parametrize("piped", [False, True])
def test_without_a_seed_numbers_of_numpys_own_state_are_those_of_scikit_learns_search(piped, grid):
    """Also where some fits are made one by one, and in a pipeline whose first step draws from it, too."""
    model = clone(CLASSIFIER).set_params(random_state=None, max_iter=4)
    if piped:
        model = make_pipeline(QuantileTransformer(n_quantiles=20, subsample=40), model)
        grid = {f"mlpclassifier__{name}": values for name, values in grid.items()}
    found = []
    for kind in (GridSearchCV, GridSearchMLP):
        numpy.random.seed(3)
        search = kind(model, grid, cv=2).fit(*IRIS)
        found.append((search.cv_results_["mean_test_score"], search.predict_proba(IRIS[0]), numpy.random.random()))
    assert search.n_together_ == (8 if len(grid) > 1 else 2)  # whose numbers are known: those before the first such fit
    for mine, their in zip(*found, strict=True):
        numpy.testing.assert_allclose(mine, their, rtol=1e-7)


def test_each_fit_warns():
    with pytest.warns(ConvergenceWarning) as found:
        GridSearchMLP(CLASSIFIER, RATES, cv=3, refit=False).fit(*IRIS)
    assert len(found) == 12


def test_a_candidate_that_fails_is_named_as_by_scikit_learn():
    search = GridSearchMLP(CLASSIFIER, {"alpha": [1.0, -1.0]}, cv=3)
    with pytest.warns(match="3 fits failed out of a total of 6"), pytest.warns(match="scores are non-finite"):
        search.fit(*IRIS)
    assert numpy.isnan(search.cv_results_["mean_test_score"][1])
    with pytest.raises(ValueError, match="alpha"):
        clone(search).set_params(error_score="raise").fit(*IRIS)


def test_a_search_that_fails_leaves_the_one_before():
    search = GridSearchMLP(CLASSIFIER, {"alpha": [1.0]}, cv=3).fit(*IRIS)
    before = search.predict(IRIS[0])
    with pytest.raises(ValueError, match="inconsistent"):
        search.fit(IRIS[0], IRIS[1][:-1])
    numpy.testing.assert_array_equal(search.predict(IRIS[0]), before)


@pytest.mark.parametrize("cached", [False, True])
def test_networks_within_transformers_are_trained_there_and_then(cached, tmp_path):
    """Nothing else would end up in a pipeline's cache, for whoever comes next."""
    network = MLPClassifier((8,), max_iter=40, random_state=0, learning_rate_init=0.02)
    stack = StackingClassifier([("network", network)], LogisticRegression(), cv=2)
    X, y = CANCER[0][:, :4], CANCER[1]
    searches = []
    for n, kind in enumerate((GridSearchCV, GridSearchMLP)):
        memory = str(tmp_path / str(n)) if cached else None
        pipeline = make_pipeline(StandardScaler(), stack, network, memory=memory)
        options = {"cv": 3, "scoring": "neg_log_loss", "refit": False}
        searches.append(kind(pipeline, {"mlpclassifier__alpha": [1e-4, 1.0]}, **options).fit(X, y))
    theirs, ours = searches
    for name in ("split0_test_score", "split2_test_score"):
        numpy.testing.assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], rtol=1e-6)
    assert ours.n_together_ == 6


@pytest.mark.parametrize("n_jobs", ["two", 0])
def test_a_wrong_n_jobs_is_refused_before_any_work(n_jobs, monkeypatch):
    monkeypatch.setattr(grid.GridSearchMLP, "_prepared", None)  # which fails if it is called
    kinds = GridSearchCV, GridSearchMLP
    errors = []
    for kind in kinds:
        with pytest.raises(ValueError, match="n_jobs") as error:
            kind(CLASSIFIER, RATES, n_jobs=n_jobs).fit(*IRIS)
        errors.append(str(error.value).replace("MLP", "CV"))
    assert errors[0] == errors[1]


def test_a_search_of_which_no_fit_succeeds_fails_as_scikit_learns():
    with pytest.raises(ValueError, match="All the 3 fits failed") as error:
        GridSearchMLP(clone(REGRESSOR).set_params(loss=()), {"alpha": [1e-4]}, cv=3).fit(*DIABETES)
    assert "Together" not in str(error.value)
    assert error.value.__context__ is None


def test_members_are_so_few_that_their_outputs_fit(monkeypatch):
    estimator, largest = clone(CLASSIFIER), 5 * 100 * 3 * 8  # of one member and 100 rows
    monkeypatch.setattr(known, "LARGEST", largest)
    monkeypatch.setattr(grid, "LARGEST", largest)
    sizes, whole = [], grid.trained_together
    monkeypatch.setattr(grid, "trained_together", lambda jobs: sizes.append(len(jobs)) or whole(jobs))
    both(estimator, RATES, IRIS, together=12)
    assert set(sizes) == {1}


@pytest.mark.parametrize(("estimator", "data"), [(CLASSIFIER, IRIS), (CLASSIFIER, CANCER), (REGRESSOR, DIABETES)])
@pytest.mark.parametrize("wide", [False, True])
def test_bits_do_not_depend_on_how_many_are_trained_at_once(estimator, data, wide, monkeypatch):
    X, y = scale(data[0]), data[1]
    if wide:
        X = numpy.concatenate([X] * 13, axis=1)
    found = []
    for most in (2**18, 1, 3 * 32 * 12):
        monkeypatch.setattr(together, "CACHE", most)
        search = GridSearchMLP(estimator, {"alpha": [1e-4, 0.01, 0.1, 1.0]}, cv=2, scoring=everything, refit=False)
        search.fit(X, y)
        found.append([search.cv_results_[f"split{n}_test_weights"] for n in range(2)])
    numpy.testing.assert_array_equal(found[0], found[1])
    numpy.testing.assert_array_equal(found[0], found[2])
