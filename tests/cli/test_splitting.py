"""Three parts of the rows."""

import numpy
import pytest

from xpnn.cli.splitting import split


@pytest.mark.parametrize(("share", "expected"), [(0.2, [12, 6, 2, 0]), (0.5, [30, 15, 5, 0]), (0.9, [54, 27, 8, 0])])
def test_each_row_is_in_one_part_and_each_class_in_training(share, expected):
    classes = numpy.repeat([0, 1, 2, 3], [60, 30, 9, 1])
    parts = split(100, share=share, seed=3, classes=classes)
    places = [parts.training, parts.validation, parts.held_out]
    assert sorted(numpy.concatenate(places).tolist()) == list(range(100))
    assert all(len(part) for part in places)
    assert set(classes[parts.training]) == {0, 1, 2, 3}
    assert numpy.bincount(classes[parts.held_out], minlength=4).tolist() == expected


@pytest.mark.parametrize("each", [2, 3, 6])
def test_parts_of_many_small_classes_have_their_share(each):
    classes = numpy.repeat(numpy.arange(20), each)
    parts = split(len(classes), share=0.2, seed=0, classes=classes)
    assert len(parts.held_out) == len(classes) // 5
    assert abs(len(parts.validation) - (len(classes) - len(parts.held_out)) / 10) <= 1.5  # a class's last row stays
    assert set(classes[parts.training]) == set(range(20))


def test_parts_depend_on_the_seed_and_few_rows_choose_the_epoch_of_a_large_table():
    one, same, other = (split(200_000, share=0.25, seed=seed) for seed in (0, 0, 1))
    assert len(one.validation) == 10_000
    assert len(one.held_out) == 50_000
    assert numpy.array_equal(one.held_out, same.held_out)
    assert not numpy.array_equal(one.held_out, other.held_out)


@pytest.mark.parametrize("rows", [0, 9])
def test_too_few_rows_are_refused(rows):
    with pytest.raises(ValueError, match=f"{rows} rows with a target are too few"):
        split(rows, share=0.2, seed=0)
