"""Gradient clipping: no gradient is longer than a bound.

Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013), algorithm 1.
"""

from __future__ import annotations

from numbers import Real
from typing import Literal

from xpnn.arrays.namespaces import Array, is_floating, lowest, namespace_of
from xpnn.arrays.tree import Tree, flatten

__all__ = ["clip_by_global_norm", "global_norm"]


def global_norm(tree: Tree) -> Array:
    """The Euclidean norm of all arrays of `tree` together, an array of shape ().

    Scaled by the largest magnitude first, so that squares do not overflow: two gradients of 2e19 in float32 have norm
    2.8e19, where the sum of squares would be infinite. The norm of infinite elements is infinite, of NaN it is NaN.

    Raises
    ------
    ValueError
        If the tree has no arrays, or none with elements.

    Examples
    --------
    >>> import numpy
    >>> global_norm({"w": numpy.asarray([3.0]), "b": numpy.asarray([4.0])})
    np.float64(5.0)
    """
    leaves = [leaf for leaf in flatten(tree)[0] if _floating(leaf).size]
    if not leaves:
        raise ValueError("global_norm expected at least one array with elements, got none")
    xp = namespace_of(*leaves)
    largest = _largest(leaves)
    # neither 0 (if all are 0) nor infinite: 0 / 0 and inf / inf would be NaN
    scale = xp.minimum(largest + xp.astype(largest == 0, largest.dtype), -lowest(largest.dtype))
    total = sum((xp.sum(xp.square(xp.abs(leaf) / scale)) for leaf in leaves[1:]), _squares(leaves[0], scale))
    return xp.sqrt(total) * scale


def _squares(leaf: Array, scale: Array) -> Array:
    xp = namespace_of(leaf)
    return xp.sum(xp.square(xp.abs(leaf) / scale))


def _floating(leaf: Array) -> Array:
    if not is_floating(getattr(leaf, "dtype", None)):
        raise TypeError(f"expected floating-point arrays, got {getattr(leaf, 'dtype', type(leaf).__name__)}")
    return leaf


def _largest(leaves: list[Array]) -> Array:
    xp = namespace_of(*leaves)
    largest = xp.max(xp.abs(leaves[0]))
    for leaf in leaves[1:]:
        largest = xp.maximum(largest, xp.max(xp.abs(leaf)))
    return largest


def clip_by_global_norm(
    gradients: Tree, max_norm: float, *, nonfinite: Literal["raise", "zero", "propagate"] = "raise"
) -> tuple[Tree, Array]:
    """The gradients scaled to a norm of at most `max_norm`, and their norm before, an array of shape ().

    Times max_norm / norm where the norm is larger. PyTorch adds 1e-6 to the norm and so stays a little below the bound.

    Parameters
    ----------
    gradients
        A model or tree of gradients; it is not changed.
    max_norm
        The bound, above 0; infinity for none.
    nonfinite
        What to do if a gradient is infinite or NaN. 'raise': raise, before anything is updated (this reads one number
        from the device). 'zero': all gradients become zero, so that a step of plain SGD changes nothing; reads nothing.
        'propagate': all become NaN; reads nothing.

    Raises
    ------
    ValueError
        If `max_norm` is not above 0, `nonfinite` is another, or the tree has no arrays with elements.
    FloatingPointError
        If `nonfinite='raise'` and a gradient is infinite or NaN; names the number of such elements.

    Examples
    --------
    >>> import numpy
    >>> clip_by_global_norm([numpy.asarray([3.0, 4.0])], 1.0)
    ([array([0.6, 0.8])], np.float64(5.0))
    """
    if not isinstance(max_norm, Real):
        raise TypeError(f"clip_by_global_norm expected max_norm to be a number, got {max_norm!r:.60}")
    if not max_norm > 0:
        raise ValueError(f"clip_by_global_norm expected max_norm above 0, got {max_norm}")
    if nonfinite not in ("raise", "zero", "propagate"):
        raise ValueError(f"nonfinite is 'raise', 'zero' or 'propagate', got {nonfinite!r}")
    leaves, rebuild = flatten(gradients)
    norm = global_norm(leaves)
    xp = namespace_of(norm)
    finite = xp.isfinite(norm)
    if nonfinite == "raise":
        try:
            bad = not bool(finite)
        except RuntimeError as error:  # a step that is being recorded cannot look
            error.args = (f"{error}. For clip_by_global_norm pass nonfinite='zero' or 'propagate'", *error.args[1:])
            raise
        if bad:
            _raise_nonfinite(leaves)
    bound = xp.full_like(norm, min(max_norm, -lowest(norm.dtype)))
    # bound / inf would be 0: zeros in place of an infinite gradient, without a word
    factor = xp.where(finite, bound / xp.maximum(norm, bound), xp.full_like(norm, xp.nan))
    if nonfinite == "zero":
        leaves = [xp.where(finite, leaf, xp.zeros_like(leaf)) for leaf in leaves]
        factor = xp.where(finite, factor, xp.zeros_like(norm))
    return rebuild([leaf * xp.astype(factor, leaf.dtype) for leaf in leaves]), norm


def _raise_nonfinite(leaves: list[Array]) -> None:
    count = sum(int(namespace_of(leaf).count_nonzero(~namespace_of(leaf).isfinite(leaf))) for leaf in leaves)
    size = sum(leaf.size for leaf in leaves)
    what = f"{count} of {size} gradient elements are infinite or NaN" if count else "the norm of gradients overflows"
    raise FloatingPointError(f"{what}: the update was not made")
