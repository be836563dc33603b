"""Functions of functions: from a function to its derivative.

    value, gradients = value_and_grad(loss)(model, x, t)

A transform puts Tensors in the place of the arrays that it differentiates with respect to, runs the function once,
and walks the tape back. Nothing is stored on the model and nothing needs to be zeroed; gradients are returned, in the
shape of the argument: for a model they are a model whose parameters are the gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xpnn.arrays.native import from_number
from xpnn.arrays.tree import Tree, tree_map
from xpnn.autodiff.lifting import (
    check_loss,
    fitted,
    gradients_of,
    lift,
    lower,
    lower_tree,
    names_of,
    one_like,
    record,
    split_auxiliary,
)
from xpnn.autodiff.tape import Tape, constant, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import advise

__all__ = ["Argnums", "grad", "positions_of", "stop_gradient", "value_and_grad", "vjp"]

Argnums = int | tuple[int, ...]


def positions_of(argnums: Argnums) -> tuple[int, ...]:
    """`argnums` as a tuple."""
    found = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(isinstance(position, int) and not isinstance(position, bool) for position in found):
        raise TypeError(f"expected argnums, a position or a tuple of positions (0, 1, ...), got {argnums!r:.60}")
    return found


def value_and_grad(
    function: Callable[..., Any], *, argnums: Argnums = 0, aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that gives the value of `function` and its gradient.

    Parameters
    ----------
    function
        A function of arrays, models or trees of them that gives one real number (an array of shape `()`); with
        `aux=True`, a pair of that and anything else.
    argnums
        The position, or a tuple of positions, of the arguments to differentiate with respect to.
    aux
        Whether `function` gives `(loss, auxiliary)`; the result is then `((loss, auxiliary), gradient)`.

    Returns
    -------
    callable
        Takes what `function` takes and gives `(value, gradient)`. The gradient has the shape of the argument: an
        array for an array, a model for a model (what is not trained is carried along). Treat gradients as read-only:
        two may share memory. For complex arguments it is PyTorch's: the direction of steepest ascent.

    Raises
    ------
    TypeError
        If an argument holds integers or no arrays, or the result is not a real array.
    ValueError
        If the result is not a single number, or does not depend on any parameter of a model.

    Examples
    --------
    >>> import numpy
    >>> value_and_grad(lambda w: (w * w).__array_namespace__().sum(w * w))(numpy.asarray([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    positions = positions_of(argnums)

    def call(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        tape = Tape()
        args, inputs, rebuild = lift(tape, function, args, positions)
        try:
            result = function(*args, **kwargs)
        except TypeError as error:
            advise(error)
            raise
        finally:
            tape.closed = True
        y, auxiliary = split_auxiliary(result, function, aux)
        y = from_number(y) if type(y) is float else y
        check_loss(y, function)
        value = lower(y, tape)
        gradients = gradients_of(tape, y, one_like(value), inputs, differentiated=[args[p] for p in positions])
        shaped = tuple(build(gradients[start:stop]) for start, stop, build in rebuild)
        gradient = shaped[0] if isinstance(argnums, int) else shaped
        return ((value, lower_tree(auxiliary, tape)) if aux else value), gradient

    return call


def grad(function: Callable[..., Any], *, argnums: Argnums = 0, aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of `function`; with `aux=True`, `(gradient, auxiliary)`.

    See `value_and_grad`. Gradients of gradients nest.

    Examples
    --------
    >>> float(grad(lambda x: x**3)(2.0))
    12.0
    >>> float(grad(grad(lambda x: x**3))(2.0))
    12.0
    """
    both = value_and_grad(function, argnums=argnums, aux=aux)

    def call(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if aux else gradient

    return call


def vjp(function: Callable[..., Any], *args: Any, aux: bool = False) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of `function(*args)`, and the function from a gradient of the value to the gradients of the arguments.

    The value may be an array of any shape, or a tree of arrays; with `aux=True` the function gives a pair of that and
    anything else, and the first result is `(value, auxiliary)`. The second result takes a gradient of the same shape
    (the vector of the vector-Jacobian product) any number of times, as long as the arrays that went in, a model's
    parameters among them, are not written to: they are kept, not copied. It costs one walk back.

    Raises
    ------
    TypeError
        If an argument holds integers or no arrays, or the value holds something that is not a floating-point array.
        From the second result, if the gradient given has not the dtype of the value.
    ValueError
        From the second result, if the gradient given has not the shape of the value.

    Examples
    --------
    >>> import numpy
    >>> y, back = vjp(lambda x: x * x, numpy.asarray([1.0, 2.0]))
    >>> back(numpy.asarray([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    run = record(function, args, range(len(args)), aux=aux)
    names = names_of(run.value)
    outputs, walk, shaped = run.outputs, run.back, run.shaped

    def back(dy: Tree) -> tuple[Any, ...]:
        return shaped(walk(fitted("a gradient of the value", dy, names, outputs)))

    return ((run.value, run.auxiliary) if aux else run.value), back


def stop_gradient(tree: Tree) -> Tree:
    """`tree` with its arrays taken as constants: no gradient passes.

    Examples
    --------
    >>> float(grad(lambda x: x * stop_gradient(x))(3.0))
    3.0
    """
    return tree_map(_stopped, tree)


def _stopped(x: Any) -> Any:
    if type(x) is Tensor:
        return constant(plain(x))
    if x is None or isinstance(x, int | float | complex | str) or hasattr(x, "dtype"):
        return x
    raise TypeError(
        f"stop_gradient expected arrays, or models, dictionaries, lists and tuples of them, got {type(x).__name__}, in "
        "which a Tensor could hide"
    )
