"""scikit-learn's tools over the estimators, as their users write them; beside its own MLP where both score alike."""

import copy
import html
import pickle
import warnings

import numpy
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (it brings the next import)
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.validation import check_is_fitted

from xpnn.estimators import MLPClassifier, MLPRegressor

CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
CANCER = scale(CANCER)
IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
DIABETES, PROGRESS = scale(DIABETES), scale(PROGRESS)
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)

# what scikit-learn's own of before 1.8 ask of a SciPy of today
pytestmark = pytest.mark.filterwarnings("ignore:scipy.optimize. The .disp:DeprecationWarning")


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def test_cross_validation_scores_as_scikit_learns_own_does():
    ours, theirs = (
        cross_validate(kind(**SHORT), CANCER, MALIGNANT, cv=FOLDS, scoring=["accuracy", "neg_log_loss"])
        for kind in (MLPClassifier, neural_network.MLPClassifier)
    )
    for score, noise in {"test_accuracy": 0.015, "test_neg_log_loss": 0.05}.items():
        assert ours[score].mean() >= theirs[score].mean() - noise  # of one seed; between seeds it is as large
    assert ours["test_accuracy"].mean() > 0.95


def test_predictions_of_held_out_folds_are_those_of_a_fit_by_hand():
    held_out = cross_val_predict(MLPClassifier(**SHORT), IRIS, SPECIES, cv=FOLDS, method="predict_proba")
    for train, test in FOLDS.split(IRIS, SPECIES):
        by_hand = MLPClassifier(**SHORT).fit(IRIS[train], SPECIES[train]).predict_proba(IRIS[test])
        numpy.testing.assert_array_equal(held_out[test], by_hand)


@pytest.mark.parametrize("method", ["predict", "predict_log_proba", "decision_function"])
def test_every_method_of_held_out_folds(method):
    held_out = cross_val_predict(MLPClassifier(**SHORT), IRIS, SPECIES, cv=FOLDS, method=method)
    labels = held_out if held_out.ndim == 1 else held_out.argmax(axis=1)
    assert (labels == SPECIES).mean() > 0.9


def test_a_grid_search_finds_what_refits_by_hand_confirm():
    search = GridSearchCV(MLPClassifier(**SHORT), {"alpha": [1e-4, 100.0], "solver": ["adam", "lbfgs"]}, cv=FOLDS)
    search.fit(IRIS, SPECIES)
    assert search.best_params_["alpha"] == 1e-4
    refitted = MLPClassifier(**{**SHORT, **search.best_params_}).fit(IRIS, SPECIES)
    numpy.testing.assert_array_equal(search.predict_proba(IRIS), refitted.predict_proba(IRIS))


def test_a_randomized_search_over_layers_and_functions():
    space = {"hidden_layer_sizes": [(4,), (8, 4)], "activation": ["relu", "gelu"], "dropout": [0.0, 0.1]}
    search = RandomizedSearchCV(MLPClassifier(**SHORT), space, n_iter=4, cv=2, random_state=0).fit(IRIS, SPECIES)
    assert search.best_score_ > 0.8
    assert len({str(one) for one in search.cv_results_["params"]}) == 4


def test_halving_gives_the_survivors_more_epochs():
    search = HalvingGridSearchCV(
        MLPClassifier(**SHORT), {"alpha": [1e-4, 1e-2, 100.0]}, resource="max_iter", min_resources=5, max_resources=15,
        cv=2, random_state=0,
    ).fit(IRIS, SPECIES)  # fmt: skip
    assert search.n_resources_ == [5, 15]
    assert search.best_estimator_.n_iter_ == 15


def test_calibration_by_folds_lowers_the_loss_of_one_that_is_too_sure():
    train, test = next(FOLDS.split(CANCER, MALIGNANT))
    sure = MLPClassifier((32,), solver="lbfgs", alpha=0.0, random_state=0)
    plain = clone(sure).fit(CANCER[train], MALIGNANT[train])
    calibrated = CalibratedClassifierCV(sure, cv=3).fit(CANCER[train], MALIGNANT[train])
    before, after = (log_loss(MALIGNANT[test], one.predict_proba(CANCER[test])) for one in (plain, calibrated))
    assert after < 0.7 * before


def test_a_frozen_one_is_calibrated_and_not_fitted_again():
    model = MLPClassifier(**SHORT).fit(CANCER[:300], MALIGNANT[:300])
    weights = copy.deepcopy(model.coefs_)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(CANCER[300:], MALIGNANT[300:])
    assert calibrated.score(CANCER[300:], MALIGNANT[300:]) > 0.9
    for before, now in zip(weights, model.coefs_, strict=True):
        numpy.testing.assert_array_equal(now, before)


def test_votes_are_the_means_of_the_members():
    members = [(str(seed), MLPClassifier(**{**SHORT, "random_state": seed})) for seed in range(2)]
    vote = VotingClassifier(members, voting="soft").fit(IRIS, SPECIES)
    mean = numpy.mean([one.fit(IRIS, SPECIES).predict_proba(IRIS) for _, one in members], axis=0)
    numpy.testing.assert_allclose(vote.predict_proba(IRIS), mean, rtol=1e-12)
    numbers = [("mlp", MLPRegressor(**SHORT)), ("ridge", Ridge())]
    vote = VotingRegressor(numbers).fit(DIABETES, PROGRESS)
    mean = numpy.mean([one.fit(DIABETES, PROGRESS).predict(DIABETES) for _, one in numbers], axis=0)
    numpy.testing.assert_allclose(vote.predict(DIABETES), mean, rtol=1e-12)


def test_bags_differ_and_predict_together():
    bag = BaggingClassifier(MLPClassifier(**SHORT), n_estimators=3, max_samples=0.6, random_state=0)
    bag.fit(IRIS, SPECIES)
    mean = numpy.mean([one.predict_proba(IRIS) for one in bag.estimators_], axis=0)
    numpy.testing.assert_allclose(bag.predict_proba(IRIS), mean, rtol=1e-12)
    first, second, _ = (one.coefs_[0] for one in bag.estimators_)
    assert not numpy.array_equal(first, second)


def test_stacks_learn_from_held_out_predictions():
    stack = StackingClassifier([("mlp", MLPClassifier(**SHORT))], LogisticRegression(), cv=FOLDS).fit(IRIS, SPECIES)
    held_out = cross_val_predict(MLPClassifier(**SHORT), IRIS, SPECIES, cv=FOLDS, method="predict_proba")
    numpy.testing.assert_allclose(
        stack.final_estimator_.coef_, LogisticRegression().fit(held_out, SPECIES).coef_, rtol=1e-6
    )
    numbers = StackingRegressor([("ridge", Ridge())], MLPRegressor(**SHORT)).fit(DIABETES, PROGRESS)
    assert numbers.score(DIABETES, PROGRESS) > 0.4


def test_boosting_weighs_rows():
    boost = AdaBoostClassifier(MLPClassifier(**{**SHORT, "max_iter": 5}), n_estimators=4, random_state=0)
    boost.fit(IRIS, SPECIES)
    stages = list(boost.staged_score(IRIS, SPECIES))
    assert stages[-1] > stages[0]
    numbers = AdaBoostRegressor(MLPRegressor(**SHORT), n_estimators=2, random_state=0).fit(DIABETES, PROGRESS)
    assert numbers.score(DIABETES, PROGRESS) > 0.4


def test_one_for_each_target_is_what_it_says():
    both = numpy.stack([PROGRESS, -DIABETES[:, 2]], axis=1)
    several = MultiOutputRegressor(MLPRegressor(**SHORT)).fit(DIABETES, both)
    alone = MLPRegressor(**SHORT).fit(DIABETES, both[:, 1])
    numpy.testing.assert_array_equal(several.predict(DIABETES)[:, 1], alone.predict(DIABETES))


def test_one_against_the_rest_and_chains_of_labels():
    rest = OneVsRestClassifier(MLPClassifier(**SHORT)).fit(IRIS, SPECIES)
    assert rest.score(IRIS, SPECIES) > 0.9
    labels = numpy.stack([SPECIES == 0, SPECIES == 2], axis=1).astype(int)
    chain = ClassifierChain(MLPClassifier(**SHORT)).fit(IRIS, labels)
    assert chain.score(IRIS, labels) > 0.9


def test_targets_are_transformed_and_back():
    dollars = numpy.exp(0.5 * PROGRESS)
    model = TransformedTargetRegressor(MLPRegressor(**SHORT), func=numpy.log, inverse_func=numpy.exp)
    model.fit(DIABETES, dollars)
    alone = MLPRegressor(**SHORT).fit(DIABETES, numpy.log(dollars))
    numpy.testing.assert_allclose(model.predict(DIABETES), numpy.exp(alone.predict(DIABETES)), rtol=1e-10)


def test_what_matters_is_found():
    X = numpy.random.default_rng(0).standard_normal((200, 4))
    y = 3 * X[:, 2] + 0.01 * X[:, 0]
    model = MLPRegressor(**{**SHORT, "batch_size": 20}).fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=2, random_state=0).importances_mean
    assert importance[2] > 10 * numpy.delete(importance, 2).max()
    line = partial_dependence(model, X, [2], grid_resolution=10)
    slope = numpy.polyfit(line["grid_values"][0], line["average"][0], 1)[0]
    assert slope == pytest.approx(3, rel=0.05)


def test_curves_by_rows_and_by_a_parameter():
    _, train, test = learning_curve(MLPClassifier(**SHORT), IRIS, SPECIES, train_sizes=[0.2, 1.0], cv=FOLDS)
    assert test[-1].mean() > test[0].mean() - 0.02
    assert train.min() > 0.7
    train, test = validation_curve(
        MLPClassifier(**SHORT), IRIS, SPECIES, param_name="alpha", param_range=[1e-4, 300.0], cv=FOLDS
    )
    assert train[0].mean() > train[1].mean()
    assert test[0].mean() > test[1].mean()


def test_a_learning_curve_by_partial_fits():
    sizes, _, test = learning_curve(
        MLPClassifier(**SHORT), IRIS, SPECIES, train_sizes=[0.3, 1.0], cv=FOLDS, exploit_incremental_learning=True
    )
    assert len(sizes) == 2
    assert test.shape == (2, 3)
    assert test.min() > 0.2


def test_parameters_are_got_set_and_cloned():
    model = MLPClassifier((3, 2), dropout=[0.1, 0.2], class_weight={0: 2.0})
    assert clone(model).get_params() == model.get_params()
    model.set_params(alpha=0.5, dropout=0.0)
    assert (model.alpha, model.dropout) == (0.5, 0.0)
    with pytest.raises(ValueError, match="Invalid parameter 'alhpa' for estimator MLPClassifier"):
        model.set_params(alhpa=1)
    assert "alpha=0.5" in repr(model)
    assert "tol" not in repr(model)  # those as by default are left out


def test_fitted_or_not_is_known():
    model = MLPRegressor(**SHORT)
    with pytest.raises(NotFittedError, match="MLPRegressor"):
        model.predict(DIABETES)
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    check_is_fitted(model.fit(DIABETES, PROGRESS))
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(model))


def test_the_picture_of_a_notebook_shows_parameters_and_whether_it_is_fitted():
    model = make_pipeline(StandardScaler(), MLPClassifier(alpha=0.25, hidden_layer_sizes=(7,), max_iter=1))
    before = html.unescape(model._repr_html_())
    assert "alpha=0.25" in before
    assert "Not fitted" in before
    after = html.unescape(model.fit(IRIS, SPECIES)._repr_html_())
    assert "Not fitted" not in after
    assert "hidden_layer_sizes" in after


def test_a_whole_pipeline_is_pickled():
    model = make_pipeline(StandardScaler(), MLPClassifier(**SHORT)).fit(IRIS, SPECIES)
    again = pickle.loads(pickle.dumps(model))
    numpy.testing.assert_array_equal(again.predict_proba(IRIS), model.predict_proba(IRIS))
    search = GridSearchCV(model, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=2).fit(IRIS, SPECIES)
    numpy.testing.assert_array_equal(pickle.loads(pickle.dumps(search)).predict(IRIS), search.predict(IRIS))
