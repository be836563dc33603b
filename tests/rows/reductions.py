"""Rows of sums, means, extremes and their relatives."""

from rows.base import normal, phasor, row, std
from xpnn import special

# Reductions
for name in ("sum", "mean", "prod", "max", "min", "std", "var"):
    row(name, std(name), normal(3, 4), empty=name in ("sum", "prod"))
    row(f"{name} of axis 0", std(name, axis=0), normal(3, 4), empty=False)
    row(f"{name} of the last axes", std(name, axis=(-1, 1), keepdims=True), normal(2, 3, 4))
row("var with correction", std("var", correction=1.0, axis=1), normal(3, 4))
row("std with correction", std("std", correction=1.0, axis=1), normal(3, 4))
row("cumulative_sum", std("cumulative_sum", axis=1), normal(3, 4))
row("cumulative_sum with initial", std("cumulative_sum", axis=0, include_initial=True), normal(3, 4), empty=False)
row("vector_norm", std("linalg.vector_norm", axis=1), normal(3, 4))
row("logsumexp", lambda x: special.logsumexp(x, axis=1), normal(3, 4))
row("logsumexp of all", special.logsumexp, normal(3, 4), empty=False)
row("cumulative_prod", std("cumulative_prod", axis=1), normal(3, 4))
row("cumulative_prod with initial", std("cumulative_prod", axis=0, include_initial=True), normal(5, 3), empty=False)
row("complex cumulative_prod", std("cumulative_prod", axis=-1), phasor(2, 5))
row("complex prod", std("prod", axis=0), phasor(3, 4), empty=False)
row("complex sum", std("sum", axis=0), phasor(3, 4), empty=False)
row("complex mean", std("mean", axis=1), phasor(3, 4), empty=False)
row("complex cumulative_sum", std("cumulative_sum", axis=1), phasor(3, 4))
