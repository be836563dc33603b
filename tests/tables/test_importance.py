"""Permutation importance: scikit-learn's numbers for the same orders, and what it says of columns that do not count."""

import numpy
import pytest

from xpnn.arrays.random import permutation
from xpnn.tables import Preprocessing, permutation_importance

RNG = numpy.random.default_rng(8)
FRAME = {
    "much": RNG.standard_normal(80),
    "none": RNG.standard_normal(80),
    "word": RNG.choice(["a", "b", "c"], 80),
    "code": RNG.choice([f"w{n}" for n in range(12)], 80),
}
T = 3 * FRAME["much"] + (FRAME["word"] == "a") + 0.5 * (FRAME["code"] == "w3")
PREPROCESSING = Preprocessing(scaling="none", one_hot_up_to=3).fit(FRAME)
FEATURES = PREPROCESSING.transform(FRAME)
NAMES = FEATURES.matrix_names()


def predict(features):
    x = features.matrix().astype("float64")
    parts = {"much": 3, "word=a": 1, "code=w3": 0.5}
    return sum(x[:, NAMES.index(name)] * weight for name, weight in parts.items())


def score(y, t):
    return -numpy.mean((y - t) ** 2)


def test_it_is_the_fall_of_the_score_when_the_column_is_shuffled():
    falls = permutation_importance(predict, FEATURES, T, score, repeats=3, seed=6)
    assert set(falls) == set(FRAME)
    for name, values in FRAME.items():
        for step in range(3):
            order = permutation(80, seed=6, stream="importance", step=step)
            y = predict(PREPROCESSING.transform({**FRAME, name: values[order]}))
            assert falls[name][step] == score(predict(FEATURES), T) - score(y, T)


def test_the_most_important_comes_first_and_what_does_not_count_is_zero():
    falls = permutation_importance(predict, FEATURES, T, score)
    assert list(falls) == ["much", "word", "code", "none"]
    assert falls["none"].tolist() == [0.0] * 5


def test_it_is_about_that_of_scikit_learn():
    judge = pytest.importorskip("sklearn.inspection")
    linear = pytest.importorskip("sklearn.linear_model")
    x = numpy.stack([FRAME["much"], FRAME["none"]], axis=1)
    model = linear.LinearRegression().fit(x, T)
    features = Preprocessing(scaling="none").fit(x).transform(x)
    ours = permutation_importance(lambda f: model.predict(f.numeric), features, T, score, repeats=200)
    theirs = judge.permutation_importance(
        model, x, T, scoring="neg_mean_squared_error", n_repeats=200, random_state=0
    ).importances_mean
    # means of 200 orders, of which one varies by about a tenth of itself: five deviations
    numpy.testing.assert_allclose([ours["x0"].mean(), ours["x1"].mean()], theirs, rtol=0.05, atol=0.01)


def test_wrong_uses():
    for repeats in (0, 1.5, True):
        with pytest.raises(ValueError, match="repeats to be an integer of 1 or more"):
            permutation_importance(predict, FEATURES, T, score, repeats=repeats)
    with pytest.raises(ValueError, match="expected at least one row"):
        permutation_importance(predict, FEATURES.take(numpy.asarray([], dtype=int)), T[:0], score)
