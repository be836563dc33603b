"""Random numbers are a function of (seed, stream, step, element), the same on every device, and look random."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import array_api_strict
import numpy
import pytest
from elsewhere import device_named
from scipy import stats

from xpnn.arrays._normal import normal_from_words
from xpnn.arrays._philox import words_on_numpy
from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.random import bits, fresh_seed, keep_mask, normal, permutation, uniform

HOST = numpy.empty(0)
STRICT = device_named("strict")
ON_STRICT = STRICT.asarray([0.0])
SHAPES: list[Any] = [(), (0,), (3, 0), (1,), (7,), (2, 3, 5), (1000, 10)]


# Made by this code, after its bits agreed with Random123's and its normals with 40-digit arithmetic; exact, to the bit.
GOLDEN_BITS = ["cadcbe9a0dac77cb", "e7eb5fe724fc3e29", "ead8919a4b9712a1", "d87db643df7c724b", "29de4922e7dd74f5"]
GOLDEN_NUMBERS = [
    "0x1.7a06d2504dc75p-1",
    "0x1.1d72de19177cbp-1",
    "-0x1.3d14fc0000000p-3",
    "-0x1.6152280000000p-3",
    "0x1.88ced01ee1e22p-2",
    "-0x1.ac3d93ddae8c1p+0",
    "-0x1.baa053872297ep+0",
    "0x1.4dc4e9ae9abbdp-1",
    "-0x1.6729b60000000p-2",
    "-0x1.5f7fda0000000p-5",
]
GOLDEN_ORDER = [5, 9, 6, 7, 1, 8, 0, 2, 3, 4]


def on_device(step: int, dtype: str = "int64", device: Device = STRICT) -> Any:
    return device.asarray(step, dtype=dtype)


# What the numbers are


def test_the_key_is_the_seed_and_the_hash_of_the_name() -> None:
    hashed = int.from_bytes(hashlib.blake2b("größe/0".encode(), digest_size=8).digest(), "little")
    expected = words_on_numpy(9, (5, hashed), 17)
    numpy.testing.assert_array_equal(bits(9, seed=5, stream="größe/0", step=17), expected, strict=True)


def test_numbers_that_must_never_change() -> None:
    """Trained models are reproduced from their seeds: an edit here is a breaking change."""
    first = bits(3, seed=0, stream="golden")
    later = bits(2, seed=2**64 - 1, stream="golden", step=2**64 - 1)
    assert [f"{word:016x}" for word in (*first.tolist(), *later.tolist())] == GOLDEN_BITS
    drawn = [
        *uniform(2, seed=1, stream="golden").tolist(),
        *uniform(2, low=-0.5, high=0.25, seed=1, stream="golden", step=1, dtype="float32").tolist(),
        *normal(4, seed=2, stream="golden").tolist(),
        *normal(2, seed=2, stream="golden", step=1, dtype="float32").tolist(),
    ]
    assert [value.hex() for value in drawn] == GOLDEN_NUMBERS
    assert permutation(10, seed=3, stream="golden").tolist() == GOLDEN_ORDER


def test_fewer_are_the_beginning_of_more() -> None:
    many = bits(1000, seed=1, stream="a", step=2)
    for count in (0, 1, 2, 5, 999):
        numpy.testing.assert_array_equal(bits(count, seed=1, stream="a", step=2), many[:count], strict=True)
    numpy.testing.assert_array_equal(normal(3, seed=1, stream="a"), normal((20_000,), seed=1, stream="a")[:3])


@pytest.mark.parametrize("other", [{"seed": 2}, {"stream": "b"}, {"step": 1}])
def test_another_seed_stream_or_step_gives_other_numbers(other: dict[str, Any]) -> None:
    given: dict[str, Any] = {"seed": 1, "stream": "a", "step": 0}
    assert not set(bits(1000, **given).tolist()) & set(bits(1000, **(given | other)).tolist())


def test_a_mask_spends_sixteen_bits_an_element_lowest_first() -> None:
    words = bits(25, seed=1, stream="a", step=3).tolist()
    expected = [(words[i // 4] >> 16 * (i % 4)) & 0xFFFF < round(0.3 * 2**16) for i in range(98)]
    mask = keep_mask((7, 14), 0.3, seed=1, stream="a", step=3, like=HOST)
    assert mask.dtype == numpy.bool_
    assert mask.ravel().tolist() == expected


def test_a_probability_of_zero_or_one_is_exact_and_others_are_rounded() -> None:
    def rate(probability: float) -> float:
        return float(keep_mask((400_000,), probability, seed=0, stream="a", step=0, like=HOST).mean())

    assert rate(0) == rate(2**-18) == 0
    assert rate(1.0) == rate(1 - 2**-18) == 1
    assert 0 < rate(2**-16) < 2**-13
    assert 1 - 2**-13 < rate(1 - 2**-16) < 1
    assert rate(numpy.float32(0.5)) == rate(0.5)


def test_uniform_keeps_to_its_bounds() -> None:
    for dtype in ("float32", "float64"):
        x = uniform(100_000, seed=0, stream="a", dtype=dtype)
        assert x.dtype == dtype
        assert 0 <= x.min() < 1e-4
        assert 0.9999 < x.max() < 1
    assert (uniform(5, low=2.0, high=2.0, seed=0, stream="a") == 2).all()


def test_float32_is_float64_to_its_precision() -> None:
    # In float32, uniform drops the bits below 2^-24, and normal rounds by at most 2^-24 of the value.
    given: dict[str, Any] = {"seed": 0, "stream": "a"}
    below = uniform(10_000, **given) - uniform(10_000, **given, dtype=numpy.float32)
    assert below.min() >= 0
    assert below.max() < 2**-24
    expected = normal(10_000, **given).astype(numpy.float32)
    numpy.testing.assert_array_equal(normal(10_000, **given, dtype=numpy.float32), expected, strict=True)


def test_normal_is_the_inverse_of_the_distribution_function() -> None:
    words = bits(20_000, seed=0, stream="a")
    p = ((words >> 11).astype(float) + 0.5) * 2.0**-53
    middle = (p > 1e-3) & (p < 1 - 1e-3)  # nearer to 1, p itself is rounded
    # SciPy's is good to a few units in the last place, p to 2^-54 or, through the slope of at most 300, 2e-14.
    numpy.testing.assert_allclose(normal_from_words(words)[middle], stats.norm.ppf(p)[middle], rtol=0, atol=4e-14)


def test_normal_is_finite_and_symmetric_at_its_ends() -> None:
    words = numpy.asarray([0, 2**63 - 1, 2**63, 2**64 - 1], dtype=numpy.uint64)
    z = normal_from_words(words)
    assert z[0] == -z[3]
    assert z[1] == -z[2] < 0
    numpy.testing.assert_allclose(z[3], -stats.norm.ppf(2.0**-54), rtol=1e-14)
    numpy.testing.assert_allclose(z[2], 2.0**-53 * numpy.sqrt(numpy.pi / 2), rtol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: tuple[int, ...]) -> None:
    for draw in (uniform, normal):
        x = draw(shape, seed=0, stream="a")
        assert x.shape == shape
        assert x.flags.writeable
    assert keep_mask(shape, 0.5, seed=0, stream="a", step=0, like=HOST).shape == shape
    assert keep_mask(shape, 1.0, seed=0, stream="a", step=0, like=HOST).shape == shape
    assert uniform(3, seed=0, stream="a").shape == uniform([3], seed=0, stream="a").shape == (3,)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_permutation_holds_each_number_once(n: int) -> None:
    order = permutation(n, seed=0, stream="a")
    assert order.dtype == numpy.int64
    assert sorted(order.tolist()) == list(range(n))


# The same on every device


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_elsewhere_are_those_of_numpy(elsewhere: Device, shape: tuple[int, ...]) -> None:
    like = elsewhere.asarray([0.0])
    for probability, step in ((0.0, 0), (0.5, 0), (0.9, 2**40), (1.0, 1)):
        expected = keep_mask(shape, probability, seed=7, stream="a", step=step, like=HOST)
        there = [on_device(step, dtype, elsewhere) for dtype in ("int64", "uint64")]
        for given in (step, numpy.int64(step), numpy.asarray(step), *there):
            mask = keep_mask(shape, probability, seed=7, stream="a", step=given, like=like)
            assert device_of(mask) == elsewhere
            numpy.testing.assert_array_equal(elsewhere.to_host(mask), expected, strict=True)


def test_strict_bits_are_those_of_numpy_on_any_device() -> None:
    other = array_api_strict.Device("device2")
    words = bits(11, seed=2**64 - 1, stream="a", step=5, like=ON_STRICT, device=other)
    assert words.device == other
    expected = bits(11, seed=2**64 - 1, stream="a", step=numpy.asarray(5))
    numpy.testing.assert_array_equal(numpy.from_dlpack(words), expected, strict=True)


def test_a_step_on_a_device_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    step = on_device(3)
    for name in ("__int__", "__index__", "__float__", "__bool__"):
        monkeypatch.setattr(type(step), name, lambda self: pytest.fail("the host read an array"))
    assert keep_mask((4, 5), 0.5, seed=0, stream="a", step=step, like=ON_STRICT).shape == (4, 5)


# They look random. The seeds are fixed; each bound would be broken by chance once in some ten thousand seeds.

COUNT = 100_000
BOUND = 4.0  # standard deviations


def test_uniform_is_uniform() -> None:
    x = uniform(COUNT, seed=0, stream="a")
    assert abs(x.mean() - 0.5) < BOUND * (1 / 12 / COUNT) ** 0.5
    assert abs(x.var() - 1 / 12) < BOUND * (1 / 180 / COUNT) ** 0.5
    assert stats.kstest(x, "uniform").pvalue > 1e-4


def test_normal_is_normal() -> None:
    z = normal(COUNT, seed=0, stream="a")
    assert abs(z.mean()) < BOUND * COUNT**-0.5
    assert abs(z.var() - 1) < BOUND * (2 / COUNT) ** 0.5
    assert abs((z**4).mean() - 3) < BOUND * (96 / COUNT) ** 0.5
    assert stats.kstest(z, "norm").pvalue > 1e-4


def test_every_bit_is_set_half_of_the_time() -> None:
    words = bits(COUNT, seed=0, stream="a")
    rates = [((words >> bit) & 1).mean() for bit in range(64)]
    assert max(abs(rate - 0.5) for rate in rates) < 5 * (0.25 / COUNT) ** 0.5  # 5: the largest of 64


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_masks_keep_their_share_in_every_column(probability: float) -> None:
    mask = keep_mask((COUNT, 4), probability, seed=0, stream="a", step=0, like=HOST)
    deviation = (probability * (1 - probability) / COUNT) ** 0.5
    assert (abs(mask.mean(axis=0) - probability) < BOUND * deviation).all()


@pytest.mark.parametrize("other", [{"seed": 1}, {"seed": 2**63}, {"stream": "b"}, {"step": 1}, {"step": 2**32}])
def test_seeds_streams_and_steps_are_not_correlated(other: dict[str, Any]) -> None:
    given: dict[str, Any] = {"seed": 0, "stream": "a", "step": 0}
    z, changed = normal(COUNT, **given), normal(COUNT, **(given | other))
    for first, second in ((z, changed), (z[1:], changed[:-1]), (z**2 - 1, changed**2 - 1)):
        product = first * second
        assert abs(product.mean()) < BOUND * product.std() * len(product) ** -0.5


def test_neighbours_are_not_correlated() -> None:
    z = normal(COUNT, seed=0, stream="a")
    for distance in (1, 2, 3, 4, 8):
        assert abs((z[distance:] * z[:-distance]).mean()) < BOUND * COUNT**-0.5


def test_every_order_is_as_likely() -> None:
    orders = [tuple(permutation(4, seed=0, stream="a", step=step).tolist()) for step in range(2400)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4


def test_fresh_seeds_differ_and_fit_in_json() -> None:
    seeds = {fresh_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert 2**45 < max(seeds) < 2**53


# Wrong arguments


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"seed": -1}, ValueError, r"seed to be from 0 to 2\^64 - 1, got -1"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"seed": 1.0}, TypeError, r"seed to be an integer, got 1\.0"),
        ({"seed": True}, TypeError, "seed to be an integer, got True"),
        ({"seed": None}, TypeError, "seed to be an integer, got None"),
        ({"stream": b"a"}, TypeError, "stream as a string, got b'a'"),
        ({"step": -1}, ValueError, "step"),
        ({"step": 0.5}, TypeError, "step"),
        ({"step": numpy.asarray(-3)}, ValueError, "step to be from 0 .* got -3"),
        ({"step": numpy.asarray([1, 2])}, TypeError, "step to be an integer"),
        ({"step": numpy.asarray(1.0)}, TypeError, "step to be an integer"),
        ({"shape": (-1,)}, ValueError, "shape to be from 0"),
        ({"shape": (2.0,)}, TypeError, "shape to be an integer"),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any], error: type[Exception], says: str) -> None:
    given = {"shape": (2,), "seed": 0, "stream": "a", "step": 0} | wrong
    shape = given.pop("shape")
    for draw in (uniform, normal, lambda s, **rest: keep_mask(s, 0.5, like=HOST, **rest)):
        with pytest.raises(error, match=says):
            draw(shape, **given)


@pytest.mark.parametrize(
    ("step", "says"),
    [(on_device(1, "float64"), "integer of shape"), (array_api_strict.zeros(1, dtype=array_api_strict.int64), "shape")],
)
def test_wrong_steps_on_a_device_are_named(step: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        bits(1, seed=0, stream="a", step=step, like=ON_STRICT)


def test_a_step_of_another_library_is_refused() -> None:
    with pytest.raises(TypeError, match="one library"):
        bits(1, seed=0, stream="a", step=on_device(1))


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=f"from 0 to 1, got {probability}"):
        keep_mask((2,), probability, seed=0, stream="a", step=0, like=HOST)


def test_a_probability_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="as a number, got 'half'"):
        keep_mask((2,), "half", seed=0, stream="a", step=0, like=HOST)  # type: ignore[arg-type]


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (0.0, float("inf")), (float("nan"), 1.0), (-1e308, 1e308)])
def test_wrong_bounds_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="finite bounds with low <= high, got low="):
        uniform(2, low=low, high=high, seed=0, stream="a")


@pytest.mark.parametrize("dtype", ["int64", "float16", "complex64"])
def test_a_dtype_other_than_float32_and_float64_is_refused(dtype: str) -> None:
    for draw in (uniform, normal):
        with pytest.raises(TypeError, match=f"float32 or float64, got {dtype}"):
            draw(2, seed=0, stream="a", dtype=dtype)


def test_the_import_is_light() -> None:
    program = (
        "import sys, numpy; before = set(sys.modules); import xpnn.arrays.random;"
        "print({'numpy.random', 'array_api_compat', 'cupy'} & set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_equal_words_stay_in_their_order(monkeypatch):
    words = numpy.random.default_rng(0).integers(0, 5, 1000, dtype="uint64")
    monkeypatch.setattr("xpnn.arrays.random.bits", lambda *given, **options: words)
    expected = numpy.argsort(words, kind="stable")
    assert not numpy.array_equal(numpy.argsort(words), expected)
    numpy.testing.assert_array_equal(permutation(1000, seed=0, stream="test"), expected)
