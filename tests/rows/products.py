"""Rows of products of vectors and matrices."""

import numpy

from rows.base import normal, phasor, row, std
from xpnn.arrays.namespaces import namespace_of

# Linear algebra
row("matmul", std("matmul"), normal(3, 4), normal(4, 2), empty=False)
row("matmul of stacks", std("matmul"), normal(2, 3, 4), normal(4, 2), empty=False)
row("matmul of broadcast stacks", std("matmul"), normal(1, 3, 4), normal(2, 4, 2), empty=False)
row("matrix times vector", std("matmul"), normal(3, 4), normal(4), empty=False)
row("vector times matrix", std("matmul"), normal(3), normal(3, 4), empty=False)
row("vector times stack", std("matmul"), normal(3), normal(2, 3, 4), empty=False)
row("stack times vector", std("matmul"), normal(2, 3, 4), normal(4), empty=False)
row("complex vector times stack", std("matmul"), phasor(3), phasor(2, 3, 2), empty=False)
row("vector times vector", std("matmul"), normal(3), normal(3), empty=False)
row("complex matmul", std("matmul"), phasor(3, 4), phasor(4, 2), empty=False)
row(
    "tensordot",
    lambda x, y: namespace_of(x, y).tensordot(x, y, axes=((1, 2), (1, 0))),
    normal(2, 3, 4),
    normal(4, 3, 2),
    empty=False,
)
row("tensordot of the last and first axes", std("tensordot"), normal(2, 3, 4), normal(3, 4), empty=False)
row("tensordot of no axes", std("tensordot", axes=0), normal(2, 3), normal(4))
row("complex tensordot", std("tensordot", axes=((-1,), (0,))), phasor(2, 3), phasor(3, 2), empty=False)
row("vecdot", std("vecdot"), normal(3, 4), normal(3, 4))
row("vecdot broadcast", std("vecdot", axis=-2), normal(2, 3, 4), normal(3, 1), empty=False)
row("complex vecdot", std("vecdot"), phasor(3, 4), phasor(3, 4))
row("outer", std("linalg.outer"), normal(3), normal(4), empty=False)
row("complex outer", std("linalg.outer"), phasor(3), phasor(4), empty=False)
row("cross", std("linalg.cross"), normal(2, 3), normal(2, 3))
row("cross broadcast", std("linalg.cross", axis=-2), normal(2, 3, 4), normal(3, 1), empty=False)
row("complex cross", std("linalg.cross"), phasor(2, 3), phasor(2, 3))
row("trace", std("linalg.trace"), normal(2, 3, 3))
row("trace below", std("linalg.trace", offset=-1), normal(2, 3, 4))
row("diagonal", std("linalg.diagonal"), normal(2, 3, 3))
row("diagonal above", std("linalg.diagonal", offset=1), normal(2, 3, 4))
for n in (0, 1, 3, 5, -1, -2):
    row(f"matrix_power of {n}", lambda x, n=n: namespace_of(x).linalg.matrix_power(x, n), normal(2, 3, 3))
row("complex matrix_power", lambda x: namespace_of(x).linalg.matrix_power(x, -3), phasor(2, 2, 2) + 3 * numpy.eye(2))
