"""Real tables through pandas and polars: the same to the last bit, no warnings, and what is known of their columns."""

import json

import numpy
import pytest
from table_frames import real_table

from xpnn.tables import Preprocessing, Table, Target

TARGETS = {
    "credit_data": ("Status", "binary"),
    "diamonds": ("price", "regression"),
    "flights": ("arr_delay", "regression"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_two_libraries_give_the_same_to_the_last_bit(name):
    column, task = TARGETS[name]
    made = []
    for library in ("pandas", "polars"):
        table = Table(real_table(library, name))
        table = table.take(~table.column(column).missing)
        target = Target().fit(table.column(column))
        assert target.task == task
        preprocessing = Preprocessing().fit(table, exclude=[column])
        features = preprocessing.transform(table)
        assert numpy.isfinite(features.numeric).all()
        made.append((features, json.dumps(preprocessing.state()[1]), target.transform(table.column(column))))
    (one, state, t), (other, other_state, other_t) = made
    assert numpy.array_equal(one.numeric, other.numeric)
    assert numpy.array_equal(one.codes, other.codes)
    assert state == other_state
    assert numpy.array_equal(t, other_t)


def test_flights():
    """Text that is dates, a year that is always the same, tail numbers of which some are missing."""
    table = Table(real_table("polars", "flights"))
    preprocessing = Preprocessing(most_levels=500).fit(table, exclude=["arr_delay"])
    kinds = {line["name"]: line["kind"] for line in preprocessing.summary()}
    assert (kinds["time_hour"], kinds["tailnum"], kinds["year"]) == ("date", "category", "constant")
    assert preprocessing.messages == [f"column {name!r} is left out: it is always {v}" for name, v in CONSTANT.items()]
    features = preprocessing.transform(table.take(numpy.arange(1000)))
    assert features.code_names == ("carrier", "tailnum", "dest")
    assert features.categories[1] == 501
    assert None in features.levels[1]
    with pytest.raises(ValueError, match="target 'arr_delay' is missing in 233 of 20000 rows, first in row 471: leave"):
        Target().fit(table.column("arr_delay"))


CONSTANT = {"year": 2013, "month": 1}  # of January
