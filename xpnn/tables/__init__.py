"""Raw tables for networks: what each column is, missing values, categories and dates as numbers, targets.

    table = Table(frame)                              # pandas, polars or PyArrow; a dict of columns; a 2-d array
    table = table.take(~table.column("price").missing)
    train, test = table.take(rows), table.take(others)

    target = Target(task="auto").fit(train.column("price"))
    preprocessing = Preprocessing(scaling="robust").fit(train, exclude=["price"])     # from training rows only

    features = preprocessing.transform(test)          # also of a frame, dict or array as it is
    features.numeric                                  # (n, p) float32: numbers, indicators, dates, one-hot columns
    features.codes, features.categories               # (n, c) int64, how many categories each has: for embeddings
    features.matrix()                                 # both as one float32 matrix, for a plain network
    t = target.transform(test.column("price"))        # (n, 1) float32; labels of several classes: (n,) int64
    target.inverse(y), target.probabilities(y)        # from a network's outputs, of which it needs target.outputs

    arrays, data = preprocessing.state()              # NumPy arrays and JSON, for `training.save`
    preprocessing = Preprocessing.from_state(arrays, data)
    preprocessing.summary(), preprocessing.messages   # what was found, for people

What becomes of a column. Its kind is found by what it holds, and `kinds={"zip": "category"}` says otherwise.

- number: the median in the place of a missing one, and a column that says where, if enough are missing; an infinite one
  counts as the largest or least number of training. Scaled, by default robustly (`robust_scale`), with smooth clipping.
- category (text, booleans, what the frame calls categorical): levels by how often they come, missing being one of them.
  Rare levels and those that training did not have are one more, "other", with code 0. Two levels make one column of -1
  and 1, up to `one_hot_up_to` one column of 0 and 1 each, "other" being 0 in all of them; more make a column of codes.
- date (or date and time; also as ISO 8601 text): days since 1970 as a number, and time of year, day of week and time of
  day as points on a circle (sine, cosine), each if it varies. The clock is that of the column: zones are left out.
- constant, empty, identifier and text (nearly each row its own): left out, with a `TableWarning` if that may surprise.

Errors and messages name the column, and the row counted from 0 in the frame first given, also after `take`.
"""

from xpnn.tables.columns import Column, TableWarning
from xpnn.tables.features import Features
from xpnn.tables.importance import permutation_importance
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.scaling import robust_scale, smooth_clip
from xpnn.tables.table import Table
from xpnn.tables.target import Target

__all__ = [
    "Column",
    "Features",
    "Preprocessing",
    "Table",
    "TableWarning",
    "Target",
    "permutation_importance",
    "robust_scale",
    "smooth_clip",
]
