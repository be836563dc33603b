"""Rows of sorting and sets."""

from rows.base import normal, row, std
from xpnn.arrays.namespaces import namespace_of

row("sort", std("sort"), normal(3, 4))
row("sort, descending", std("sort", axis=0, descending=True), normal(4, 3), empty=False)
row("unique_values", lambda x: namespace_of(x).sort(namespace_of(x).unique_values(x)), normal(3, 4), empty=False)
for name in ("unique_all", "unique_counts", "unique_inverse"):
    row(name, lambda x, name=name: getattr(namespace_of(x), name)(x).values ** 2, normal(3, 4), empty=False)
