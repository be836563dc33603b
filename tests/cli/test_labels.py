"""Labels that may be mistakes."""

import pytest

from xpnn.cli.labels import notes_on_labels
from xpnn.tables.reading import column_of
from xpnn.tables.target import Target


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", "b", "a", "b"], []),
        ([1, 2, 3] * 5, []),
        ([1, 2] * 10 + [3], ["target 'y' has 3 only once, in row 20"]),
        (["a", "b"] * 3 + [" A ", " A "], ["target 'y' has ' A ' in 2 rows, the first row 6: is it 'a'?"]),
        ([0.5 * n for n in range(30)], []),
    ],
)
def test_labels_that_may_be_mistakes_are_named(labels, said):
    column = column_of(labels, name="y")
    assert notes_on_labels(Target().fit(column), column) == said


def test_many_notes_are_cut():
    column = column_of(["a", "a", "b", "b", "b", *"cdefgh"], name="y")
    notes = notes_on_labels(Target().fit(column), column)
    assert len(notes) == 4
    assert notes[-1] == "so it is with 3 more labels of target 'y'"
