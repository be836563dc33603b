"""The differentiable namespace: every name of the standard is a rule, a constant, or refused by name."""

import copy
import re
from pathlib import Path

import array_api_strict
import numpy
import pytest

import xpnn
from xpnn import grad
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.autodiff.namespace import (
    CREATION,
    FFT_RULES,
    LINALG_RULES,
    LINALG_WITHOUT_DERIVATIVE,
    PLAIN,
    STANDARD_RULES,
    WITHOUT_DERIVATIVE,
    DifferentiableNamespace,
    namespace_over,
    without_derivative,
)
from xpnn.autodiff.numpy_names import STANDARD_NAMES
from xpnn.autodiff.tape import constant

DEVICE1 = array_api_strict.Device("device1")
NUMPY = namespace_of(numpy.ones(1))
OVER = {"numpy": namespace_over(NUMPY), "strict": namespace_over(array_api_strict)}
X = numpy.asarray([0.5, -1.5, 2.25])

# The standard's functions, version 2024.12, without constants, dtypes and the extensions
STANDARD = (
    "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros "
    "zeros_like astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type abs acos acosh add asin "
    "asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor "
    "ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag "
    "isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or "
    "logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder round "
    "sign signbit sin sinh square sqrt subtract tan tanh trunc take take_along_axis __array_namespace_info__ matmul "
    "matrix_transpose tensordot vecdot concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze "
    "stack tile unstack argmax argmin count_nonzero nonzero searchsorted where unique_all unique_counts "
    "unique_inverse unique_values argsort sort cumulative_prod cumulative_sum max mean min prod std sum var all any "
    "diff"
).split()
LATER = {"broadcast_shapes", "isin"}  # of version 2025.12: there if the library below has them


def total(x):
    return namespace_of(x).sum(x)


def on_path(look):
    """What `look` sees of a Tensor on the path, for X."""
    seen = []
    grad(lambda x: seen.append(look(x)) or total(x))(X)
    return seen[0]


# What it is


def test_a_tensor_gives_its_namespace_and_functions_find_it():
    xp = on_path(lambda x: x.__array_namespace__())
    assert isinstance(xp, DifferentiableNamespace)
    assert xp is OVER["numpy"]
    assert on_path(lambda x: x.__array_namespace__(api_version="2024.12")) is xp
    assert on_path(lambda x: namespace_of(x, X)) is xp
    assert on_path(lambda x: namespace_of(X, 2.0, x)) is xp
    assert xp.stands_on is NUMPY


def test_one_namespace_serves_all_levels():
    seen = []
    grad(lambda x: seen.append(namespace_of(x)) or grad(lambda y: seen.append(namespace_of(x, y)) or x * y)(x))(2.0)
    assert seen[0] is seen[1] is OVER["numpy"]


def test_namespaces_over_different_libraries_do_not_mix():
    x = array_api_strict.ones(3)
    with pytest.raises(TypeError, match="arrays of numpy and of array_api_strict"):
        grad(lambda y: namespace_of(y, x))(2.0)


def test_array_api_compat_takes_a_tensor_for_an_array():
    from array_api_compat import array_namespace, is_array_api_obj

    assert on_path(is_array_api_obj)
    assert on_path(array_namespace) is OVER["numpy"]


@pytest.mark.parametrize("xp", OVER.values(), ids=OVER)
def test_facts_are_those_of_the_library_below(xp):
    below = xp.stands_on
    assert xp.float32 is below.float32
    assert xp.pi == numpy.pi
    assert xp.newaxis is None
    assert xp.isdtype(xp.float64, "real floating")
    assert xp.finfo(xp.float32).bits == 32
    assert xp.__array_api_version__ == below.__array_api_version__
    assert xp.__array_namespace_info__().default_dtypes() == below.__array_namespace_info__().default_dtypes()
    assert below.__name__ in xp.__name__


# Names


@pytest.mark.parametrize("xp", OVER.values(), ids=OVER)
def test_every_listed_name_is_there(xp):
    names = dir(xp)
    assert len(names) >= 150
    for name in names:
        if name not in LATER or hasattr(xp.stands_on, name):
            getattr(xp, name)


def test_every_function_of_the_standard_is_there():
    assert set(STANDARD) <= set(dir(OVER["numpy"]))


@pytest.mark.parametrize("extension", ["linalg", "fft"])
def test_every_function_of_the_extensions_is_there_and_nothing_else(extension):
    expected = {
        "linalg": "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank "
        "matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm eig eigvals",
        "fft": "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift",
    }
    found = getattr(OVER["numpy"], extension)
    assert set(dir(found)) == set(expected[extension].split())
    for name in dir(found):
        getattr(found, name)
    with pytest.raises(AttributeError, match="nonsense"):
        found.nonsense  # noqa: B018


def test_the_list_holds_nothing_beyond_the_standard():
    dtypes = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
    beyond = set(dir(OVER["numpy"])) - set(STANDARD) - set(dtypes) - LATER
    assert beyond == {"__array_api_version__", "e", "einsum", "fft", "inf", "linalg", "nan", "newaxis", "pi"}


def test_the_kinds_of_names_do_not_overlap():
    kinds = [set(STANDARD_RULES), set(WITHOUT_DERIVATIVE), set(CREATION), set(PLAIN)]
    assert sum(map(len, kinds)) == len(set.union(*kinds))


@pytest.mark.parametrize("name", ["random", "unwrap"])
def test_what_the_library_has_beyond_is_refused_by_name(name):
    with pytest.raises(AttributeError, match=f"{name} has no derivative rule in xpnn"):
        getattr(OVER["numpy"], name)


@pytest.mark.parametrize("name", ["nonsense", "relu", "__wrapped__", "_private", "__path__"])
def test_what_nobody_has_is_refused_by_name(name):
    with pytest.raises(AttributeError, match=f"differentiable namespace over .* has no {name}"):
        getattr(OVER["strict"], name)
    assert not hasattr(OVER["strict"], name)


def test_linalg_has_what_has_a_rule_and_refuses_the_rest_by_name():
    linalg = OVER["numpy"].linalg
    assert linalg.matmul is OVER["numpy"].matmul
    for name in ("lstsq", "nonsense"):
        with pytest.raises(AttributeError, match=rf"{name}.*\(at test_namespace\.py:\d+\)"):
            getattr(linalg, name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("concatenate", "write xp.concat"),
        ("arctan2", "write xp.atan2"),
        ("outer", "write xp.linalg.outer"),
        ("dot", "write xp.matmul"),
        ("gammaln", "write xpnn.special.gammaln"),
        ("cumulativ_sum", "did you mean cumulative_sum?"),
    ],
)
def test_a_name_of_numpy_or_a_misspelt_one_is_answered_by_the_right_one(name, advice):
    with pytest.raises(AttributeError, match=rf"has no {name}.*{re.escape(advice)}.*\(at test_namespace\.py:\d+\)"):
        getattr(OVER["numpy"], name)


def test_what_numpy_calls_otherwise_is_of_the_standard():
    for advice in STANDARD_NAMES.values():
        for path in re.findall(r"xp\.([a-z0-9_.]+)", advice):
            found = OVER["numpy"]
            for part in path.split("."):
                found = getattr(found, part)


def test_a_namespace_can_be_copied():
    assert copy.copy(OVER["numpy"]).add is OVER["numpy"].add
    assert copy.copy(OVER["numpy"].linalg).inv is OVER["numpy"].linalg.inv


def test_the_page_lists_every_name_where_it_belongs():
    page = (Path(__file__).parents[2] / "docs" / "namespace.md").read_text(encoding="utf-8")
    derived, _, rest = page.partition("## Functions with a derivative")[2].partition("## Functions without one")
    table = rest.partition("## ")[0]
    lines = [line.partition(":**") for line in re.sub(r"\n(?=`)", " ", derived).splitlines() if line.startswith("**")]
    listed = {title.strip("* `"): set(re.findall(r"`([^`]+)`", names)) for title, _, names in lines}
    assert listed.pop("xp.linalg") == set(LINALG_RULES)
    assert listed.pop("xp.fft") == set(FFT_RULES)
    assert set.union(*listed.values()) == set(STANDARD_RULES)
    reasons = {}
    for names, reason in re.findall(r"^\| (`.*`) \| (.*) \|$", table, flags=re.MULTILINE):
        reasons |= dict.fromkeys(re.findall(r"`([^`]+)`", names), reason)
    linalg = {f"linalg.{name}": reason for name, reason in LINALG_WITHOUT_DERIVATIVE.items()}
    assert reasons == WITHOUT_DERIVATIVE | linalg


def test_names_are_found_once(monkeypatch):
    xp = DifferentiableNamespace(NUMPY)
    found = xp.floor
    monkeypatch.setattr(DifferentiableNamespace, "_find", lambda self, name: pytest.fail(f"{name} was looked up again"))
    assert xp.floor is found


# Functions without a derivative


CONSTANT_CALLS = {
    "all": lambda xp, x: xp.all(x),
    "any": lambda xp, x: xp.any(x),
    "count_nonzero": lambda xp, x: xp.count_nonzero(x),
    "equal": lambda xp, x: xp.equal(x, x),
    "greater": lambda xp, x: xp.greater(x, 0.0),
    "greater_equal": lambda xp, x: xp.greater_equal(x, x),
    "isfinite": lambda xp, x: xp.isfinite(x),
    "isin": lambda xp, x: xp.isin(x, x[:1]),
    "isinf": lambda xp, x: xp.isinf(x),
    "isnan": lambda xp, x: xp.isnan(x),
    "less": lambda xp, x: xp.less(x, 1.0),
    "less_equal": lambda xp, x: xp.less_equal(x, x),
    "logical_and": lambda xp, x: xp.logical_and(x > 0, x < 1),
    "logical_not": lambda xp, x: xp.logical_not(x > 0),
    "logical_or": lambda xp, x: xp.logical_or(x > 0, x < 1),
    "logical_xor": lambda xp, x: xp.logical_xor(x > 0, x < 1),
    "not_equal": lambda xp, x: xp.not_equal(x, 0.5),
    "signbit": lambda xp, x: xp.signbit(x),
    "argmax": lambda xp, x: xp.argmax(x),
    "argmin": lambda xp, x: xp.argmin(x, axis=0),
    "argsort": lambda xp, x: xp.argsort(x),
    "nonzero": lambda xp, x: xp.nonzero(x > 0)[0],
    "searchsorted": lambda xp, x: xp.searchsorted(xp.asarray([0.0, 1.0]), x),
    "bitwise_and": lambda xp, x: xp.bitwise_and(x > 0, x < 1),
    "bitwise_invert": lambda xp, x: xp.bitwise_invert(x > 0),
    "bitwise_left_shift": lambda xp, x: xp.bitwise_left_shift(xp.argsort(x), 1),
    "bitwise_or": lambda xp, x: xp.bitwise_or(x > 0, x < 1),
    "bitwise_right_shift": lambda xp, x: xp.bitwise_right_shift(xp.argsort(x), 1),
    "bitwise_xor": lambda xp, x: xp.bitwise_xor(x > 0, x < 1),
    "ceil": lambda xp, x: xp.ceil(x),
    "floor": lambda xp, x: xp.floor(x),
    "floor_divide": lambda xp, x: xp.floor_divide(x, 0.7),
    "round": lambda xp, x: xp.round(x),
    "trunc": lambda xp, x: xp.trunc(x),
    "sign": lambda xp, x: xp.sign(x),
}


def test_every_function_without_a_derivative_is_tried():
    assert set(WITHOUT_DERIVATIVE) - {"nextafter"} | {"sign"} == set(CONSTANT_CALLS)


@pytest.mark.parametrize("name", CONSTANT_CALLS)
def test_a_function_without_a_derivative_gives_its_value_off_the_path(name):
    y = on_path(lambda x: CONSTANT_CALLS[name](x.__array_namespace__(), x))
    assert "constant" in repr(y)
    numpy.testing.assert_array_equal(numpy.asarray(y), CONSTANT_CALLS[name](NUMPY, X))


@pytest.mark.parametrize("name", CONSTANT_CALLS)
def test_and_no_gradient_passes_through_it(name):
    call = CONSTANT_CALLS[name]

    def loss(x):
        xp = namespace_of(x)
        weight = xp.astype(call(xp, x), xp.float64)
        return total(x[: weight.shape[0]] * weight if weight.shape else x * weight)

    weight = CONSTANT_CALLS[name](NUMPY, X).astype("float64")
    expected = numpy.zeros(3)
    expected[: weight.shape[0] if weight.shape else 3] = weight
    numpy.testing.assert_array_equal(grad(loss)(X), expected)


def test_nextafter_follows_its_argument_so_its_gradient_is_not_dropped():
    # nextafter(x, inf) is x up to rounding, so its derivative is 1: a rule may say so, or it may raise, but not give 0
    def step(x):
        return total(namespace_of(x).nextafter(x, numpy.full(3, numpy.inf)))

    try:
        gradient = grad(step)(X)
    except (AttributeError, TypeError, ValueError):
        return
    assert gradient.tolist() == [1, 1, 1]


def test_they_take_tensors_of_all_levels_and_by_keyword():
    def f(x):
        return grad(lambda y: x * y * namespace_of(x, y).astype(namespace_of(x, y).greater(x, y), y.dtype))(1.0)

    assert grad(f)(2.0) == 1.0
    doubled = without_derivative(lambda x, *, add: [x + add, (x, "text")])
    found = doubled(constant(numpy.asarray(1.0)), add=constant(numpy.asarray(2.0)))
    assert float(found[0]) == 3.0
    assert "constant" in repr(found[1][0])
    assert found[1][1] == "text"


# On another library


def test_the_namespace_over_another_stays_on_its_device_and_reads_nothing(elsewhere):
    x = elsewhere.asarray(X)

    def loss(x):
        xp = namespace_of(x)
        y = xp.where(x > 0, xp.exp(x), xp.zeros_like(x)) + xp.ones(3, dtype=x.dtype, device=x.device)
        assert device_of(y) == elsewhere
        return total(y)

    with xpnn.testing.no_device_reads():
        gradient = grad(loss)(x)
    assert device_of(gradient) == elsewhere
    # one exponential: the last digit
    numpy.testing.assert_allclose(elsewhere.to_host(gradient), numpy.exp(X) * (X > 0), rtol=1e-15)


DEVICE2 = array_api_strict.Device("device2")


def test_arrays_are_made_where_they_are_asked_for():
    x = array_api_strict.asarray(X, device=DEVICE1)
    xp = OVER["strict"]
    for device in (DEVICE1, DEVICE2):
        for made in (
            xp.asarray([1.0, 2.0], device=device),
            xp.asarray(2.0, device=device),
            xp.asarray(constant(x), device=device),
            xp.full((2,), 3.0, device=device),
            xp.full_like(constant(x), 3.0, device=device),
            xp.zeros_like(constant(x), device=device),
        ):
            assert made.device == device
            assert "constant" in repr(made)
    assert xp.full_like(constant(x), 3.0).device == DEVICE1


def test_what_carries_a_gradient_stays_where_it_is():
    x = array_api_strict.asarray(X, device=DEVICE1)
    for make in (
        lambda xp, x, **device: xp.asarray(x, **device),
        lambda xp, x, **device: xp.asarray([x[0], 2.0, x[1] * x[2]], **device),
        lambda xp, x, **device: xp.full((3,), x[0], **device),
        lambda xp, x, **device: xp.full_like(x, x[0], **device),
    ):
        for options in ({}, {"device": DEVICE1}):
            gradient = grad(lambda x, make=make, o=options: total(make(namespace_of(x), x, **o) * x))(x)
            assert gradient.device == DEVICE1
        with pytest.raises(NotImplementedError, match="cannot move to another device"):
            grad(lambda x, make=make: total(make(namespace_of(x), x, device=DEVICE2)))(x)


def test_numbers_beside_tensors_take_their_device_and_dtype(elsewhere):
    x = elsewhere.asarray(X, dtype="float32")
    seen = []

    def f(x):
        y = namespace_of(x).asarray([[x[0], 2, 0.5], [1.5, x[1] * x[2], 0.0], [7, 8, 9]])
        seen.append(y)
        return total(y * y)

    gradient = grad(f)(x)
    assert (seen[0].shape, device_of(seen[0]), seen[0].dtype) == ((3, 3), elsewhere, elsewhere.xp.float32)
    assert (device_of(gradient), gradient.dtype) == (elsewhere, elsewhere.xp.float32)


@pytest.mark.parametrize("xp", [NUMPY, array_api_strict], ids=["numpy", "strict"])
def test_full_like_takes_the_dtype_of_its_first_argument(xp):
    x, y = (xp.asarray(X, dtype=dtype) for dtype in (xp.float32, xp.float64))
    dtypes = []

    def f(x, y):
        dtypes.append(namespace_of(x).full_like(x, y[0]).dtype)
        dtypes.append(namespace_of(x).full_like(x, y[0], dtype=xp.float64).dtype)
        dtypes.append(namespace_of(x).full_like(x, 2.0).dtype)
        return total(namespace_of(x).full_like(x, y[0]) * x)

    gradients = grad(f, argnums=(0, 1))(x, y)
    assert dtypes == [xp.float32, xp.float64, xp.float32]
    assert [gradient.dtype for gradient in gradients] == [xp.float32, xp.float64]


@pytest.mark.parametrize("put", [numpy.asarray, array_api_strict.asarray], ids=["numpy", "strict"])
def test_the_real_part_of_a_real_array_is_the_array(put):
    # the standard's `real` takes complex arrays only, and strict holds to it; a Tensor is asked by programs for both
    for real in (lambda x: namespace_of(x).real(x), lambda x: x.real):
        gradient = grad(lambda x, real=real: total(real(x) * real(x)))(put(X))
        numpy.testing.assert_array_equal(xpnn.device("cpu").to_host(gradient), 2 * X)
