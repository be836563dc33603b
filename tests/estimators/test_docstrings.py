"""What an estimator takes and learns is in its docstring, which `help` shows."""

import inspect
import re
import warnings

import numpy
import pytest

from xpnn import estimators

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((40, 3))
Y = (X[:, 0] > 0).astype(int)
SHORT = {"random_state": 0, "early_stopping": True}
MADE = {
    "MLPClassifier": {"hidden_layer_sizes": (4,), "max_iter": 2, **SHORT},
    "MLPRegressor": {"hidden_layer_sizes": (4,), "max_iter": 2, **SHORT},
    "Classifier": {"max_epochs": 2, **SHORT},
    "Regressor": {"max_epochs": 2, **SHORT},
    "TabularClassifier": {"max_epochs": 2, "random_state": 0},
    "TabularRegressor": {"max_epochs": 2, "random_state": 0},
}
KINDS = pytest.mark.parametrize("name", MADE)


def names_in(kind, section):
    """The names that a section of a class's docstring begins paragraphs with."""
    lines = inspect.getdoc(kind).replace("\\\n", "").splitlines()
    start = lines.index(section) + 2
    ends = [n for n in range(start, len(lines)) if lines[n].startswith("---")]
    own = lines[start : ends[0] - 1 if ends else None]
    return [name for line in own if re.match(r"\w", line) for name in re.split(r",\s*", line)]


@KINDS
def test_each_parameter_is_there_and_no_other(name):
    kind = getattr(estimators, name)
    named = names_in(kind, "Parameters")
    assert sorted(named) == sorted(inspect.signature(kind).parameters)


@KINDS
def test_each_attribute_is_there(name):
    kind = getattr(estimators, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(**MADE[name]).fit(X, Y, X_val=X, y_val=Y)
    learned = {each for each in vars(model) if re.fullmatch(r"[a-z]\w*_", each)} | {"feature_names_in_"}
    assert learned - set(names_in(kind, "Attributes")) == set()


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_methods_have_docstrings(name, method):
    assert inspect.getdoc(getattr(getattr(estimators, name), method))
