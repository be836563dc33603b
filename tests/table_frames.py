"""The same columns as frames of each library, and the real tables beside the project."""

import os
from pathlib import Path

import pytest

LIBRARIES = ["dict", "pandas", "polars", "pyarrow"]
TABLES = Path(os.environ.get("XPNN_TABLES", Path(__file__).parents[2] / "shared" / "data"))


def frame_of(library, columns):
    """The columns, lists by name, as a frame of the library."""
    if library == "dict":
        return dict(columns)
    pytest.importorskip("narwhals")
    module = pytest.importorskip(library)
    if library == "pandas":
        # whole numbers with holes stay whole numbers, as polars and PyArrow have them
        frame = module.DataFrame(columns)
        numbers = {
            name: "Int64"
            for name, values in columns.items()
            if None in list(values) and all(type(value) in (int, type(None)) for value in values)
        }
        return frame.astype(numbers)
    return module.DataFrame(columns) if library == "polars" else module.table(columns)


def real_table(library, name, *, rows=20_000):
    """The first rows of a real table, from a compressed CSV by the library; without the file the test is skipped."""
    path = TABLES / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"no table {path.name} beside the project, in ../shared/data or the folder that XPNN_TABLES names")
    pytest.importorskip("narwhals")
    limit = {"pandas": "nrows", "polars": "n_rows"}[library]
    return pytest.importorskip(library).read_csv(path, **{limit: rows})
