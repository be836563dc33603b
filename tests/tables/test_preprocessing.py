"""Preprocessing of whole tables: the same from every library, from training rows only, bit-equal from its state."""

import datetime
import json

import numpy
import pytest
from table_frames import LIBRARIES, frame_of

from xpnn.tables import Preprocessing, Table, TableWarning
from xpnn.training import load, save

RNG = numpy.random.default_rng(11)
ROWS = 60


def holed(values, share=0.2):
    return [None if gone else value for value, gone in zip(values, RNG.random(ROWS) < share, strict=True)]


START = datetime.datetime(2019, 3, 1)
MIXED = {
    "age": holed(RNG.integers(20, 90, ROWS).tolist()),
    "income": holed(RNG.lognormal(8, 2, ROWS).tolist()),
    "town": holed(RNG.choice(["Bern", "Oslo", "Rome"], ROWS).tolist()),
    "street": holed([f"street {n}" for n in RNG.integers(0, 12, ROWS)]),
    "paid": holed([bool(n) for n in RNG.integers(0, 2, ROWS)]),
    "since": holed([START + datetime.timedelta(hours=int(n)) for n in RNG.integers(0, 9999, ROWS)]),
    "year": [2013] * ROWS,
    "y": RNG.standard_normal(ROWS).tolist(),
}


def fitted(frame=MIXED, **options):
    return Preprocessing(**options).fit(frame, exclude=["y"])


def equal(a, b):
    return (
        numpy.array_equal(a.numeric, b.numeric)
        and numpy.array_equal(a.codes, b.codes)
        and (a.names, a.sources, a.categories, a.code_names, a.levels)
        == (b.names, b.sources, b.categories, b.code_names, b.levels)
    )


@pytest.mark.parametrize("scaling", ["robust", "standard", "none"])
def test_shapes_dtypes_names_and_finite_numbers(scaling):
    features = fitted(scaling=scaling).transform(MIXED)
    assert features.numeric.dtype == numpy.float32
    assert features.codes.dtype == numpy.int64
    assert numpy.isfinite(features.numeric).all()
    assert features.numeric.shape == (ROWS, len(features.names)) == (ROWS, len(features.sources))
    assert features.names[:4] == ("age", "age missing", "income", "income missing")
    assert [name for name in features.names if name.startswith("since")] == [
        "since",
        "since missing",
        *(f"since {part} {way}" for part in ("time of year", "day of week", "time of day") for way in ("sin", "cos")),
    ]
    assert sum(name.startswith("town") for name in features.names) == 4
    assert sum(name.startswith("paid") for name in features.names) == 3
    assert features.code_names == ("street",)
    assert features.categories == (14,)  # 12, missing and other
    assert features.codes.max() == 13
    assert not any(name.startswith(("year", "y=")) for name in features.names)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_same_to_the_last_bit(library):
    frame = frame_of(library, MIXED)
    preprocessing = fitted(frame)
    expected = fitted()
    assert equal(preprocessing.transform(frame), expected.transform(MIXED))
    assert equal(preprocessing.transform(MIXED), expected.transform(frame))
    assert preprocessing.summary() == expected.summary()
    assert json.dumps(preprocessing.state()[1]) == json.dumps(expected.state()[1])


def test_a_state_in_a_file_gives_the_same_to_the_last_bit(tmp_path):
    preprocessing = fitted(scaling="robust", rare_below=2, kinds={"age": "number"})
    arrays, data = preprocessing.state()
    save(tmp_path / "table", arrays, data)
    again = Preprocessing.from_state(*load(tmp_path / "table"))
    assert equal(again.transform(MIXED), preprocessing.transform(MIXED))
    assert again.summary() == preprocessing.summary()
    assert again.messages == preprocessing.messages == ["column 'year' is left out: it is always 2013"]
    assert again.columns == preprocessing.columns == ["age", "income", "town", "street", "paid", "since"]
    assert (again.scaling, again.rare_below, again.kinds) == ("robust", 2, {"age": "number"})
    assert json.dumps(again.state()[1]) == json.dumps(data)


def test_other_rows_change_nothing_that_was_learned():
    table = Table(MIXED)
    part = Preprocessing().fit(table.take(numpy.arange(30)), exclude=["y"])
    alone = {name: values[:30] for name, values in MIXED.items()}
    assert json.dumps(part.state()[1]) == json.dumps(Preprocessing().fit(alone, exclude=["y"]).state()[1])
    whole = part.transform(table)
    for rows in ([3], [59, 0], range(40, 60)):
        assert equal(part.transform(table.take(list(rows))), whole.take(numpy.asarray(rows)))
    assert fitted().state()[1] != part.state()[1]


def test_order_and_number_of_other_columns_do_not_matter():
    preprocessing = fitted()
    turned = dict(reversed(MIXED.items())) | {"more": [[1]] * ROWS}
    assert equal(preprocessing.transform(turned), preprocessing.transform(MIXED))
    assert equal(preprocessing.transform({**MIXED, "y": [None] * ROWS}), preprocessing.transform(MIXED))


@pytest.mark.parametrize(("count", "least"), [(1000, 5), (9000, 10), (450, 2)])
def test_rare_below_is_one_row_in_200_and_at_most_ten(count, least):
    for often in (least - 1, least):
        words = ["a"] * 200 + ["b"] * (count - 200 - often) + ["c"] * often
        numbers = [None] * often + [n % 50 for n in range(count - often)]
        frame = {"w": words, "n": numbers}
        names = Preprocessing().fit(frame).transform(frame).names
        assert ("w=c" in names) is ("n missing" in names) is (often == least)


def test_columns_that_are_missing_together_have_one_indicator():
    frame = {"a": [1.0, None, 3.0, 4.0], "b": [5.0, None, 6.0, 9.0], "c": [None, 2.0, 1.0, 0.0]}
    assert Preprocessing().fit(frame).transform(frame).names == ("a", "a missing", "b", "c", "c missing")


def test_unseen_levels_are_other_and_rare_ones_have_taught_it():
    frame = {"w": ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + ["d", "e"]}
    preprocessing = Preprocessing(rare_below=3, one_hot_up_to=0).fit(frame)
    assert preprocessing.transform(frame).codes[:, 0].tolist() == [1] * 5 + [2] * 5 + [3] * 5 + [0, 0]
    assert preprocessing.transform({"w": ["new", None, "c"]}).codes[:, 0].tolist() == [0, 0, 3]
    assert Preprocessing(rare_below=3).fit(frame).transform({"w": ["new"]}).numeric.tolist() == [[0, 0, 0]]


def test_one_level_beside_rare_ones_is_worth_a_column():
    frame = {"w": ["a"] * 5 + ["b", "c"]}
    features = Preprocessing(rare_below=2).fit(frame).transform(frame)
    assert features.names == ("w=a",)
    assert features.numeric[:, 0].tolist() == [1] * 5 + [0, 0]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1] * 399 + [None], None, "where it is not missing it is always the same"),
        ([START] * 400, "date", "where it is not missing it is always the same"),
        ([5] * 400, "number", "where it is not missing it is always the same"),
        (["x"] * 399 + [None], None, "it is nearly always 'x'"),
        (["x"] * 399 + ["y"], None, "it is nearly always 'x'"),
        ([None] * 399 + ["y"], None, "it is nearly always missing"),
        ([True] * 399 + [False], None, "it is nearly always 'True'"),
    ],
)
def test_columns_that_hardly_vary_are_left_out(values, kind, message):
    frame = {"a": values, "n": [1, 2] * 200}
    preprocessing = Preprocessing(kinds={"a": kind} if kind else None).fit(frame)
    assert preprocessing.messages == [f"column 'a' is left out: {message}"]
    assert preprocessing.summary()[0]["kind"] == "constant"
    assert preprocessing.columns == ["n"]


def test_names_need_not_be_text():
    frame = {0: [1.0, 2.0], 1: [3.0, 4.0], 2: ["1", "2"]}
    preprocessing = Preprocessing(kinds={2: "number"}).fit(frame, exclude=[0])
    assert preprocessing.columns == ["1", "2"]
    assert Table(frame).column(1).values.tolist() == [3, 4]


def test_a_column_of_rare_levels_only_is_left_out():
    frame = {"w": ["a", "b", "c", "d"], "n": [1, 2, 3, 3]}
    message = "column 'w' is left out: no level of it comes often enough, 2 times: join"
    with pytest.warns(TableWarning, match=message) as caught:
        preprocessing = Preprocessing(rare_below=2).fit(frame)
    assert caught[0].message.column == "w"
    assert caught[0].filename == __file__
    assert preprocessing.transform(frame).names == ("n",)
    assert preprocessing.summary()[0]["kind"] == "rare"


def test_whole_numbers_that_float64_takes_for_one_are_said_to_be_there_also_as_numbers_by_wish():
    frame = {"key": [2**60 + n for n in range(40)], "n": [1, 2, 4, 8] * 10}
    words = {**frame, "key": list(map(str, frame["key"]))}
    message = r"column 'key' is left out: .* holds whole numbers of 2\*\*53 or more, as in row 0"
    for given, kinds in ((frame, None), (frame, {"key": "number"}), (words, {"key": "number"})):
        with pytest.warns(TableWarning, match=message):
            preprocessing = Preprocessing(kinds=kinds).fit(given)
        assert preprocessing.summary()[0]["kind"] == "constant"


def test_messages_are_warnings_too_unless_they_are_no_surprise():
    frame = {"id": [f"u{n}" for n in range(40)], "same": [1] * 40, "n": [1, 2, 4, 8] * 10, "none": [None] * 40}
    with pytest.warns(TableWarning) as caught:
        preprocessing = Preprocessing(kinds={"n": "number"}).fit(frame)
    assert [warning.message.column for warning in caught] == ["id", "none"]
    assert [message.split("'")[1] for message in preprocessing.messages] == ["id", "same", "none"]
    assert Preprocessing(kinds={"id": "drop", "none": "drop"}).fit(frame).columns == ["n"]


def test_kinds_that_are_asked_for():
    frame = {"zip": ["8000", "9000", "8000"], "code": [3, 1, 3], "flag": [0, 1, 1]}
    kinds = {"zip": "number", "code": "category", "flag": "boolean"}
    preprocessing = Preprocessing(scaling="none", kinds=kinds).fit(frame)
    features = preprocessing.transform(frame)
    assert features.names == ("zip", "code=3", "flag=True")
    assert features.numeric.tolist() == [[8000, 1, -1], [9000, -1, 1], [8000, 1, 1]]


LARGE = 2**53


@pytest.mark.parametrize("library", ["numpy", *LIBRARIES])
def test_labels_that_are_whole_numbers_are_told_apart_or_refused(library):
    def frame(values):
        return {"id": numpy.asarray(values)} if library == "numpy" else frame_of(library, {"id": values})

    def as_categories(values):
        return Preprocessing(kinds={"id": "category"}, rare_below=1).fit(frame(values)).transform(frame(values))

    assert as_categories([LARGE - 1, LARGE - 2] * 20).numeric[:2, 0].tolist() == [1, -1]
    with pytest.raises(ValueError, match=r"column 'id' holds whole numbers of 2\^53 or more: .* \(first in row 1\)"):
        as_categories([5, LARGE, LARGE + 1] * 20)
    assert as_categories([str(LARGE), str(LARGE + 1)] * 20).numeric[:2, 0].tolist() == [-1, 1]
    fitted = Preprocessing(kinds={"id": "category"}).fit(frame([str(LARGE), str(LARGE + 1)] * 20))
    with pytest.raises(ValueError, match="give labels as text"):
        fitted.transform(frame([LARGE]))
    with pytest.warns(TableWarning, match=r"whole numbers of 2\*\*53 or more, as in row 0"):  # it may be the next one
        assert Preprocessing(scaling="none").fit(frame([LARGE, 0])).transform(frame([LARGE])).numeric == LARGE


def test_an_array_with_two_axes():
    x = numpy.asarray([[1.0, 5.0, numpy.nan], [2.0, 5.0, 1.0], [3.0, 5.0, 3.0]], dtype="float32")
    preprocessing = Preprocessing(scaling="none").fit(x)
    assert preprocessing.transform(x).names == ("x0", "x2", "x2 missing")
    assert preprocessing.transform(x[:1]).numeric.tolist() == [[1, 2, 1]]
    again = Preprocessing.from_state(*preprocessing.state())
    with pytest.raises(ValueError, match="transform expected 3 columns, as in training, got 2"):
        again.transform(x[:, 1:])


def test_no_rows_to_transform():
    empty = {name: [] for name in MIXED}
    features = fitted().transform(empty)
    assert features.matrix().shape == (0, len(features.matrix_names()))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({}, "the table has no rows"),
        ({"a": []}, "the table has no rows"),
        ({"a": [1, 1], "b": ["x", "x"]}, "no column of the table is of use: column 'a' .* always 1; column 'b' .* 'x'"),
        (numpy.zeros((3, 0)), "no column of the table is of use: it has none$"),
    ],
)
def test_tables_of_which_nothing_can_be_learned(frame, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing().fit(frame)


def test_a_fit_that_fails_changes_nothing():
    preprocessing = fitted()
    before = json.dumps(preprocessing.state()[1])
    for frame in ({"a": [1, 1]}, {"a": [1, 2], "b": ["x", 1]}):
        with pytest.raises((ValueError, TypeError)):
            preprocessing.fit(frame)
    assert json.dumps(preprocessing.state()[1]) == before


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"age": ["30"] * 59 + ["old"]}, ValueError, "column 'age' expected a number, got 'old' in row 59"),
        ({"age": [START] * 60}, TypeError, "column 'age' expected numbers, got dates"),
        ({"since": [1] * 60}, TypeError, "column 'since' expected dates, got numbers, in row 0 1"),
        ({"since": ["2020-01-01"] * 59 + ["?"]}, ValueError, "column 'since' expected a date .* got '\\?' in row 59"),
        ({"paid": [True] * 59 + [None]}, None, ""),
        ({"paid": ["no"] * 60}, ValueError, "column 'paid' expected true or false, got 'no' in row 0 and 59 more"),
        ({"town": ["x"] * 59 + [1]}, TypeError, r"column 'town' holds text in row 0 \('x'\) and a number in row 59"),
        ({"town": [7] * 60}, None, ""),
    ],
)
def test_new_data_of_another_kind(changed, error, message):
    preprocessing = fitted()
    if error is None:
        assert len(preprocessing.transform(MIXED | changed)) == ROWS
        return
    with pytest.raises(error, match=message):
        preprocessing.transform(MIXED | changed)


def test_columns_that_are_not_there():
    preprocessing = fitted()
    with pytest.raises(ValueError, match=r"lacks the columns 'age', 'town', which training had: it has 'income'"):
        preprocessing.transform({name: values for name, values in MIXED.items() if name not in ("age", "town")})
    for options, arguments in (({}, {"exclude": ["z"]}), ({"kinds": {"z": "drop"}}, {}), ({}, {"exclude": "z"})):
        with pytest.raises(ValueError, match=r"the table has no column 'z' \(named in exclude or kinds\)"):
            Preprocessing(**options).fit(MIXED, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": "minmax"}, r"scaling to be one of \('robust', 'standard', 'none'\), got 'minmax'"),
        ({"one_hot_up_to": -1}, "one_hot_up_to to be an integer of 0 or more, got -1"),
        ({"most_levels": 0}, "most_levels to be an integer of 1 or more, got 0"),
        ({"rare_below": 0.5}, "rare_below to be an integer of 1 or more, got 0.5"),
        ({"kinds": {"a": "float"}}, "the kind of 'a' to be one of .*, got 'float'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**options)


def test_what_needs_fit_says_so():
    preprocessing = Preprocessing()
    for name in ("summary", "state"):
        with pytest.raises(RuntimeError, match=rf"Preprocessing\.{name} needs what fit learns"):
            getattr(preprocessing, name)()
    with pytest.raises(RuntimeError, match=r"Preprocessing\.transform needs what fit learns"):
        preprocessing.transform(MIXED)
    with pytest.raises(RuntimeError, match=r"Preprocessing\.columns needs what fit learns"):
        _ = preprocessing.columns


def test_states_that_cannot_be_read():
    arrays, data = fitted().state()
    with pytest.raises(ValueError, match="has format 2, newer than the 1 of this xpnn: update xpnn"):
        Preprocessing.from_state(arrays, data | {"format": 2})
    for wrong in ({}, {"format": "x"}, [], None):
        with pytest.raises(ValueError, match=r"from_state expected what Preprocessing\.state gives"):
            Preprocessing.from_state(arrays, wrong)
    for key in data.keys() - {"format"}:
        with pytest.raises(ValueError, match="this is no state of Preprocessing"):
            Preprocessing.from_state(arrays, {name: value for name, value in data.items() if name != key})
    for numbers in (numpy.zeros((0, 5)), numpy.zeros((3, 2)), numpy.zeros(4)):
        with pytest.raises(ValueError, match="this is no state of Preprocessing"):
            Preprocessing.from_state({"numbers": numbers}, data)


def test_whole_weights_are_repeated_rows():
    generator = numpy.random.default_rng(0)
    frame = {
        "number": numpy.where(generator.random(60) < 0.2, numpy.nan, generator.standard_t(2, 60)),
        "word": generator.choice(["a", "b", "c"], 60),
        "date": numpy.datetime64("2020-01-01") + generator.integers(0, 900, 60),
    }
    times = generator.integers(1, 4, 60)
    repeated = {name: numpy.repeat(values, times) for name, values in frame.items()}
    weighted = Preprocessing().fit(frame, sample_weight=times).transform(frame, dtype="float64")
    other = Preprocessing().fit(repeated, sample_weight=numpy.ones(times.sum())).transform(frame, dtype="float64")
    assert weighted.names == other.names
    assert weighted.numeric.dtype == weighted.matrix().dtype == numpy.float64
    numpy.testing.assert_allclose(weighted.numeric, other.numeric, rtol=1e-12)
    unweighted = Preprocessing().fit(frame).transform(frame)
    assert abs(weighted.numeric - unweighted.numeric).max() > 0.01


@pytest.mark.parametrize("weight", [[1.0, 2.0], [1.0, 0.0, 1.0], [1.0, numpy.nan, 1.0]])
def test_weights_that_are_none(weight):
    with pytest.raises(ValueError, match="expected sample_weight as a positive number for each of 3 rows"):
        Preprocessing().fit({"x": [1.0, 2.0, 4.0]}, sample_weight=weight)


def test_no_other_dtype():
    preprocessing = Preprocessing().fit({"x": [1.0, 2.0, 4.0]})
    with pytest.raises(ValueError, match="expected dtype to be 'float32' or 'float64', got 'int64'"):
        preprocessing.transform({"x": [1.0]}, dtype="int64")


def test_a_column_to_drop_need_not_make_sense():
    frame = {
        "n": [1, 2, 4],
        "sets": numpy.asarray([{1}, {2}, {3}], dtype=object),
        "mixed": [1, "a", None],
        "no": [1, None, 3],
    }
    preprocessing = Preprocessing(kinds=dict.fromkeys(("sets", "mixed", "no"), "drop")).fit(frame)
    assert preprocessing.transform({"n": [1]}).names == ("n",)
    lines = {line["name"]: line for line in preprocessing.summary()}
    assert [(line["kind"], line["stored"], line["missing"]) for line in lines.values()] == [
        ("number", "number", 0),
        ("dropped", "unknown", 0),
        ("dropped", "unknown", 0),
        ("dropped", "number", 1),
    ]
    with pytest.raises(TypeError, match=r"column 'sets' expected numbers, .* or leave it out"):
        Preprocessing(kinds={"mixed": "drop"}).fit(frame)
