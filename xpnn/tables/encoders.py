"""How one column becomes columns of numbers or codes: what was learned from training rows, and its use.

An encoder is plain data, so that it can be written down as JSON and read back. `NumberEncoder` is fitted from a
column; so are `DateEncoder`, whose days are such numbers, and `CategoryEncoder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from xpnn.tables.columns import BOOLEANS, Column
from xpnn.tables.converting import as_booleans, as_dates, as_numbers, as_text
from xpnn.tables.features import level_name
from xpnn.tables.levels import places_of
from xpnn.tables.scaling import scale_for, smooth_clip, weighted_quantiles

__all__ = ["LARGEST", "CategoryEncoder", "DateEncoder", "Encoder", "NumberEncoder"]

LARGEST = float(numpy.finfo(numpy.float32).max)  # numbers beyond count as infinite: they would be, as float32


@dataclass(frozen=True)
class NumberEncoder:
    """A column of numbers: one column, and one of 0 and 1 that says where it was missing."""

    name: str
    scaling: str
    varies: bool  # else only the second column is made
    indicator: bool
    fill: float  # the median
    low: float
    high: float
    centre: float
    factor: float

    @classmethod
    def fitted(
        cls, column: Column, scaling: str, indicator: bool, *, sample_weight: numpy.ndarray | None = None
    ) -> NumberEncoder:
        """From the numbers of training rows, of which at least one is there."""
        values = column.values[~column.missing]
        weight = None if sample_weight is None else sample_weight[~column.missing]
        finite = values[numpy.abs(values) <= LARGEST]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
        known = numpy.clip(values, low, high)
        centre, factor = scale_for(scaling, known, weight)
        fill = float(numpy.median(known) if weight is None else weighted_quantiles(known, weight, [0.5])[0])
        return cls(column.name, scaling, low < high, indicator, fill, low, high, centre, factor)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its columns."""
        return (self.name,) * self.varies + (f"{self.name} missing",) * self.indicator

    def encode(self, column: Column) -> list[numpy.ndarray]:
        """Its columns, each of shape (n,)."""
        values = as_numbers(column).values
        missing = numpy.isnan(values)
        made = []
        if self.varies:
            known = numpy.where(missing, self.fill, values)
            known = numpy.where(known > LARGEST, self.high, numpy.where(known < -LARGEST, self.low, known))
            scaled = (known - self.centre) * self.factor
            made.append(numpy.clip(smooth_clip(scaled) if self.scaling == "robust" else scaled, -LARGEST, LARGEST))
        return made + [missing] * self.indicator


# Parts of dates as shares of their period, from dates (datetime64[us])
DAY = numpy.timedelta64(1, "D")


def _time_of_year(dates: numpy.ndarray) -> numpy.ndarray:
    year = dates.astype("datetime64[Y]")
    start, end = year.astype("datetime64[us]"), (year + numpy.timedelta64(1, "Y")).astype("datetime64[us]")
    share: numpy.ndarray = (dates - start) / (end - start)
    return share


def _day_of_week(dates: numpy.ndarray) -> numpy.ndarray:
    share: numpy.ndarray = (dates.astype("datetime64[D]").astype(numpy.int64) + 3) % 7 / 7  # Monday is 0
    return share


def _time_of_day(dates: numpy.ndarray) -> numpy.ndarray:
    share: numpy.ndarray = (dates - dates.astype("datetime64[D]")) / DAY
    return share


PARTS = {"time of year": _time_of_year, "day of week": _day_of_week, "time of day": _time_of_day}


@dataclass(frozen=True)
class DateEncoder:
    """A column of dates: days since 1970 as numbers, and points on circles for the parts that vary.

    A point (sin 2π u, cos 2π u), u being the share of the period, has December next to January; (0, 0), the middle of
    the circle, is a missing date.
    """

    name: str
    days: NumberEncoder
    parts: tuple[str, ...]

    @classmethod
    def fitted(
        cls, column: Column, scaling: str, indicator: bool, *, sample_weight: numpy.ndarray | None = None
    ) -> DateEncoder:
        """From the dates of training rows, of which at least one is there."""
        here = column.values[~column.missing]
        shares = {part: share(here) for part, share in PARTS.items()}
        parts = tuple(part for part, share in shares.items() if share.min() < share.max())
        days = NumberEncoder.fitted(_days(column), scaling, indicator, sample_weight=sample_weight)
        return cls(column.name, days, parts)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self.days.outputs + tuple(f"{self.name} {part} {way}" for part in self.parts for way in ("sin", "cos"))

    def encode(self, column: Column) -> list[numpy.ndarray]:
        """Its columns, each of shape (n,)."""
        column = as_dates(column)
        here = ~column.missing
        made = self.days.encode(_days(column))
        for part in self.parts:
            angle = 2 * numpy.pi * PARTS[part](numpy.where(here, column.values, numpy.datetime64(0, "us")))
            made += [numpy.sin(angle) * here, numpy.cos(angle) * here]
        return made


def _days(column: Column) -> Column:
    days = (column.values - numpy.datetime64(0, "us")) / DAY  # NaN where the date is missing
    return Column(column.name, "number", days, rows=column.rows)


@dataclass(frozen=True)
class CategoryEncoder:
    """A column of words or booleans: as -1 and 1, as a column for each level, or as codes.

    Code n means `levels[n - 1]`, None being a missing value, and 0 all else.
    """

    name: str
    boolean: bool
    levels: tuple[str | None, ...]
    form: str  # "sign", "one-hot" or "codes"
    numbers: bool = False  # whether training's values were numbers

    @classmethod
    def fitted(
        cls, column: Column, *, rare_below: int, most_levels: int, one_hot_up_to: int,
        sample_weight: numpy.ndarray | None = None,
    ) -> CategoryEncoder:  # fmt: skip
        """From training rows: the levels in `rare_below` rows or more, the most frequent (by weight) first."""
        names: tuple[str | None, ...] = (*column.levels, None)
        rows = [*column.counts().tolist(), int(column.missing.sum())]
        weights = rows if sample_weight is None else _weight_of_levels(column, sample_weight)
        counted = zip(rows, weights, names, strict=True)
        often = [(weight, level) for count, weight, level in counted if count >= max(rare_below, 1)]
        often.sort(key=lambda pair: (-pair[0], pair[1] is None, pair[1] or ""))
        levels = [level for _, level in often[:most_levels]]
        form = "one-hot" if len(levels) <= one_hot_up_to else "codes"
        if len(levels) == 2 and form == "one-hot":
            form = "sign"
            levels.sort(key=lambda level: (level is not None, level or ""))  # False is -1, True is 1
        boolean = column.levels == BOOLEANS and column.kind == "boolean"
        return cls(column.name, boolean, tuple(levels), form, not boolean and column.dtype not in ("", "bool"))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its columns of numbers."""
        shown = {"sign": self.levels[1:], "one-hot": self.levels, "codes": ()}[self.form]
        return tuple(level_name(self.name, level) for level in shown)

    def codes(self, column: Column) -> numpy.ndarray:
        """Shape (n,), int64."""
        words = as_booleans(column) if self.boolean else as_text(column)
        places = places_of(self.levels, words, of_numbers=self.numbers)
        missing = self.levels.index(None) + 1 if None in self.levels else 0
        table = numpy.asarray([*places, missing], dtype=numpy.int64)  # the last is that of -1
        found: numpy.ndarray = table[words.values]
        return found

    def encode(self, column: Column) -> list[numpy.ndarray]:
        """Its columns of numbers, each of shape (n,); none if it is one of codes."""
        if self.form == "codes":
            return []
        codes = self.codes(column)
        if self.form == "sign":
            return [numpy.asarray([0.0, -1.0, 1.0])[codes]]
        return [codes == number for number in range(1, len(self.levels) + 1)]


def _weight_of_levels(column: Column, sample_weight: numpy.ndarray) -> list[float]:
    """The weight of the rows of each level, and of those where it is missing."""
    places = numpy.where(column.values < 0, len(column.levels), column.values)
    found: list[float] = numpy.bincount(places, weights=sample_weight, minlength=len(column.levels) + 1).tolist()
    return found


Encoder = NumberEncoder | DateEncoder | CategoryEncoder


def as_json(encoder: Encoder) -> tuple[list[list[float]], dict[str, Any]]:
    """An encoder as rows of five numbers (one row, or none) and JSON."""
    data: dict[str, Any]
    if isinstance(encoder, CategoryEncoder):
        data = {"encoder": "category", "name": encoder.name, "boolean": encoder.boolean, "numbers": encoder.numbers}
        return [], {**data, "levels": list(encoder.levels), "form": encoder.form}
    number = encoder.days if isinstance(encoder, DateEncoder) else encoder
    numbers = [number.fill, number.low, number.high, number.centre, number.factor]
    data = {"encoder": "number", "name": encoder.name, "scaling": number.scaling}
    data |= {"varies": number.varies, "indicator": number.indicator}
    if isinstance(encoder, DateEncoder):
        data |= {"encoder": "date", "parts": list(encoder.parts)}
    return [numbers], data


def from_json(numbers: list[float], data: dict[str, Any]) -> Encoder:
    """The encoder that `as_json` wrote down."""
    name = data["name"]
    if data["encoder"] == "category":
        of_numbers = bool(data.get("numbers"))  # which early states do not say
        return CategoryEncoder(name, data["boolean"], tuple(data["levels"]), data["form"], of_numbers)
    number = NumberEncoder(name, data["scaling"], data["varies"], data["indicator"], *map(float, numbers))
    if data["encoder"] == "date":
        return DateEncoder(name, number, tuple(data["parts"]))
    return number
