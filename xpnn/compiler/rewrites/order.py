"""All rewrites, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable

from xpnn.compiler.program import Program
from xpnn.compiler.rewrites.faster import (
    as_numbers,
    in_blocks,
    powers_as_numbers,
    reuse_arguments,
    rows_by_columns,
    sums_as_products,
)
from xpnn.compiler.rewrites.kernels import in_kernels
from xpnn.compiler.rewrites.shorter import drop_dead, fold_constants, share_equal, write_straight

__all__ = ["ALL", "LOOSE"]

Rewrite = Callable[[Program], None]

ALL: tuple[Rewrite, ...] = (
    fold_constants, share_equal, drop_dead, write_straight, as_numbers, reuse_arguments, in_blocks,
)  # fmt: skip
LOOSE: tuple[Rewrite, ...] = (sums_as_products, rows_by_columns, powers_as_numbers, in_kernels)
