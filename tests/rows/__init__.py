"""The rows of the common table, a file for each floor or kind of operation; importing one fills the table."""

from rows import (  # noqa: F401
    activations,
    containers,
    dense,
    dropout,
    elementwise,
    ensembles,
    fourier,
    layers,
    linear_algebra,
    losses,
    normalization,
    ordering,
    products,
    reductions,
    shaping,
    special,
    tabular,
    windows,
)
