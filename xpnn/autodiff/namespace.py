"""The differentiable Array API namespace: what `x.__array_namespace__()` of a Tensor gives.

It stands on an array library's namespace and has four kinds of names:

- functions with a derivative, from the rule files;
- functions without one (comparisons, `argmax`, rounding: constant almost everywhere), which run on the plain arrays
  and give Tensors off the path; they are listed below;
- functions that make arrays (`zeros`, `arange`, …), whose results are constants;
- dtypes and numbers, which are the library's own.

Any other name raises: nothing loses a gradient silently.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from xpnn.arrays.namespaces import Namespace, namespace_of
from xpnn.autodiff import elementwise, linalg, reductions, shaping, tensor, trigonometry
from xpnn.autodiff.tape import constant, plain
from xpnn.autodiff.tensor import Tensor

__all__ = ["DifferentiableNamespace", "namespace_over"]

WITHOUT_DERIVATIVE = frozenset(
    # comparisons and tests
    "all any count_nonzero equal greater greater_equal isfinite isin isinf isnan less less_equal logical_and "
    "logical_not logical_or logical_xor not_equal signbit "
    # positions
    "argmax argmin argsort nonzero searchsorted "
    # integers
    "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor "
    # constant almost everywhere: the derivative is 0
    "ceil floor floor_divide round trunc".split()
)
CREATION = frozenset(
    "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like zeros "
    "zeros_like".split()
)
PLAIN = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 e inf nan newaxis pi "
    "finfo iinfo isdtype can_cast result_type broadcast_shapes __array_namespace_info__ __array_api_version__".split()
)


def _functions_of(module: ModuleType) -> dict[str, Any]:
    """The public functions that a rule file defines itself."""
    own = vars(module).items()
    return {name: f for name, f in own if not name.startswith("_") and getattr(f, "__module__", "") == module.__name__}


_RULE_FILES = (elementwise, trigonometry, reductions, shaping, linalg)
RULES = {name: rule for module in _RULE_FILES for name, rule in _functions_of(module).items()}
_HELPERS = ("clip_between", "spread", "transpose", "getitem", "diagonal")
STANDARD_RULES = {name: rule for name, rule in RULES.items() if name not in _HELPERS}
_LINALG = ("matmul", "matrix_transpose", "outer", "tensordot", "trace", "vecdot", "vector_norm", "diagonal")
_ONLY_LINALG = ("outer", "trace", "vector_norm")


def without_derivative(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of plain arrays, taking Tensors and giving Tensors off the path."""

    def call(*args: Any, **kwargs: Any) -> Any:
        plain_args = [plain(argument) for argument in args]
        plain_kwargs = {name: plain(option) for name, option in kwargs.items()}
        return _off_path(function(*plain_args, **plain_kwargs))

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = function.__doc__
    return call


def _creation(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose result is a constant, so that no Tensor on the path may go into it."""
    first = 1 if name.endswith("_like") else 0  # there only shape and dtype of the first argument count

    def call(*args: Any, **kwargs: Any) -> Any:
        if _holds_path([*args[first:], *kwargs.values()]):
            raise TypeError(
                f"{name} of a Tensor on the way to a gradient would lose the gradient: build the result with "
                f"xp.broadcast_to, xp.stack or products, such as x * xp.ones(shape)"
            )
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    return call


def _off_path(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)([_off_path(part) for part in value])
    return constant(value) if hasattr(value, "dtype") else value


class DifferentiableNamespace:
    """The Array API functions over the arrays of another namespace, with derivatives."""

    def __init__(self, stands_on: Namespace) -> None:
        self.stands_on = stands_on
        self.__name__ = f"differentiable {stands_on.__name__}"

    def __getattr__(self, name: str) -> Any:
        value = self._find(name)
        setattr(self, name, value)  # found once
        return value

    def __dir__(self) -> list[str]:
        return sorted({*STANDARD_RULES, *WITHOUT_DERIVATIVE, *CREATION, *PLAIN, "linalg"} - {*_ONLY_LINALG})

    def _find(self, name: str) -> Any:
        if name in STANDARD_RULES and name not in _ONLY_LINALG:
            return STANDARD_RULES[name]
        if name == "linalg":
            return SimpleNamespace(**{function: RULES[function] for function in _LINALG})
        if name == "asarray":
            return self._asarray
        if name in WITHOUT_DERIVATIVE:
            return without_derivative(getattr(self.stands_on, name))
        if name in CREATION:
            return _creation(name, without_derivative(getattr(self.stands_on, name)))
        if name in PLAIN:
            return getattr(self.stands_on, name)
        if hasattr(self.stands_on, name) and not name.startswith("_"):
            raise AttributeError(
                f"{name} has no derivative rule in xpnn: give it one with @xpnn.differentiable, or take "
                f"xpnn.stop_gradient(x) if no gradient is meant to pass"
            )
        raise AttributeError(f"the differentiable namespace over {self.stands_on.__name__} has no {name}")

    def _asarray(self, x: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
        """`x` as a Tensor; a Tensor stays on its path."""
        if type(x) is Tensor:
            return x if dtype is None or dtype == x.dtype else RULES["astype"](x, dtype)
        if _holds_path(x):
            raise TypeError("asarray of a list of Tensors would lose their gradients: use xp.stack")
        return constant(self.stands_on.asarray(plain(x), dtype=dtype, device=device, copy=copy))


def _holds_path(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(_holds_path(part) for part in x)
    return type(x) is Tensor and x._tape is not None


_over: dict[int, DifferentiableNamespace] = {}


def namespace_over(xp: Namespace) -> DifferentiableNamespace:
    """The differentiable namespace that stands on `xp`; the same object each time."""
    found = _over.get(id(xp))
    if found is None:
        found = _over[id(xp)] = DifferentiableNamespace(xp)
    return found


class _Rules:
    """What a Tensor's operators run: the rules, and functions without a derivative over whatever the arguments hold."""

    namespace_over = staticmethod(namespace_over)


for _name, _rule in RULES.items():
    setattr(_Rules, _name, staticmethod(_rule))


def _of_operands(name: str) -> Callable[[Any, Any], Any]:
    def call(*args: Any) -> Any:
        inner = [plain(argument) for argument in args]
        if not all(isinstance(x, int | float | complex) or hasattr(x, "dtype") for x in inner):
            return NotImplemented
        return constant(getattr(namespace_of(*inner), name)(*inner))

    return call


for _name in WITHOUT_DERIVATIVE:
    setattr(_Rules, _name, staticmethod(_of_operands(_name)))
tensor.rules = _Rules
