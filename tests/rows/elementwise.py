"""Rows of the functions that work element by element."""

import numpy

from rows.base import inside, normal, phasor, positive, row, std
from xpnn.arrays.namespaces import namespace_of

# Elementwise
for name in (
    "exp",
    "expm1",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "atan",
    "square",
    "negative",
    "positive",
    "abs",
):
    row(name, std(name), normal(3, 4))
    row(f"{name} of ()", std(name), numpy.asarray(0.7))
for name in ("log", "log1p", "log2", "log10", "sqrt", "reciprocal"):
    row(name, std(name), positive(3, 4))
for name in ("asin", "acos", "atanh"):
    row(name, std(name), inside(3, 4))
row("acosh", std("acosh"), 1 + positive(3, 4))
for name in (
    "exp expm1 log log1p log2 log10 sqrt reciprocal square sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
    "abs sign conj real imag negative positive"
).split():
    row(f"complex {name}", std(name), phasor(3, 2))
for name in "add subtract multiply divide maximum minimum logaddexp hypot atan2 copysign nextafter".split():
    row(name, std(name), normal(3, 4), normal(3, 4))
    row(f"{name} broadcast", std(name), normal(3, 4), normal(4), empty=False)
    row(f"{name} with ()", std(name), normal(3, 4), numpy.asarray(0.3))
row("pow", std("pow"), positive(3, 4), normal(3, 4))
row("pow by 3", lambda x: x**3, normal(3, 4))
row("2 to the power", lambda x: 2.0**x, normal(3, 4))
row("remainder", std("remainder"), normal(3, 4), 3 + positive(3, 4))
row("complex multiply", std("multiply"), phasor(3, 2), phasor(2), empty=False)
row("complex divide", std("divide"), phasor(3, 2), phasor(3, 2))
row("complex times real", std("multiply"), phasor(3, 2), normal(3, 2))
row("complex pow", std("pow"), phasor(3, 2), phasor(3, 2))
row("where", lambda x, y: namespace_of(x, y).where(x > 0, x * y, y), normal(3, 4), normal(3, 4))
row("clip", std("clip", min=-0.5, max=0.5), normal(5, 4))
row(
    "clip by arrays",
    lambda x, a, b: namespace_of(x, a, b).clip(x, a, b),
    2 * normal(3, 4),
    -positive(3, 4),
    positive(3, 4),
)
row("numbers", lambda x: 1 - (2 + x * 3 - 1) / 2 + (1 / (x + 5)), normal(3, 4))
