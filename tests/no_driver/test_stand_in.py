"""The stand-in for a GPU (`nox -s stand_in`) offers nothing that the real CuPy does not, where code asks for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
LIST = """
import json, sys, warnings
warnings.simplefilter("ignore")
import cupy
found = {}
for place in json.loads(sys.argv[1]):
    part = cupy
    for name in filter(None, place.split(".")):
        part = getattr(part, name)
    found[place] = sorted(name for name in dir(part) if not name.startswith("_"))
asked = {name: getattr(cupy.ndarray, name, None) is not None for name in json.loads(sys.argv[2])}
print(json.dumps([found, asked, cupy.ndarray.__hash__ is None, cupy.cuda.Device.__hash__ is None]))
"""


def listed(**environment):
    words = [sys.executable, "-c", LIST, json.dumps(PLACES), json.dumps(ASKED)]
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
    ours, theirs = both
    assert ours[1:] == theirs[1:]


def test_the_comparison_compares(both):
    (ours, *_), (theirs, *_) = both
    assert len(ours[""]) > 200
    assert theirs != ours
