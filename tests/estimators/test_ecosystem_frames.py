"""Tables of pandas and polars through columns' own preparations, names of columns, and `set_output`."""

import warnings

import numpy
import pytest
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((120, 3))
KIND = RNG.choice(["cat", "dog", "eel"], 120)
Y = numpy.where((X[:, 0] > 0) ^ (KIND == "eel"), "yes", "no")
SHORT = {"hidden_layer_sizes": (16,), "max_iter": 150, "learning_rate_init": 0.02, "random_state": 0}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.fixture(params=["pandas", "polars"])
def frame(request):
    library = pytest.importorskip(request.param)

    def made(rows, names="abc"):
        return library.DataFrame(dict(zip(names, numpy.asarray(rows).T, strict=True)))

    if not hasattr(StandardScaler().fit(made(X)), "feature_names_in_"):
        pytest.skip(f"this scikit-learn does not see the names of {request.param}'s columns")
    return made


def test_columns_are_prepared_each_in_its_way():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": X[:, 0], "noise": X[:, 1], "kind": KIND})
    table.loc[::17, "noise"] = numpy.nan
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["x", "noise"]),
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
    )
    model = make_pipeline(prepared, MLPClassifier(**SHORT)).fit(table, pandas.Series(Y))
    assert model.score(table, Y) > 0.95
    assert set(model.predict(table)) == {"no", "yes"}
    search = GridSearchCV(model, {"mlpclassifier__alpha": [1e-4, 300.0]}, cv=2).fit(table, Y)
    assert search.best_params_ == {"mlpclassifier__alpha": 1e-4}


def test_a_table_predicts_as_its_array_does(frame):
    model = MLPClassifier(**SHORT).fit(frame(X), Y)
    plain = MLPClassifier(**SHORT).fit(X, Y)
    numpy.testing.assert_array_equal(model.predict_proba(frame(X)), plain.predict_proba(X))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert not hasattr(plain, "feature_names_in_")


def test_other_columns_are_refused_and_named(frame):
    model = MLPRegressor(**SHORT).fit(frame(X), X[:, 1])
    with pytest.raises(ValueError, match=r"feature names should match(.|\n)*- z\n"):
        model.predict(frame(X, "abz"))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(frame(X, "bac"))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but MLPRegressor was fitted with"):
        model.predict(X)


def test_an_array_first_and_a_table_then_is_a_warning(frame):
    model = MLPRegressor(**SHORT).fit(X, X[:, 1])
    with pytest.warns(UserWarning, match="X has feature names, but MLPRegressor was fitted without feature names"):
        model.predict(frame(X))


@pytest.mark.parametrize("monitor", ["loss", "score", get_scorer("accuracy")], ids=str)
def test_held_out_rows_of_a_table_are_no_reason_to_warn(frame, monitor):
    """A scorer predicts from what is held out, which has no names any more."""
    MLPClassifier(**{**SHORT, "max_iter": 3}, early_stopping=True, monitor=monitor).fit(frame(X), Y)
    given = {"X_val": frame(X), "y_val": Y}
    MLPClassifier(**{**SHORT, "max_iter": 3}, early_stopping=True, monitor=monitor).fit(frame(X), Y, **given)


def test_names_stay_over_partial_fits(frame):
    model = MLPRegressor(**SHORT).partial_fit(frame(X), X[:, 1]).partial_fit(frame(X), X[:, 1])
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame(X, "abz"), X[:, 1])


def test_scaled_tables_stay_tables_on_the_way(frame):
    """With `set_output` the scaler gives a table, whose names reach the network."""
    library = type(frame(X)).__module__.partition(".")[0]
    model = make_pipeline(StandardScaler(), MLPClassifier(**SHORT)).set_output(transform=library).fit(frame(X), Y)
    assert list(model[-1].feature_names_in_) == ["a", "b", "c"]
    assert list(model[:-1].get_feature_names_out()) == ["a", "b", "c"]
    plain = make_pipeline(StandardScaler(), MLPClassifier(**SHORT)).fit(X, Y)
    # columns that lie one after the other in memory are summed in another order
    numpy.testing.assert_allclose(model.predict_proba(frame(X)), plain.predict_proba(X), rtol=1e-10)


def test_targets_and_weights_may_be_columns():
    pandas = pytest.importorskip("pandas")
    weights = RNG.uniform(0.5, 2, 120)
    column = MLPRegressor(**SHORT).fit(X, pandas.Series(X[:, 1], index=range(7, 127)), pandas.Series(weights))
    numpy.testing.assert_array_equal(column.predict(X), MLPRegressor(**SHORT).fit(X, X[:, 1], weights).predict(X))


@pytest.mark.parametrize(
    "questions", [(KIND, Y), (numpy.arange(120) % 3, numpy.arange(120) % 2)], ids=["words", "numbers"]
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(
    "kind", [Classifier(max_epochs=2), MLPClassifier(max_iter=2)], ids=lambda kind: type(kind).__name__
)
def test_answers_to_several_questions_may_be_a_table(kind, library, questions):
    table = pytest.importorskip(library).DataFrame(dict(zip("pq", questions, strict=True)))
    model = kind.fit(X, table)
    right = (model.predict(X) == numpy.stack(questions, axis=1)).all(axis=1)
    assert model.score(X, table) == right.mean()


@pytest.mark.parametrize("kind", [Classifier, Regressor, MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("more", [{}, {"x": numpy.arange(20.0)}])
def test_dates_are_no_numbers(kind, library, more):
    dates = numpy.arange("2020-01-01", "2020-01-21", dtype="datetime64[D]").astype("datetime64[us]")
    frame = pytest.importorskip(library).DataFrame({"d": dates, **more})
    with pytest.raises(TypeError, match=r"^column 'd' of X expected numbers, got dates"):
        kind().fit(frame, numpy.arange(20) % 2)
    with pytest.raises(TypeError, match=r"^X expected numbers, got dates"):
        kind().fit(dates[:, None], numpy.arange(20) % 2)
