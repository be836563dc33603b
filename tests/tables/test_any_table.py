"""Tables that nobody thought of: whatever columns hold, features are finite, and the same again from a state."""

import json
import warnings
from datetime import datetime

import numpy
import pytest

from xpnn.tables import Preprocessing, Table, TableWarning

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

ROWS = 12
WORDS = st.text(max_size=4) | st.sampled_from(["1", "2.5", "2020-02-29", "true", "nan", "inf", "", " "])
DATES = st.datetimes(min_value=datetime(1, 1, 1))
KINDS = [st.floats(), st.integers(-(2**70), 2**70), st.booleans(), WORDS, DATES]
COLUMN = st.sampled_from(KINDS).flatmap(lambda kind: st.lists(st.none() | kind, min_size=ROWS, max_size=ROWS))
OPTIONS = st.fixed_dictionaries(
    {
        "scaling": st.sampled_from(["robust", "standard", "none"]),
        "one_hot_up_to": st.integers(0, 5),
        "rare_below": st.integers(1, 3),
        "most_levels": st.integers(1, 6),
    }
)


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)
@hypothesis.given(columns=st.lists(COLUMN, min_size=1, max_size=3), options=OPTIONS)
def test_features_are_finite_and_the_same_from_a_state(columns, options):
    table = Table({f"c{n}": values for n, values in enumerate(columns)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        try:
            preprocessing = Preprocessing(**options).fit(table)
        except ValueError as error:
            assert "no column of the table is of use" in str(error)  # noqa: PT017
            return
    features = preprocessing.transform(table)
    assert numpy.isfinite(features.numeric).all()
    assert features.numeric.shape == (ROWS, len(features.names))
    assert len(set(features.names)) == len(features.names)
    assert (features.codes >= 0).all()
    assert (features.codes < numpy.asarray(features.categories, dtype=int)).all()
    arrays, data = preprocessing.state()
    again = Preprocessing.from_state(arrays, json.loads(json.dumps(data, allow_nan=False))).transform(table)
    assert numpy.array_equal(again.numeric, features.numeric)
    assert numpy.array_equal(again.codes, features.codes)
    assert again.matrix_names() == features.matrix_names()
