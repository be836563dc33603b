"""Features: the joined matrix, its names, rows taken, the columns of one source permuted."""

import numpy
import pytest

from xpnn.tables import Preprocessing

FRAME = {"n": [1.0, None, 3.0, 4.0], "w": ["a", "b", "a", None], "v": ["x", "y", "z", "z"]}
FEATURES = Preprocessing(scaling="none", one_hot_up_to=0).fit(FRAME).transform(FRAME)


def test_the_matrix_has_a_column_for_each_level():
    assert FEATURES.matrix_names() == ("n", "n missing", "w=a", "w=b", "w missing", "v=z", "v=x", "v=y")
    expected = [
        [1, 0, 1, 0, 0, 0, 1, 0],
        [3, 1, 0, 1, 0, 0, 0, 1],
        [3, 0, 1, 0, 0, 1, 0, 0],
        [4, 0, 0, 0, 1, 1, 0, 0],
    ]
    assert FEATURES.matrix().tolist() == expected
    assert FEATURES.matrix().dtype == numpy.float32
    one_hot = Preprocessing(scaling="none", one_hot_up_to=9).fit(FRAME).transform(FRAME)
    assert one_hot.names == FEATURES.matrix_names()
    assert numpy.array_equal(one_hot.numeric, FEATURES.matrix())


def test_the_most_frequent_levels_only():
    assert FEATURES.matrix_names(most_levels=1) == ("n", "n missing", "w=a", "v=z")
    assert FEATURES.matrix(most_levels=1)[:, 2:].tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
    assert numpy.array_equal(FEATURES.matrix(most_levels=0), FEATURES.numeric)
    assert numpy.array_equal(FEATURES.matrix(most_levels=9), FEATURES.matrix())


def test_other_is_nothing_in_the_matrix():
    features = Preprocessing(one_hot_up_to=0).fit(FRAME).transform({"n": [1], "w": ["new"], "v": [None]})
    assert features.matrix()[:, 2:].tolist() == [[0] * 6]


def test_rows_taken():
    part = FEATURES.take(numpy.asarray([2, 0]))
    assert len(part) == 2
    assert numpy.array_equal(part.matrix(), FEATURES.matrix()[[2, 0]])


@pytest.mark.parametrize("one_hot_up_to", [0, 9])
@pytest.mark.parametrize("source", ["n", "w"])
def test_a_permuted_source_is_that_of_a_permuted_table(source, one_hot_up_to):
    preprocessing = Preprocessing(one_hot_up_to=one_hot_up_to).fit(FRAME)
    features = preprocessing.transform(FRAME)
    before = features.matrix()
    order = numpy.asarray([2, 3, 1, 0])
    permuted = features.permuted(source, order)
    expected = preprocessing.transform({**FRAME, source: [FRAME[source][place] for place in order]})
    assert numpy.array_equal(permuted.numeric, expected.numeric)
    assert numpy.array_equal(permuted.codes, expected.codes)
    assert not numpy.array_equal(permuted.matrix(), before)
    assert numpy.array_equal(features.matrix(), before)


def test_a_source_that_is_not_there():
    with pytest.raises(ValueError, match=r"no feature comes from a column 'q', only from \['n', 'w', 'v'\]"):
        FEATURES.permuted("q", numpy.arange(4))
