"""What the tabular estimators refuse, by name."""

import numpy
import pandas
import pytest

from xpnn.estimators import TabularClassifier, TabularRegressor

X = pandas.DataFrame({"a": numpy.arange(40.0), "b": numpy.arange(40) % 3})
NUMBERS = numpy.arange(40.0)
LABELS = numpy.where(NUMBERS > 20, "more", "less")


def test_targets_held_out_are_bounded_as_those_of_training():
    with pytest.raises(ValueError, match=r"^y expected targets between"):
        TabularRegressor(max_epochs=1).fit(X, NUMBERS * 1e200)
    with pytest.raises(ValueError, match=r"^y_val: y expected targets between"):
        TabularRegressor(max_epochs=1).fit(X, NUMBERS, X_val=X, y_val=NUMBERS * 1e200)


def test_unknown_classes_held_out_are_said_to_be_there():
    with pytest.raises(ValueError, match=r"^y_val: .*other"):
        TabularClassifier(max_epochs=1).fit(X, LABELS, X_val=X[:2], y_val=["less", "other"])


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_a_dictionary_of_columns_is_no_frame(kind):
    with pytest.raises(TypeError, match=r"^expected a frame or rows, got a dict"):
        kind(max_epochs=1).fit({"a": NUMBERS}, NUMBERS > 20)


def test_truth_is_no_number_of_a_column():
    with pytest.raises(ValueError, match="kinds names columns that X does not have"):
        TabularRegressor(max_epochs=1, kinds={True: "drop"}).fit(X, NUMBERS)
