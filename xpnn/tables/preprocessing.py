"""From raw tables to what a network can take, learned from training rows and used on any."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy

from xpnn.tables.columns import Column, TableWarning
from xpnn.tables.encoders import CategoryEncoder, DateEncoder, Encoder, NumberEncoder, as_json, from_json
from xpnn.tables.features import Features
from xpnn.tables.finding import KINDS, Finding, found, seen_as, usual_least, without_use
from xpnn.tables.summary import described
from xpnn.tables.table import Table, listed, whatever_it_holds

__all__ = ["Preprocessing"]

_FORMAT = 1  # of what `state` gives; `from_state` reads this one and older ones
_SCALINGS = ("robust", "standard", "none")


class Preprocessing:
    """Learns from a table's training rows what becomes of each column, and then does it.

    `xpnn.tables` says what becomes of columns. Nothing is learned from rows that `fit` has not seen, so numbers
    measured on other rows are honest.

    Parameters
    ----------
    scaling
        Of numbers: "robust" (`robust_scale`, then `smooth_clip`), "standard" (mean 0, standard deviation 1) or "none".
    one_hot_up_to
        Categories of at most so many levels, missing being one, become columns of numbers; others become codes.
    rare_below
        A level in fewer rows than this is "other", and a column with fewer missing values has no column that says
        where. None: a row in 200, but never more than 10.
    most_levels
        The most frequent levels that a column may have; the rest is "other".
    kinds
        For columns by name, what they are: "number", "category", "boolean", "date" or "drop", of which values need
        not make sense.

    Attributes
    ----------
    messages : list of str
        After `fit`: what a person should know, about columns left out first of all.

    Raises
    ------
    ValueError
        If an option is none of these.

    Examples
    --------
    >>> frame = {"age": [20.0, 30.0, None, 40.0], "paid": [True, False, True, True]}
    >>> preprocessing = Preprocessing(scaling="standard").fit(frame)
    >>> features = preprocessing.transform(frame)
    >>> features.names
    ('age', 'age missing', 'paid=True')
    >>> features.numeric.round(2)
    array([[-1.22,  0.  ,  1.  ],
           [ 0.  ,  0.  , -1.  ],
           [ 0.  ,  1.  ,  1.  ],
           [ 1.22,  0.  ,  1.  ]], dtype=float32)
    >>> arrays, data = preprocessing.state()
    >>> Preprocessing.from_state(arrays, data).transform({"age": [25], "paid": ["false"]}).numeric.round(2)
    array([[-0.61,  0.  , -1.  ]], dtype=float32)
    """

    def __init__(
        self,
        *,
        scaling: str = "robust",
        one_hot_up_to: int = 9,
        rare_below: int | None = None,
        most_levels: int = 1000,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        if scaling not in _SCALINGS:
            raise ValueError(f"Preprocessing expected scaling to be one of {_SCALINGS}, got {scaling!r}")
        _require("one_hot_up_to", one_hot_up_to, 0)
        _require("most_levels", most_levels, 1)
        if rare_below is not None:
            _require("rare_below", rare_below, 1)
        for name, kind in (kinds or {}).items():
            if kind not in KINDS:
                raise ValueError(f"Preprocessing expected the kind of {name!r} to be one of {KINDS}, got {kind!r}")
        self.scaling, self.one_hot_up_to = scaling, one_hot_up_to
        self.rare_below, self.most_levels = rare_below, most_levels
        self.kinds: dict[str, str] = {str(name): kind for name, kind in (kinds or {}).items()}
        self.messages: list[str] = []
        self._encoders: list[Encoder] | None = None
        self._summary: list[dict[str, Any]] = []
        self._width: int | None = None  # of an array with two axes, whose columns have no names to go by

    def fit(self, frame: Any, *, exclude: Iterable[str] = (), sample_weight: Any = None) -> Preprocessing:
        """Learn from a frame, or `Table`, of training rows.

        Parameters
        ----------
        frame
            What `Table` takes.
        exclude
            Names of columns to leave out: the target, for one.
        sample_weight
            A positive number for each row: medians, quartiles, means and the order of levels are then those of rows
            that are repeated so often (`weighted_quantiles`). Weights of 1 give quartiles of that definition, too,
            None those of scikit-learn (`robust_scale`): close in large tables, not the same. What is
            rare is counted in rows all the same.

        Returns
        -------
        Preprocessing
            This one.

        Raises
        ------
        ValueError
            If there are no rows, no column that is of use, or a named column is not there.
        TypeError
            If a column's values are of kinds without a meaning here, or that differ.

        Warns
        -----
        TableWarning
            If a column is left out for what it holds, or seems not to be what was meant.
        """
        for warning in self._learn(frame, exclude, sample_weight):
            warnings.warn(warning, stacklevel=2)
        return self

    def _learn(self, frame: Any, exclude: Iterable[str] = (), sample_weight: Any = None) -> list[TableWarning]:
        """What `fit` does, but that its warnings are given, not shown: for callers who have their own to say."""
        table = Table(frame)
        excluded = [exclude] if isinstance(exclude, str) else list(map(str, exclude))
        for name in (*excluded, *self.kinds):
            if name not in table.names:
                raise ValueError(
                    f"the table has no column {name!r} (named in exclude or kinds): it has {listed(table.names)}"
                )
        if not len(table):
            raise ValueError("the table has no rows to learn from")
        weight = None if sample_weight is None else _weights(sample_weight, len(table))
        indicators: set[bytes] = set()
        asked = [name for name in table.names if name not in excluded]
        dropped = {name for name in asked if self.kinds.get(name) == "drop"}
        columns = [whatever_it_holds(table, name) if name in dropped else table.column(name) for name in asked]
        learned = [(column, *self._learned(column, indicators, weight)) for column in columns]
        messages = [finding.message for _, finding, _ in learned if finding.message]
        encoders = [encoder for _, _, encoder in learned if encoder is not None]
        if not encoders:
            none = f"it has none but {listed(excluded)}" if excluded else "it has none"
            raise ValueError(f"no column of the table is of use: {'; '.join(messages) or none}")
        self._encoders, self.messages = encoders, messages
        self._summary = [described(*each) for each in learned]
        self._width = len(table.names) if table.positional else None
        loud = [(column, finding) for column, finding, _ in learned if finding.message and not finding.quiet]
        return [TableWarning(finding.message, column.name) for column, finding in loud]

    def _learned(
        self, column: Column, indicators: set[bytes], weight: numpy.ndarray | None
    ) -> tuple[Finding, Encoder | None]:
        """What a column is, and its encoder if it is of use."""
        kind = self.kinds.get(column.name)
        finding = found(column) if kind is None else seen_as(kind, column)
        encoder = self._encoder(finding, indicators, weight)
        if encoder is None:
            return finding, None
        problem = without_use(encoder, finding.column, self._least(len(column)))
        if problem is None:
            return finding, encoder
        said = finding.message  # what may be why
        return (replace(problem, message=f"{problem.message}; {said}", quiet=finding.quiet) if said else problem), None

    def _encoder(self, finding: Finding, indicators: set[bytes], weight: numpy.ndarray | None) -> Encoder | None:
        column, least = finding.column, self._least(len(finding.column))
        if finding.kind in ("number", "date"):
            where = numpy.packbits(column.missing).tobytes()
            indicator = int(column.missing.sum()) >= least and where not in indicators
            if indicator:
                indicators.add(where)
            fitted = DateEncoder.fitted if finding.kind == "date" else NumberEncoder.fitted
            return fitted(column, self.scaling, indicator, sample_weight=weight)
        if finding.kind in ("category", "boolean"):
            options = {"most_levels": self.most_levels, "one_hot_up_to": self.one_hot_up_to}
            return CategoryEncoder.fitted(column, rare_below=least, sample_weight=weight, **options)
        return None

    def _least(self, count: int) -> int:
        return usual_least(count) if self.rare_below is None else self.rare_below

    def transform(self, frame: Any, *, dtype: str = "float32") -> Features:
        """The features of a frame, or `Table`, with the columns that training had; others are not looked at.

        Parameters
        ----------
        frame
            What `Table` takes.
        dtype
            Of `Features.numeric`: 'float32' or 'float64'.

        Raises
        ------
        ValueError
            If `dtype` is another, a column is not there, or a value cannot be what its column held in training: its row
            is named.
        TypeError
            If a column is of another kind than in training.
        RuntimeError
            If nothing has been learned.
        """
        encoders = self._fitted("transform")
        if dtype not in ("float32", "float64"):
            raise ValueError(f"transform expected dtype to be 'float32' or 'float64', got {dtype!r}")
        table = Table(frame)
        if table.positional and self._width is not None and len(table.names) != self._width:
            raise ValueError(f"transform expected {self._width} columns, as in training, got {len(table.names)}")
        lacking = [encoder.name for encoder in encoders if encoder.name not in table.names]
        if lacking:
            raise ValueError(
                f"the table lacks the columns {listed(lacking)}, which training had: it has {listed(table.names)}"
            )
        names = [(encoder.name, name) for encoder in encoders for name in encoder.outputs]
        coded = [e for e in encoders if isinstance(e, CategoryEncoder) and e.form == "codes"]
        numeric = numpy.empty((len(table), len(names)), dtype=dtype)
        codes = numpy.empty((len(table), len(coded)), dtype=numpy.int64)
        start = 0
        for encoder in encoders:
            for made in encoder.encode(table.column(encoder.name)):
                numeric[:, start] = made
                start += 1
        for place, encoder in enumerate(coded):
            codes[:, place] = encoder.codes(table.column(encoder.name))
        return Features(
            numeric,
            codes,
            categories=tuple(len(encoder.levels) + 1 for encoder in coded),
            names=tuple(name for _, name in names),
            sources=tuple(source for source, _ in names),
            code_names=tuple(encoder.name for encoder in coded),
            levels=tuple(encoder.levels for encoder in coded),
        )

    @property
    def columns(self) -> list[str]:
        """The columns that a table must have for `transform`, in the order of the training table."""
        return [encoder.name for encoder in self._fitted("columns")]

    def summary(self) -> list[dict[str, Any]]:
        """For each column that `fit` has seen what was found, as plain data for a page or a terminal.

        Each is a dict with the keys name, kind (as in `xpnn.tables`, or "dropped" or "rare"), stored (how it was;
        "unknown" of a column to drop whose values have no meaning here), rows, missing, different (how many values),
        outputs (the names of its columns of numbers), categories (of its column of codes, else 0) and message; numbers
        and dates have least, median and greatest besides, numbers infinite (how many), and other columns top, the most
        frequent levels as pairs of level and rows.

        Raises
        ------
        RuntimeError
            If nothing has been learned.
        """
        self._fitted("summary")
        return [dict(row) for row in self._summary]

    def state(self) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
        """All that was learned, as arrays by name and as JSON, for `xpnn.training.save`.

        Raises
        ------
        RuntimeError
            If nothing has been learned.
        """
        rows = [as_json(encoder) for encoder in self._fitted("state")]
        numbers = [row for some, _ in rows for row in some]
        options = {
            "scaling": self.scaling,
            "one_hot_up_to": self.one_hot_up_to,
            "rare_below": self.rare_below,
            "most_levels": self.most_levels,
            "kinds": self.kinds,
        }
        data = {"format": _FORMAT, "options": options, "encoders": [data for _, data in rows], "width": self._width}
        arrays = {"numbers": numpy.asarray(numbers, dtype=numpy.float64).reshape(len(numbers), 5)}
        return arrays, data | {"summary": self.summary(), "messages": list(self.messages)}

    @classmethod
    def from_state(cls, arrays: Mapping[str, Any], data: Mapping[str, Any]) -> Preprocessing:
        """The preprocessing of which `state` gave this.

        Raises
        ------
        ValueError
            If it is not such a state, or one of a newer version of xpnn.
        """
        require_format("Preprocessing", data, _FORMAT)
        try:
            made = cls(**data["options"])
            rows = iter(numpy.asarray(arrays["numbers"], dtype=numpy.float64).tolist())
            made._encoders = [from_json([] if e["encoder"] == "category" else next(rows), e) for e in data["encoders"]]
            made._width, made._summary = data["width"], [dict(row) for row in data["summary"]]
            made.messages = list(data["messages"])
        except (LookupError, TypeError, AttributeError, OverflowError, StopIteration) as error:
            raise ValueError(f"this is no state of Preprocessing: {error!r}") from error
        return made

    def _fitted(self, who: str) -> list[Encoder]:
        if self._encoders is None:
            raise RuntimeError(f"Preprocessing.{who} needs what fit learns: call fit(frame) first")
        return self._encoders


def require_format(who: str, data: Any, newest: int) -> None:
    """Raise unless `data` says that it is of a format this version can read."""
    number = data.get("format") if isinstance(data, Mapping) else None
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{who}.from_state expected what {who}.state gives, got {data!r:.80}")
    if number > newest:
        raise ValueError(f"this state of {who} has format {number}, newer than the {newest} of this xpnn: update xpnn")


def _weights(given: Any, rows: int) -> numpy.ndarray:
    weight = numpy.asarray(given, dtype=numpy.float64)
    if weight.shape != (rows,) or not (numpy.isfinite(weight) & (weight > 0)).all():
        raise ValueError(
            f"Preprocessing expected sample_weight as a positive number for each of {rows} rows, got shape "
            f"{weight.shape}" + (f" with {weight.min()}" if weight.size else "")
        )
    return weight


def _require(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"Preprocessing expected {name} to be an integer of {least} or more, got {value!r}")
