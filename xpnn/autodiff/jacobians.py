"""Derivatives in a direction, and whole matrices of derivatives: Jacobians, Hessians and their products with vectors.

A walk back gives vᵀJ, one row's worth of the Jacobian J for one vector v of the value's shape. The rest follows:

- J has one row for each element of the value: as many walks (`jacobian`).
- J w (`jvp`) comes from transposing twice: v ↦ vᵀJ is linear in v, whatever v is, and its own walk back at w gives J w.
- The Hessian is the Jacobian of the gradient (`hessian`), and being symmetric its product with w is one walk back
  through the gradient (`hvp`): no matrix is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, dtype_name, is_complex, namespace_of
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.autodiff.lifting import (
    Run,
    called,
    fitted,
    floating,
    gradients_of,
    lower,
    names_of,
    one_like,
    record,
    zeros_like,
)
from xpnn.autodiff.tape import constant, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.transforms import Argnums, grad, positions_of

__all__ = ["hessian", "hvp", "jacobian", "jvp"]


def jvp(
    function: Callable[..., Any], primals: Sequence[Tree], tangents: Sequence[Tree], *, aux: bool = False
) -> tuple[Any, Any]:
    """The value of `function(*primals)` and its derivative in the direction `tangents`: J w.

    Parameters
    ----------
    function
        A function of arrays, models or trees of them that gives an array or a tree of arrays; with `aux=True`, a pair
        of that and anything else.
    primals
        The arguments, in a tuple.
    tangents
        The direction: for each argument a tree of its shape and dtypes (for a model, a model such as `grad` gives), or
        None for an argument that stays where it is, such as labels.
    aux
        Whether `function` gives `(value, auxiliary)`; the result is then `((value, auxiliary), tangent)`.

    Returns
    -------
    value, tangent
        The tangent has the shape and dtypes of the value. For complex arrays it is the derivative of f(x + t w) by the
        real number t.

    Raises
    ------
    TypeError
        If an argument or the value holds integers or no arrays, or a tangent has another dtype than its argument.
    ValueError
        If a tangent has another shape than its argument.

    Notes
    -----
    Two walks back, the second through the first: twice the time of a gradient where arrays are large, five times where
    they are tiny, and four times the memory.

    Examples
    --------
    >>> import numpy
    >>> jvp(lambda x: x**3, (2.0,), (1.0,))
    (np.float64(8.0), np.float64(12.0))
    """
    positions, directions = _directions("jvp", function, primals, tangents)
    run = record(function, _with_constants(primals, positions), positions, aux=aux)
    starts = [one_like(lower(y, run.tape)) for y in run.outputs]
    # linear in `dys`, so the place where it is differentiated does not matter; at 1 nothing new overflows
    again = record(lambda *dys: run.back(dys), starts, range(len(starts)))
    tangent = run.build_value(again.back([_with_constant(w) for w in directions]))
    nested = any(type(leaf) is Tensor for position in positions for leaf in flatten(primals[position])[0])
    value, auxiliary, tangent = (
        part if nested else tree_map(_without_constants, part) for part in (run.value, run.auxiliary, tangent)
    )
    return ((value, auxiliary) if aux else value), tangent


def hvp(function: Callable[..., Any], primals: Sequence[Tree], tangents: Sequence[Tree]) -> tuple[Any, ...]:
    """The Hessian of `function` at `primals` times the vector `tangents`, without building the Hessian.

    For several vectors at one point, `gradient, times = xpnn.vjp(xpnn.grad(function), x)` and `times(w)` walk through
    the same gradient again and again.

    Parameters
    ----------
    function
        A function as for `grad`: it gives one real number.
    primals
        The arguments, in a tuple.
    tangents
        The vector: for each argument a tree of its shape and dtypes, or None for an argument that is a constant.

    Returns
    -------
    tuple
        The product, in the shape of `tangents`. For complex arguments: the derivative of the gradient (PyTorch's
        convention) at x + t w by the real number t.

    Raises
    ------
    TypeError, ValueError
        As `jvp` and `grad`.

    Notes
    -----
    One gradient, and one walk back through it: twice the time of a gradient where arrays are large, four times where
    they are tiny, and five times the memory.

    Examples
    --------
    >>> import numpy, xpnn
    >>> def energy(x):
    ...     return xpnn.namespace_of(x).sum(x**4)
    >>> hvp(energy, (numpy.asarray([1.0, 2.0]),), (numpy.asarray([1.0, 1.0]),))
    (array([12., 48.]),)
    """
    positions, directions = _directions("hvp", function, primals, tangents)
    slope = grad(function, argnums=tuple(positions))
    if any(type(direction) is Tensor for direction in directions):
        primals, directions = _with_constants(primals, positions), [_with_constant(w) for w in directions]
    run = record(lambda *args: flatten(slope(*args))[0], primals, positions, named=function)
    products = iter(run.shaped(run.back(directions)))
    return tuple(None if tangent is None else next(products) for tangent in tangents)


def jacobian(function: Callable[..., Any], *, argnums: Argnums = 0, aux: bool = False) -> Callable[..., Any]:
    """A function that gives the Jacobian of `function`: all derivatives of all elements of its value.

    Parameters
    ----------
    function
        A function of arrays, models or trees of them that gives a real array or a tree of them; with `aux=True`, a
        pair of that and anything else.
    argnums
        The position, or a tuple of positions, of the arguments to differentiate with respect to.
    aux
        Whether `function` gives `(value, auxiliary)`; the result is then `(jacobian, auxiliary)`.

    Returns
    -------
    callable
        Takes what `function` takes. For an array x and a value y it gives an array of shape `y.shape + x.shape`, whose
        element [i, j] is ∂yᵢ/∂xⱼ. For trees it gives a tree like the value, with a tree like the argument (for several
        `argnums` a tuple of them) at each leaf; a model's parameters have Jacobians in their places. For complex
        arguments the rows are gradients in PyTorch's convention.

    Raises
    ------
    TypeError
        If an argument or the value holds integers or no arrays, or the value is complex: then take real and imaginary
        parts, or `jvp`.

    Notes
    -----
    One walk back for each element of the value. With few arguments and many elements, `jvp` gives a column at a time.

    Examples
    --------
    >>> import numpy
    >>> jacobian(lambda x: x[:2] * x[2])(numpy.asarray([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    return _jacobian("jacobian", "the value", function, function, argnums, aux)


def hessian(function: Callable[..., Any], *, argnums: Argnums = 0, aux: bool = False) -> Callable[..., Any]:
    """A function that gives the Hessian of `function`: its second derivatives, the Jacobian of its gradient.

    Parameters
    ----------
    function
        A function as for `grad`: it gives one real number; with `aux=True`, a pair of that and anything else.
    argnums
        The position, or a tuple of positions, of the arguments to differentiate with respect to.
    aux
        Whether `function` gives `(loss, auxiliary)`; the result is then `(hessian, auxiliary)`.

    Returns
    -------
    callable
        Takes what `function` takes. For an array x it gives an array of shape `x.shape + x.shape`; for a tree, a tree
        of trees, as `jacobian` of the gradient does: `h["w"]["b"]`, and for a model `h.weight.bias`.

    Raises
    ------
    TypeError
        If an argument is complex (use `hvp`), holds integers or no arrays.
    ValueError
        If the value is not one number.

    Notes
    -----
    One gradient, and one walk back through it for each element of the argument.

    Examples
    --------
    >>> import numpy
    >>> hessian(lambda x: x[0] ** 2 * x[1])(numpy.asarray([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return _jacobian("hessian", "the gradient", function, grad(function, argnums=argnums, aux=aux), argnums, aux)


def _jacobian(
    name: str, of: str, function: Callable[..., Any], run_function: Callable[..., Any], argnums: Argnums, aux: bool
) -> Callable[..., Any]:
    """`jacobian` of `run_function`, which is `function` itself or gives its gradient."""
    positions = positions_of(argnums)

    def call(*args: Any, **kwargs: Any) -> Any:
        run = record(run_function, args, positions, aux=aux, options=kwargs, named=function)
        for y in run.outputs:
            if is_complex(y.dtype):
                raise TypeError(
                    f"{name} expected {of} of {called(function)} to be real, got {dtype_name(y.dtype)}: differentiate "
                    "with respect to real and imaginary parts, or use "
                    + ("xpnn.hvp" if name == "hessian" else "the real and imaginary part of the value, or xpnn.jvp")
                )
        blocks = [run.shaped(_rows(run, y)) for y in run.outputs]
        found = run.build_value([block[0] if isinstance(argnums, int) else block for block in blocks])
        return (found, run.auxiliary) if aux else found

    return call


def _rows(run: Run, y: Array) -> list[Array]:
    """The Jacobian of one array of the value with respect to each input."""
    size = prod(y.shape)
    if size == 0 or type(y) is not Tensor or y._tape is not run.tape:  # no rows, or all of them zero
        return [zeros_like(x._value, before=y.shape) for x in run.inputs]
    rows = [gradients_of(run.tape, y, _unit(y._value, i), run.inputs, keep=True) for i in range(size)]
    return [_stacked(column, y.shape) for column in zip(*rows, strict=True)]


def _stacked(rows: Sequence[Array], shape: tuple[int, ...]) -> Array:
    xp = namespace_of(*rows)
    return xp.reshape(xp.stack(list(rows)), shape + rows[0].shape)


def _unit(y: Array, position: int) -> Array:
    """Zeros in the shape of `y` with a 1 at `position`, counted along its elements."""
    inner = plain(y)
    xp = namespace_of(inner)
    numbers = xp.arange(prod(inner.shape), device=array_device(inner))
    unit = xp.reshape(xp.astype(numbers == position, inner.dtype), inner.shape)
    return constant(unit) if type(y) is Tensor else unit


def _with_constants(primals: Sequence[Tree], positions: list[int]) -> list[Tree]:
    """The arguments with Tensors around their plain arrays.

    A walk back meets gradients of another level. Operators of plain arrays need not know Tensors on their right
    (array_api_strict's do not); between Tensors all is well.
    """
    others = list(primals)
    for position in positions:
        leaves, build = flatten(primals[position])
        others[position] = build([_with_constant(floating(x, None, position)) for x in leaves])
    return others


def _with_constant(x: Array) -> Tensor:
    return x if type(x) is Tensor else constant(x)


def _without_constants(x: Any) -> Any:
    return plain(x) if type(x) is Tensor and x._tape is None else x


def _directions(
    name: str, function: Any, primals: Sequence[Tree], tangents: Sequence[Tree]
) -> tuple[list[int], list[Array]]:
    """The positions of the arguments that move, and the leaves of their tangents."""
    for what, given in (("primals", primals), ("tangents", tangents)):
        if type(given) not in (tuple, list):
            raise TypeError(
                f"{name} expected {what} in a tuple, one for each argument of {called(function)}, "
                f"got {type(given).__name__}: write ({what[:-1]},)"
            )
    if len(primals) != len(tangents):
        raise ValueError(
            f"{name} expected a tangent for each of the {len(primals)} arguments of {called(function)} (None for one "
            f"that does not move), got {len(tangents)}"
        )
    positions = [position for position, tangent in enumerate(tangents) if tangent is not None]
    directions: list[Array] = []
    for position in positions:
        like = [floating(leaf, function, position) for leaf in flatten(primals[position])[0]]
        what = f"a tangent like argument {position} of {called(function)}"
        directions += fitted(what, tangents[position], names_of(primals[position]), like)
    return positions, directions
