"""Functions of functions: from a function to its derivative.

    value, gradients = value_and_grad(loss)(model, x, t)

A transform puts Tensors in the place of the arrays that it differentiates with respect to, runs the function once,
and walks the tape back. Nothing is stored on the model and nothing needs to be zeroed; gradients are returned, in the
shape of the argument: for a model they are a model whose parameters are the gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xpnn.arrays.namespaces import Array, array_device, is_complex, is_floating, namespace_of
from xpnn.arrays.native import from_number
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.autodiff.tape import Tape, constant, plain
from xpnn.autodiff.tensor import Tensor

__all__ = ["grad", "stop_gradient", "value_and_grad", "vjp"]

Argnums = int | tuple[int, ...]


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

    def call(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        tape = Tape()
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        args, inputs, rebuild = _lifted(tape, function, args, positions)
        try:
            result = function(*args, **kwargs)
        finally:
            tape.closed = True
        y, auxiliary = result if aux else (result, None)
        y = from_number(y) if type(y) is float else y
        _check_scalar(y)
        value = _lowered(y, tape)
        gradients = _gradients(tape, y, _one_like(value), inputs, differentiated=[args[p] for p in positions])
        shaped = tuple(build(gradients[start:stop]) for start, stop, build in rebuild)
        gradient = shaped[0] if isinstance(argnums, int) else shaped
        return ((value, _lowered_tree(auxiliary, tape)) if aux else value), gradient

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


def vjp(function: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of `function(*args)`, and the function from a gradient of the value to the gradients of the arguments.

    The value may be an array of any shape, or a tree of arrays. The second result takes a gradient of the same shape
    (the vector of the vector-Jacobian product) any number of times, as long as the arrays that went in, a model's
    parameters among them, are not written to: they are kept, not copied.

    Raises
    ------
    TypeError
        If an argument holds integers or no arrays, or the value holds something that is not an array.
    ValueError
        From the second result, if the gradient given has not the shape of the value.

    Examples
    --------
    >>> import numpy
    >>> y, back = vjp(lambda x: x * x, numpy.asarray([1.0, 2.0]))
    >>> back(numpy.asarray([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    tape = Tape()
    lifted, inputs, rebuild = _lifted(tape, function, args, tuple(range(len(args))))
    try:
        outputs, build_value = flatten(function(*lifted))
    finally:
        tape.closed = True
    outputs = [_array(y, function) for y in outputs]
    value = build_value([_lowered(y, tape) for y in outputs])

    def back(dy: Tree) -> tuple[Any, ...]:
        dys, _ = flatten(dy)
        if [d.shape for d in dys] != [y.shape for y in outputs]:
            raise ValueError(
                f"expected a gradient of the value, of shapes {[y.shape for y in outputs]}, "
                f"got {[d.shape for d in dys]}"
            )
        totals: list[Array] | None = None
        for y, one in zip(outputs, dys, strict=True):
            found = _gradients(tape, y, one, inputs, keep=True)
            totals = found if totals is None else [a + b for a, b in zip(totals, found, strict=True)]
        return tuple(build((totals or [])[start:stop]) for start, stop, build in rebuild)

    return value, back


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


def _lifted(tape: Tape, function: Any, args: tuple[Any, ...], positions: tuple[int, ...]) -> Any:
    """The arguments with Tensors in them, the Tensors, and for each differentiated argument the way to rebuild it."""
    lifted, inputs, rebuild = list(args), list[Tensor](), []
    for position in positions:
        if not -len(args) <= position < len(args):
            raise ValueError(f"argnums names argument {position}, but the function was called with {len(args)}")
    if len({position % len(args) for position in positions}) < len(positions):
        raise ValueError(f"argnums names an argument twice: {positions} of {len(args)}")
    for position in positions:
        leaves, build = flatten(args[position])
        variables = [tape.variable(_floating(leaf, function, position)) for leaf in leaves]
        lifted[position] = build(variables)
        rebuild.append((len(inputs), len(inputs) + len(variables), build))
        inputs += variables
    return tuple(lifted), inputs, rebuild


def _floating(leaf: Any, function: Any, position: int) -> Array:
    """`leaf` as an array that can be differentiated with respect to."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is None and isinstance(leaf, float | complex):
        return from_number(leaf)
    if dtype is None or not is_floating(dtype):
        kind = f"an array of {leaf.dtype}" if hasattr(leaf, "dtype") else f"{type(leaf).__name__} {leaf!r:.40}"
        raise TypeError(
            f"cannot differentiate {getattr(function, '__name__', 'the function')} with respect to argument "
            f"{position}: expected floating-point arrays, got {kind}"
        )
    return leaf


def _array(y: Any, function: Any) -> Array:
    """`y`, part of the value of `function`, as an array."""
    if type(y) is float:
        return from_number(y)
    if not hasattr(y, "shape"):
        name = getattr(function, "__name__", "the function")
        raise TypeError(f"expected {name} to give arrays, got {type(y).__name__} {y!r:.40}")
    return y


def _check_scalar(y: Any) -> None:
    if not hasattr(y, "shape"):
        raise TypeError(f"expected the function to give an array of shape () (a loss), got {type(y).__name__}")
    if y.shape != ():
        raise ValueError(
            f"expected the function to give one number (a loss), got shape {y.shape}: take a mean or a sum"
        )
    if is_complex(y.dtype):
        raise TypeError(
            f"expected the function to give a real loss, got {y.dtype}: take its absolute value or real part"
        )


def _first_model(arguments: Sequence[Any]) -> str:
    """The class name of the first argument that is a model, or ''."""
    return next((type(argument).__name__ for argument in arguments if hasattr(type(argument), "tree_flatten")), "")


def _gradients(
    tape: Tape, y: Any, dy: Array, inputs: list[Tensor], *, keep: bool = False, differentiated: Sequence[Any] = ()
) -> list[Array]:
    """The gradient for each input, zeros where `y` does not depend on it."""
    if type(y) is Tensor and y._tape not in (tape, None) and (y._tape.closed or y._tape.level > tape.level):
        raise RuntimeError(
            "the function gave a Tensor of a differentiation that has ended: return it from there as an auxiliary value"
        )
    if type(y) is Tensor and y._tape is tape:
        found = tape.gradients(y, dy, inputs, keep=keep)
    elif model := _first_model(differentiated):
        raise ValueError(
            f"the loss does not depend on any parameter of the {model}: the function must use the model it is given, "
            "and the model must have parameters that are not frozen"
        )
    else:
        found = [None] * len(inputs)
    return _own([_zeros_like(x._value) if g is None else g for x, g in zip(inputs, found, strict=True)])


def _own(gradients: list[Array]) -> list[Array]:
    """The gradients, each an object of its own: a sum hands one and the same gradient to both its terms."""
    seen: set[int] = set()
    for position, gradient in enumerate(gradients):
        if id(gradient) in seen:
            gradients[position] = +gradient
        seen.add(id(gradient))
    return gradients


def _lowered(y: Any, tape: Tape) -> Any:
    """The value inside `y` if it belongs to this differentiation or is a constant."""
    return y._value if type(y) is Tensor and (y._tape is tape or y._tape is None) else y


def _lowered_tree(tree: Tree, tape: Tape) -> Tree:
    return tree_map(lambda x: _lowered(x, tape), tree)


def _one_like(y: Array) -> Array:
    """A gradient to start from, at the level of `y`."""
    one = plain(y) ** 0  # 1 for infinity and NaN too
    return constant(one) if type(y) is Tensor else one


def _zeros_like(x: Array) -> Array:
    inner = plain(x)
    zeros = namespace_of(inner).zeros(inner.shape, dtype=inner.dtype, device=array_device(inner))
    return constant(zeros) if type(x) is Tensor else zeros
