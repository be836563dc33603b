"""The stand-in for a GPU (`nox -s stand_in`) offers nothing that the real CuPy does not, where code asks for it."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

TESTS = Path(__file__).resolve().parents[1]
PLACES = ["", "linalg", "fft", "cuda", "cuda.runtime", "cuda.device", "ndarray", "cuda.Device", "cuda.Stream", "add"]
# Where code of others asks whether an array has it
ASKED = ["__array_namespace__", "__index__", "__array__", "__dlpack__", "__array_ufunc__", "__array_function__"]
ASKED += ["__cuda_array_interface__", "__array_interface__", "to_device", "device"]
# The stand-in's own, and what it takes from NumPy
OWN = set(
    "host over null os SimpleNamespace numpy call function ufunc of_numpy synchronizing captured space moved on_device "
    "from_host as_stored CUDARuntimeError OutOfMemoryError".split()
)
# What functions of NumPy's have and those of CuPy's lack, so that the stand-in's refuse it
LACKED = "where initial like subok correction mean hermitian upper device sorted".split()
LACKED_IN = {"fft": ["out"], "linalg": ["rtol"]}
# Parameters that differ in a way nobody uses: the order of fields, kinds of sorting and partitions, axes of lexsort
KNOWN = [
    ".argpartition", ".partition", ".argsort", ".sort", ".clip", ".count_nonzero", ".isin", ".meshgrid", ".einsum",
    ".percentile", ".quantile", ".lexsort",
]  # fmt: skip
LIST = """
import inspect, json, sys, warnings
warnings.simplefilter("ignore")
import cupy
found = {}
for place in json.loads(sys.argv[1]):
    part = cupy
    for name in filter(None, place.split(".")):
        part = getattr(part, name)
    found[place] = sorted(name for name in dir(part) if not name.startswith("_"))
def parameters(part):
    try:
        return sorted(inspect.signature(part).parameters)
    except ValueError:  # of builtins
        return []
def refused(part):
    found = []
    for name in json.loads(sys.argv[3]):
        try:
            part(**{name: None})
        except Exception as error:
            if "unexpected keyword" in str(error):
                found.append(name)
    return found
functions = {
    f"{place}.{name}": [
        parameters(getattr(part, "of_numpy", part)), refused(part) if hasattr(part, "of_numpy") else None
    ]
    for place, space in [("", cupy), ("linalg", cupy.linalg), ("fft", cupy.fft)]
    for name, part in vars(space).items() if type(part).__name__ == "function" and not name.startswith("_")
}
loops = {name: part.types for name, part in vars(cupy).items() if type(part).__name__ == "ufunc"}
asked = {name: getattr(cupy.ndarray, name, None) is not None for name in json.loads(sys.argv[2])}
print(json.dumps([found, functions, loops, asked, cupy.ndarray.__hash__ is None, cupy.cuda.Device.__hash__ is None]))
"""


def listed(**environment):
    lacked = [*LACKED, *(name for names in LACKED_IN.values() for name in names)]
    words = [sys.executable, "-c", LIST, *map(json.dumps, (PLACES, ASKED, lacked))]
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def both():
    pytest.importorskip("cupy", reason="CuPy is not installed; `nox -s no_driver` installs it")
    return listed(PYTHONPATH=str(TESTS / "stand_in_gpu")), listed(PYTHONPATH="")


def test_every_name_is_cupys(both):
    (ours, *_), (theirs, *_) = both
    assert [(place, name) for place in PLACES for name in {*ours[place]} - {*theirs[place]} - OWN] == []


def test_what_others_ask_of_an_array_is_answered_alike(both):
    (_, _, _, *ours), (_, _, _, *theirs) = both
    assert ours == theirs


def test_every_parameter_is_cupys(both):
    (_, ours, *_), (_, theirs, *_) = both
    arrays = set("a m x M A ar ar1 ar2 arr obj shape newshape operands".split())  # given by place, and named otherwise
    seen = set()
    for name, (parameters, refused) in ours.items():
        cupys, _ = theirs.get(name, [[], None])
        if cupys and name not in KNOWN:
            lacked = set() if refused is None else {*LACKED, *LACKED_IN.get(name.partition(".")[0], [])}
            assert lacked <= {*(refused or [])}, name
            further = set(parameters) - set(cupys) - arrays
            assert further <= lacked, name
            assert not lacked & set(cupys), name
            seen |= further
    assert set(LACKED) <= seen


def loop(loops, given):
    """The dtypes that come out of the first loop to whose dtypes `given` can be cast, as CuPy chooses; None if none."""
    for types in loops:
        taken, made = types.split("->")
        if all(map(numpy.can_cast, given, taken)):
            return made
    return None


def test_every_elementwise_function_gives_cupys_dtypes(both):
    (_, _, ours, *_), (_, _, theirs, *_) = both
    assert len(ours) > 80
    others = {}
    for name in ours:
        of_numpy = getattr(numpy, name)
        for given in itertools.product("?bhilBHILefdFD", repeat=of_numpy.nin):
            try:
                made = of_numpy.resolve_dtypes((*map(numpy.dtype, given), *[None] * of_numpy.nout))[of_numpy.nin :]
            except TypeError:
                continue  # so it is an error on the stand-in
            if "".join(x.char for x in made) != loop(theirs[name], given):
                others.setdefault(name, set()).update(x for x in given if x not in "?bhilBHILefd")
    # Complex numbers are no truth values in the standard, and xpnn passes none
    assert others == {f"logical_{name}": {"F", "D"} for name in ("and", "or", "xor", "not")}


def test_the_comparison_compares(both):
    (ours, *_), (theirs, *_) = both
    assert len(ours[""]) > 200
    assert theirs != ours
