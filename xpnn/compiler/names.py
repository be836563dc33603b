"""Names of the standard's functions, by what a compiler may do with them."""

from __future__ import annotations

__all__ = ["ELEMENTWISE", "PURE", "ROUNDED"]

# Each element of the result is the exact one, rounded once, or a choice: it does not matter how they are grouped
ROUNDED = frozenset(
    "add subtract multiply divide maximum minimum negative positive abs square sqrt reciprocal equal not_equal less "
    "less_equal greater greater_equal logical_and logical_or logical_xor logical_not bitwise_and bitwise_or "
    "bitwise_xor bitwise_invert floor ceil trunc isnan isinf isfinite signbit".split()
)
# The result at a place depends on the arguments at that place only
ELEMENTWISE = ROUNDED | frozenset(
    "floor_divide remainder hypot copysign nextafter logaddexp bitwise_left_shift bitwise_right_shift exp expm1 log "
    "log1p log2 log10 sin cos tan sinh cosh tanh asin acos atan atan2 asinh acosh atanh pow".split()
)
# The same arguments give the same result, and nothing else happens
PURE = ELEMENTWISE | frozenset("astype sum prod max min mean matmul where expand_dims".split())
