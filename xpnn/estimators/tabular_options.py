"""The options of the tabular estimators that need a closer look: which columns are what, and widths."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from xpnn.estimators.refusals import require_callbacks, require_class_weight
from xpnn.estimators.reporting import require_bars
from xpnn.tables.finding import KINDS
from xpnn.tables.table import listed

__all__ = ["hidden_of", "kinds_of", "require_options"]


def require_options(estimator: Any) -> None:
    """Raise if an option means nothing, before any work.

    Raises
    ------
    ValueError, TypeError
        Naming it.
    """
    hidden_of(estimator.hidden_layer_sizes)
    require_callbacks(estimator.callbacks)
    require_class_weight(getattr(estimator, "class_weight", None))
    require_bars(estimator)


def hidden_of(sizes: Any) -> tuple[int, ...] | None:
    """`hidden_layer_sizes` as widths; None: not given.

    Raises
    ------
    ValueError
        If they are not whole numbers above 0.

    Examples
    --------
    >>> hidden_of(64), hidden_of([64, 32]), hidden_of(None)
    ((64,), (64, 32), None)
    """
    if sizes is None:
        return None
    given = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if any(not isinstance(size, Integral) or isinstance(size, bool) for size in given):
        raise ValueError(f"hidden_layer_sizes expected whole numbers, got {sizes!r}")
    if any(size <= 0 for size in given):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {given}.")
    return tuple(int(size) for size in given)


def kinds_of(kinds: Any, categories: Any, names: list[str]) -> dict[str, str]:
    """What columns are, by name, from the parameters `kinds` and `categories`, which may have positions: whole numbers
    that name no column.

    Raises
    ------
    ValueError
        If a column is not there, a kind is none, or they say two things of one column.

    Examples
    --------
    >>> kinds_of({"zip": "category", 0: "drop"}, ["shop"], ["id", "zip", "shop"])
    {'zip': 'category', 'id': 'drop', 'shop': 'category'}
    """
    found: dict[str, str] = {}
    parts = {
        "kinds": dict(kinds or {}),
        "categories": {} if categories is None else dict.fromkeys(categories, "category"),
    }
    for who, given in parts.items():
        for column, kind in given.items():
            name = _name(who, column, names)
            if kind not in KINDS:
                raise ValueError(f"{who} expected one of {', '.join(KINDS)} for {column!r}, got {kind!r}")
            if found.setdefault(name, kind) != kind:
                raise ValueError(f"column {name!r} cannot be a {found[name]!r} and a {kind!r}: {who} says the latter")
    return found


def _name(who: str, column: Any, names: list[str]) -> str:
    if str(column) in names:  # a frame's columns may be named 1, 2, 3, which is no position then
        return str(column)
    if isinstance(column, Integral) and not isinstance(column, bool):
        if not -len(names) <= int(column) < len(names):
            raise ValueError(f"{who} expected names, or numbers of {len(names)} columns, got {column}")
        return names[int(column)]
    raise ValueError(f"{who} names columns that X does not have: {[str(column)]}; it has {listed(names)}")
