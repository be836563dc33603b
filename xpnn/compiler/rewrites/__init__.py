"""What makes a program shorter, or quicker to run, before it is planned; each rewrite is one function.

A rewrite takes a program and changes it: it leaves calls out, lets one write where another would copy, or marks a call
to be computed another way. Those in `ALL` keep every bit of every number. Those in `LOOSE` add numbers in another
order, take the maximum of a row in another, which may change the sign of a zero, let Python take a power of a number,
or let a GPU compute exp and its kin by other instructions; `exact=True` leaves them out. The order of the list counts,
and every rewrite can be left out: `xpnn.compile(step, rewriting=(drop_dead, in_blocks))`.
"""

from xpnn.compiler.rewrites.faster import (
    as_numbers,
    in_blocks,
    powers_as_numbers,
    reuse_arguments,
    rows_by_columns,
    sums_as_products,
)
from xpnn.compiler.rewrites.kernels import in_kernels
from xpnn.compiler.rewrites.order import ALL, LOOSE
from xpnn.compiler.rewrites.shorter import drop_dead, fold_constants, share_equal, write_straight

__all__ = [
    "ALL",
    "LOOSE",
    "as_numbers",
    "drop_dead",
    "fold_constants",
    "in_blocks",
    "in_kernels",
    "powers_as_numbers",
    "reuse_arguments",
    "rows_by_columns",
    "share_equal",
    "sums_as_products",
    "write_straight",
]
