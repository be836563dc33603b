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
from difflib import get_close_matches
from functools import wraps
from types import ModuleType
from typing import Any, NoReturn

from xpnn.arrays.namespaces import Namespace, is_complex, namespace_of
from xpnn.autodiff import tensor, writing
from xpnn.autodiff.numpy_names import STANDARD_NAMES
from xpnn.autodiff.rules import (
    choosing,
    decompositions,
    eigenvalues,
    einsum,
    elementwise,
    error_functions,
    fourier,
    gamma_functions,
    incomplete_functions,
    indexing,
    linalg,
    logarithms,
    norms,
    ordering,
    reductions,
    shaping,
    special,
    trigonometry,
)
from xpnn.autodiff.tape import constant, plain
from xpnn.autodiff.tensor import Tensor
from xpnn.autodiff.where import at, user_line

__all__ = ["DifferentiableNamespace", "namespace_over"]

_REASONS = {
    "gives truth values or counts": "all any count_nonzero equal greater greater_equal isfinite isin isinf isnan less "
    "less_equal logical_and logical_not logical_or logical_xor not_equal signbit",
    "gives positions": "argmax argmin argsort nonzero searchsorted",
    "is defined for integers": "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift "
    "bitwise_xor",
    "is constant almost everywhere: its derivative is 0": "ceil floor floor_divide round trunc",
}
WITHOUT_DERIVATIVE = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""The functions of the standard that have no derivative, or 0, each with the reason."""

LINALG_WITHOUT_DERIVATIVE = {"matrix_rank": "gives a count"}
FFT_WITHOUT_DERIVATIVE = dict.fromkeys(("fftfreq", "rfftfreq"), "makes an array")
CREATION = frozenset(
    "arange asarray empty empty_like eye from_dlpack full full_like linspace ones ones_like zeros zeros_like".split()
)
_WITH_TENSORS = ("asarray", "full", "full_like")  # whose numbers may be Tensors on the path
PLAIN = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 e inf nan newaxis pi "
    "finfo iinfo isdtype can_cast result_type broadcast_shapes __array_namespace_info__ __array_api_version__".split()
)
_ARRAY_LIKE = (bool, int, float, complex, list, tuple, memoryview, bytes, bytearray)
_OF_DTYPES = ("finfo", "iinfo", "isdtype", "can_cast", "result_type", "broadcast_shapes")


def _of_dtypes(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of dtypes, or of arrays whose dtype is asked, taking Tensors too."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(plain, args), **kwargs)

    return call


def _functions_of(module: ModuleType) -> dict[str, Any]:
    """The public functions that a rule file defines itself."""
    own = {name: f for name, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__}
    return {name: f for name, f in own.items() if not name.startswith("_") and not isinstance(f, type)}


_HELPERS = ("transpose", "getitem", "real_pair", "finite_maximum")
_FILES = (elementwise, choosing, trigonometry, reductions, shaping, indexing, ordering, einsum)
_IN_BOTH = ("matmul", "matrix_transpose", "tensordot", "vecdot")  # of xp.linalg and of xp
_LINALG_FILES = (linalg, norms, decompositions, eigenvalues)

LINALG_RULES = {name: rule for module in _LINALG_FILES for name, rule in _functions_of(module).items()}
LINALG_RULES["matrix_transpose"] = shaping.matrix_transpose
FFT_RULES = _functions_of(fourier)
_SPECIAL_FILES = (special, logarithms, error_functions, gamma_functions, incomplete_functions)
SPECIAL_RULES = {name: rule for module in _SPECIAL_FILES for name, rule in _functions_of(module).items()}
SPECIAL_RULES = {name: rule for name, rule in SPECIAL_RULES.items() if name not in _HELPERS}
SPECIAL_RULES["psi"] = gamma_functions.digamma  # SciPy's name
_OWN = {name: rule for module in _FILES for name, rule in _functions_of(module).items()}
RULES = _OWN | {name: LINALG_RULES[name] for name in _IN_BOTH}
STANDARD_RULES = {name: rule for name, rule in RULES.items() if name not in _HELPERS}


def without_derivative(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of plain arrays, taking Tensors and giving Tensors off the path."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        plain_args = [plain(argument) for argument in args]
        plain_kwargs = {name: plain(option) for name, option in kwargs.items()}
        return _off_path(function(*plain_args, **plain_kwargs))

    return call


def _creation(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose result is a constant, so that no Tensor on the path may go into it."""
    first = 1 if name.endswith("_like") else 0  # there only shape and dtype of the first argument count

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _holds_path([*args[first:], *kwargs.values()]):
            raise TypeError(
                f"{name} of a Tensor on the way to a gradient would lose the gradient: build the result with "
                f"xp.broadcast_to, xp.stack or products, such as x * xp.ones(shape){at(user_line())}"
            )
        return function(*args, **kwargs)

    return call


def _off_path(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)([_off_path(part) for part in value])
    return constant(value) if hasattr(value, "dtype") else value


class _Extension:
    """`xp.linalg` or `xp.fft`: the rules, and functions without a derivative, over the extension of another namespace.

    Functions are found when first asked for, as in the namespace itself.
    """

    def __init__(self, name: str, stands_on: Any, rules: dict[str, Any], underived: dict[str, str]) -> None:
        self.__name__, self.stands_on = name, stands_on
        self._rules, self._underived = rules, underived

    def __getattr__(self, name: str) -> Any:
        if name in ("stands_on", "_rules"):  # of a copy that is not filled yet
            raise AttributeError(name)
        value = self._find(name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self._rules, *self._underived})

    def _find(self, name: str) -> Any:
        if name in self._rules:
            return self._rules[name]
        if name in self._underived:
            return without_derivative(getattr(self.stands_on, name))
        _refuse_name(name, self)


def _refuse_name(name: str, namespace: Any) -> NoReturn:
    if written := STANDARD_NAMES.get(name) or (f"xpnn.special.{name}" if name in SPECIAL_RULES else ""):
        raise AttributeError(f"the {namespace.__name__} has no {name}: write {written}{at(user_line())}")
    if near := get_close_matches(name, dir(namespace), 1, 0.8):
        raise AttributeError(f"the {namespace.__name__} has no {name}: did you mean {near[0]}?{at(user_line())}")
    if hasattr(namespace.stands_on, name) and not name.startswith("_"):
        raise AttributeError(
            f"{name} has no derivative rule in xpnn: give it one with @xpnn.differentiable, or take "
            f"xpnn.stop_gradient(x) if no gradient is meant to pass{at(user_line())}"
        )
    raise AttributeError(f"the {namespace.__name__} has no {name}{at(user_line())}")


class DifferentiableNamespace:
    """The Array API functions over the arrays of another namespace, with derivatives."""

    def __init__(self, stands_on: Namespace) -> None:
        self.stands_on = stands_on
        self.__name__ = f"differentiable namespace over {stands_on.__name__}"

    def __getattr__(self, name: str) -> Any:
        if name == "stands_on":  # of a copy that is not filled yet
            raise AttributeError(name)
        value = self._find(name)
        setattr(self, name, value)  # found once
        return value

    def __dir__(self) -> list[str]:
        return sorted({*STANDARD_RULES, *WITHOUT_DERIVATIVE, *CREATION, *PLAIN, "linalg", "fft"})

    def _find(self, name: str) -> Any:
        below = self.stands_on
        if name in STANDARD_RULES:
            return STANDARD_RULES[name]
        if name == "linalg":
            title = f"linalg of the {self.__name__}"
            return _Extension(title, below.linalg, LINALG_RULES, LINALG_WITHOUT_DERIVATIVE)
        if name == "fft":
            return _Extension(f"fft of the {self.__name__}", below.fft, FFT_RULES, FFT_WITHOUT_DERIVATIVE)
        if name == "special":  # no part of the standard yet, but where SciPy's special functions look for rules
            return _Extension(f"special of the {self.__name__}", below, SPECIAL_RULES, {})
        if name in _WITH_TENSORS:
            return getattr(self, f"_{name}")
        if name in WITHOUT_DERIVATIVE:
            return without_derivative(getattr(below, name))
        if name in CREATION:
            return _creation(name, without_derivative(getattr(below, name)))
        if name in PLAIN:
            return _of_dtypes(getattr(below, name)) if name in _OF_DTYPES else getattr(below, name)
        _refuse_name(name, self)

    def _asarray(self, x: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
        """`x` as a Tensor; a Tensor stays on its path."""
        if _holds_path(x):
            if type(x) is not Tensor:
                x = self._stacked(x)
            elif copy:
                x = RULES["positive"](x)
            x = x if dtype is None or dtype == x.dtype else RULES["astype"](x, dtype)
            return x if device is None else x.to_device(device)
        if not isinstance(x, _ARRAY_LIKE) and not hasattr(x, "dtype") and not hasattr(x, "__array__"):
            raise TypeError(f"asarray expected an array, a number or a nest of lists, got {type(x).__name__}")
        if type(x) is Tensor and not copy and dtype in (None, x.dtype) and device in (None, x.device):
            return x
        return constant(self.stands_on.asarray(plain(x), dtype=dtype, device=device, copy=copy))

    def _full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
        """An array of one repeated element, which may be a Tensor of shape ()."""
        if not _holds_path(fill_value):
            return constant(self.stands_on.full(shape, plain(fill_value), dtype=dtype, device=device))
        y = self._asarray(fill_value, dtype=dtype, device=device)
        return RULES["broadcast_to"](y, (shape,) if isinstance(shape, int) else tuple(shape))

    def _full_like(self, x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
        """An array of the shape and dtype of `x` with one repeated element, which may be a Tensor of shape ()."""
        if not _holds_path(fill_value):
            return constant(self.stands_on.full_like(plain(x), plain(fill_value), dtype=dtype, device=device))
        return self._full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)

    def _stacked(self, x: Any) -> Any:
        """A nest of lists and tuples of numbers and Tensors as one Tensor; a nest of numbers alone as it is."""
        if not _holds_path(x) or not isinstance(x, list | tuple):
            return x
        parts = [self._stacked(part) for part in x]
        like = next(part for part in parts if _holds_path(part))
        arrays = [p if hasattr(p, "dtype") else self._numbers_like(p, like) for p in parts]
        dtype = self.stands_on.result_type(*(plain(array) for array in arrays))
        return RULES["stack"]([a if a.dtype == dtype else RULES["astype"](a, dtype) for a in arrays])

    def _numbers_like(self, numbers: Any, like: Any) -> Any:
        """A number, or a nest of numbers, beside `like`: complex if there is a complex one, else of its dtype."""
        found = constant(self.stands_on.asarray(plain(numbers), device=like.device))
        complex_beside_real = is_complex(found.dtype) and not is_complex(like.dtype)
        dtype = self.stands_on.result_type(plain(like), 1j) if complex_beside_real else like.dtype
        return RULES["astype"](found, dtype)


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
    write = staticmethod(writing.write)
    replace = staticmethod(writing.replace)


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
