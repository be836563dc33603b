"""Dates and times are no numbers, in whatever they come: all of it is refused in words, numbers are not."""

import datetime
from decimal import Decimal

import numpy
import pytest
from scipy import sparse

from xpnn import nn
from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor
from xpnn.estimators.times import require_no_dates

NUMBERS = numpy.arange(20.0)
DATES = numpy.datetime64("2020-01-01", "us") + NUMBERS.astype("timedelta64[D]")
DAYS = [one.date() for one in DATES.tolist()]
HOURS = [datetime.time(int(n)) for n in NUMBERS]
SPANS = [datetime.timedelta(hours=n) for n in NUMBERS]
COLUMNS = {"date": DAYS, "stamp": DATES.tolist(), "time": HOURS, "span": SPANS}


@pytest.mark.parametrize("more", [{}, {"b": NUMBERS}], ids=["alone", "beside"])
@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("library", ["pandas", "arrow", "polars", "pyarrow", "objects"])
def test_columns_of_frames_are_named(library, kind, more):
    module = pytest.importorskip({"arrow": "pandas", "objects": "pandas"}.get(library, library))
    columns = {"d": COLUMNS[kind], **more}
    if library == "arrow":
        arrow = pytest.importorskip("pyarrow")
        values = module.Series(COLUMNS[kind], dtype=module.ArrowDtype(arrow.array(COLUMNS[kind]).type))
        frame = module.DataFrame({**columns, "d": values})
    elif library == "objects":
        frame = module.DataFrame({**columns, "d": numpy.asarray([*COLUMNS[kind]], dtype=object)}, dtype=object)
    else:
        frame = (module.table if library == "pyarrow" else module.DataFrame)(columns)
    for model in (MLPClassifier(max_iter=1), MLPRegressor(max_iter=1), Classifier(), Regressor()):
        with pytest.raises(TypeError, match=r"^column 'd' of X expected numbers, got dates \("):
            model.fit(frame, NUMBERS > 9)


def test_categories_that_are_dates_are_no_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"d": pandas.Categorical(DATES), "n": pandas.Categorical(NUMBERS)})
    with pytest.raises(TypeError, match=r"^column 'd' of X expected numbers, got dates \(datetime64"):
        MLPRegressor(max_iter=1).fit(frame, NUMBERS)
    require_no_dates(frame[["n"]])


@pytest.mark.parametrize(
    "rows",
    [
        DATES[:, None], DATES[:, None].astype(object), (DATES - DATES[0])[:, None], [[day, 1.0] for day in DAYS],
        [[day] for day in DATES], tuple((day,) for day in HOURS), list(DATES[:, None]),
        numpy.asarray([[day] for day in [*DATES]] + [[None]], dtype=object)[:20],
    ],
    ids=["dates", "objects", "spans", "lists", "scalars", "tuples", "arrays", "objects of NumPy"],
)  # fmt: skip
def test_arrays_and_rows(rows):
    for model in (MLPRegressor(max_iter=1), Regressor(max_epochs=1)):
        with pytest.raises(TypeError, match=r"^X expected numbers, got dates \("):
            model.fit(rows, NUMBERS)


def test_images_of_dates_and_several_inputs():
    images = numpy.broadcast_to(DATES[:, None, None], (20, 2, 2))
    flat = {"module": lambda n_outputs: nn.Sequential(nn.Flatten(), nn.Linear(4, n_outputs)), "max_epochs": 1}
    with pytest.raises(TypeError, match=r"^X expected numbers, got dates"):
        Regressor(**flat).fit(images, NUMBERS)
    good = NUMBERS[:, None]
    with pytest.raises(TypeError, match=r"^X\['b'\] expected numbers, got dates"):
        Regressor(**flat).fit({"a": good, "b": DATES[:, None]}, NUMBERS)
    with pytest.raises(TypeError, match=r"^X\[1\] expected numbers, got dates"):
        Regressor(**flat).fit((good, DATES[:, None]), NUMBERS)


def test_in_predict_and_of_rows_held_out():
    model = MLPRegressor(max_iter=1, early_stopping=True)
    with pytest.raises(TypeError, match=r"^X_val: .* got dates"):
        model.fit(NUMBERS[:, None], NUMBERS, X_val=[[day] for day in DAYS], y_val=NUMBERS)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        MLPRegressor(max_iter=1).fit(NUMBERS[:, None], NUMBERS)
    fitted = Regressor(max_epochs=1).fit(NUMBERS[:, None], NUMBERS)
    with pytest.raises(TypeError, match=r"^X expected numbers, got dates"):
        fitted.predict([[day] for day in DAYS])


def test_numbers_of_all_kinds_are_taken(elsewhere):
    pandas = pytest.importorskip("pandas")
    table = NUMBERS[:, None]
    frame = pandas.DataFrame({"timely": [Decimal(1)], "date": [True], "n": [None], "t": [pandas.NaT]}, dtype=object)
    for rows in (
        table,
        table.tolist(),
        tuple(map(tuple, table.tolist())),
        list(table),
        [],
        table.astype(object),
        frame,
    ):
        require_no_dates(rows)
    for rows in (sparse.csr_matrix(table), sparse.dok_matrix(table), {"date": table}, (table, table), None, "dates"):
        require_no_dates(rows)
    require_no_dates(elsewhere.asarray(table))
