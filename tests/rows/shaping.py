"""Rows of what moves, picks and joins elements."""

import numpy

from rows.base import normal, phasor, row, std
from xpnn.arrays.namespaces import namespace_of

# Shaping
row("reshape", lambda x: namespace_of(x).reshape(x, (-1, 2)), normal(3, 4))
row("permute_dims", lambda x: namespace_of(x).permute_dims(x, (2, 0, 1)), normal(2, 3, 4))
row("permute_dims by negative axes", lambda x: namespace_of(x).permute_dims(x, (-1, 0, -2)), normal(2, 3, 4))
row("roll of two axes", lambda x: namespace_of(x).roll(x, (1, -1), axis=(0, 1)), normal(3, 4))
row("roll of all", lambda x: namespace_of(x).roll(x, 2), normal(3, 4))
row("matrix_transpose", std("matrix_transpose"), normal(2, 3, 4))
row("T", lambda x: x.T, normal(3, 4))
row("moveaxis", lambda x: namespace_of(x).moveaxis(x, 0, 2), normal(2, 3, 4))
row(
    "expand_dims and squeeze",
    lambda x: namespace_of(x).squeeze(namespace_of(x).expand_dims(x, axis=1), axis=1),
    normal(3, 4),
)
row("broadcast_to", lambda x: namespace_of(x).broadcast_to(x, (2, *x.shape)), normal(3, 4))
row("flip", std("flip", axis=1), normal(3, 4))
row("roll", lambda x: namespace_of(x).roll(x, 1, axis=1), normal(3, 4))
row("tile", lambda x: namespace_of(x).tile(x, (2, 1, 2)), normal(3, 4))
row("repeat", lambda x: namespace_of(x).repeat(x, 2, axis=1), normal(3, 4))
row("tril and triu", lambda x: namespace_of(x).tril(x) - 2 * namespace_of(x).triu(x, k=1), normal(3, 4))
row("concat", lambda x, y: namespace_of(x, y).concat([x, y, x], axis=0), normal(3, 4), normal(2, 4))
row("stack", lambda x, y: namespace_of(x, y).stack([x, y, x], axis=1), normal(3, 4), normal(3, 4))
row("unstack", lambda x: namespace_of(x).unstack(x, axis=1)[1], normal(3, 4))
row("diff", std("diff", axis=1, n=2), normal(3, 4))
row("astype", lambda x: namespace_of(x).astype(x, x.dtype), normal(3, 4))

# Indexing
row("slice", lambda x: x[1:, ::2], normal(3, 4), empty=False)
row("ellipsis and newaxis", lambda x: x[..., None, 1], normal(3, 4))
row("integer", lambda x: x[1, ...], normal(3, 4), empty=False)
row("boolean mask", lambda x: x[x > 0], normal(3, 4))
TAKEN = numpy.asarray([0, 2, 2])
row("take of axis 0", lambda x, i: namespace_of(x).take(x, i, axis=0), normal(3, 4, 2), TAKEN, empty=False)
row("take", lambda x, i: namespace_of(x).take(x, i, axis=1), normal(3, 4), TAKEN, empty=False)
row(
    "integer arrays",
    lambda x, i, j: x[i, j],
    normal(3, 4),
    numpy.asarray([0, 1, 1]),
    numpy.asarray([3, 2, 2]),
    empty=False,
)
row(
    "take_along_axis",
    lambda x, i: namespace_of(x).take_along_axis(x, i, axis=1),
    normal(3, 4),
    numpy.asarray([[0, 0], [1, 2], [3, 0]]),
)
row("expand_dims", std("expand_dims", axis=-1), normal(3, 4))
row("squeeze", lambda x: namespace_of(x).squeeze(x, axis=(0, -1)), normal(1, 3, 1), empty=False)
row("triu", std("triu", k=-1), normal(2, 3, 4))
row(
    "broadcast_arrays",
    lambda x, y: namespace_of(x, y).broadcast_arrays(x, y)[1] * x,
    normal(3, 4),
    normal(1, 4),
    empty=False,
)
for indexing in ("xy", "ij"):
    row(
        f"meshgrid, {indexing}",
        lambda x, y, z, i=indexing: (lambda grids: grids[0] * grids[1] + grids[2])(
            namespace_of(x, y, z).meshgrid(x, y, z, indexing=i)
        ),
        normal(3),
        normal(4),
        normal(2),
        empty=False,
    )
row("meshgrid of one", lambda x: namespace_of(x).meshgrid(x)[0] ** 2, normal(3))
row("complex take", lambda x, i: namespace_of(x).take(x, i, axis=0), phasor(4, 2), TAKEN, empty=False)
row("complex concat", lambda x, y: namespace_of(x, y).concat([x, y], axis=1), phasor(3, 4), normal(3, 2) + 0j)
row("concat of all", lambda x, y: namespace_of(x, y).concat([x, y], axis=None), normal(3, 4), normal(2))
row("stack by a negative axis", lambda x, y: namespace_of(x, y).stack([x, y], axis=-1), normal(3, 4), normal(3, 4))
row("repeat by an array", lambda x, i: namespace_of(x).repeat(x, i, axis=0), normal(3, 4), TAKEN, empty=False)
row("repeat of all", lambda x: namespace_of(x).repeat(x, 3), normal(3, 4))
row("tile of a longer shape", lambda x: namespace_of(x).tile(x, (2, 3, 1)), normal(3, 4), empty=False)
row("diff with ends", lambda x, y: namespace_of(x).diff(x, axis=1, prepend=y, append=y * y), normal(3, 4), normal(3, 1))
row("flip of all", std("flip"), normal(3, 4))
row("moveaxis of two", lambda x: namespace_of(x).moveaxis(x, (0, 1), (-1, 0)), normal(2, 3, 4), empty=False)
row(
    "take_along_axis of axis 0",
    lambda x, i: namespace_of(x).take_along_axis(x, i, axis=0),
    normal(3, 2),
    numpy.asarray([[0, 2], [0, 1]]),
    empty=False,
)
row("mask of the first axis", lambda x, m: x[m] ** 2, normal(3, 4), numpy.asarray([True, False, True]), empty=False)
row("negative steps", lambda x: x[::-2, -1:0:-1], normal(5, 4), empty=False)
