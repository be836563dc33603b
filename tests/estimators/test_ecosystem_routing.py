"""Weights and held-out rows on their way through pipelines and searches (`enable_metadata_routing`)."""

import warnings

import numpy
import pytest
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from xpnn.estimators import MLPClassifier, MLPRegressor

RNG = numpy.random.default_rng(0)
X = 5 + 3 * RNG.standard_normal((90, 3))
Y = X[:, 0] - X[:, 1]
WEIGHTS = RNG.uniform(0.5, 2, 90)
X_VAL = 5 + 3 * RNG.standard_normal((40, 3))
Y_VAL = X_VAL[:, 0] - X_VAL[:, 1]
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 12, "random_state": 0}
NAMES = ["sample_weight", "X_val", "y_val", "sample_weight_val"]


@pytest.fixture(autouse=True)
def routed():
    with warnings.catch_warnings(), config_context(enable_metadata_routing=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_may_be_asked_for(kind, method):
    model = getattr(kind(), f"set_{method}_request")(**dict.fromkeys(NAMES, True))
    asked = getattr(model.get_metadata_routing(), method).requests
    assert {name: asked[name] for name in NAMES} == dict.fromkeys(NAMES, True)


def test_weights_reach_the_last_step():
    model = MLPRegressor(**SHORT).set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    steps = make_pipeline(scaler, model).fit(X, Y, sample_weight=WEIGHTS)
    by_hand = MLPRegressor(**SHORT).fit(StandardScaler().fit_transform(X), Y, WEIGHTS)
    numpy.testing.assert_array_equal(steps.predict(X), by_hand.predict(StandardScaler().fit_transform(X)))


def test_weights_reach_the_fits_and_scores_of_folds():
    model = MLPRegressor(**SHORT).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    found = cross_validate(model, X, Y, cv=KFold(2), params={"sample_weight": WEIGHTS})
    for (train, test), score in zip(KFold(2).split(X), found["test_score"], strict=True):
        by_hand = MLPRegressor(**SHORT).fit(X[train], Y[train], WEIGHTS[train])
        assert score == by_hand.score(X[test], Y[test], WEIGHTS[test])


def test_weights_that_nobody_asked_for_are_an_error():
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        make_pipeline(StandardScaler(), MLPRegressor(**SHORT)).fit(X, Y, sample_weight=WEIGHTS)


def test_held_out_rows_are_scaled_on_their_way():
    model = MLPRegressor(**SHORT, early_stopping=True).set_fit_request(X_val=True, y_val=True)
    steps = Pipeline([("scale", StandardScaler()), ("mlp", model)], transform_input=["X_val"])
    steps.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    scaled = StandardScaler().fit(X)
    by_hand = MLPRegressor(**SHORT, early_stopping=True)
    by_hand.fit(scaled.transform(X), Y, X_val=scaled.transform(X_VAL), y_val=Y_VAL)
    assert steps[-1].validation_loss_curve_ == by_hand.validation_loss_curve_


def test_a_search_hands_the_same_held_out_rows_to_all_its_fits():
    """They are none of the rows that are split."""
    model = MLPRegressor(**SHORT, early_stopping=True, n_iter_no_change=3)
    model.set_fit_request(sample_weight=True, X_val=True, y_val=True).set_score_request(sample_weight=True)
    search = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=KFold(2))
    search.fit(X, Y, sample_weight=WEIGHTS, X_val=X_VAL, y_val=Y_VAL)
    by_hand = MLPRegressor(**SHORT, early_stopping=True, n_iter_no_change=3, **search.best_params_)
    by_hand.fit(X, Y, WEIGHTS, X_val=X_VAL, y_val=Y_VAL)
    assert search.best_estimator_.validation_loss_curve_ == by_hand.validation_loss_curve_
    (train, test), _ = KFold(2).split(X)
    first = MLPRegressor(**SHORT, early_stopping=True, n_iter_no_change=3, alpha=1e-4)
    first.fit(X[train], Y[train], WEIGHTS[train], X_val=X_VAL, y_val=Y_VAL)
    assert search.cv_results_["split0_test_score"][0] == first.score(X[test], Y[test], WEIGHTS[test])
