"""The benchmark of single layers computes the same in all contenders, and gives a table."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def layers(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    return importlib.import_module("benchmarks.layers")


def test_a_layer_is_measured_with_whatever_is_installed(layers):
    name = "Embedding, 1000 rows of 32, 256 x 20"
    result = layers.measured(name, rounds=2, seconds=0.001)
    assert {"xpnn, plain", "xpnn, compiled"} <= set(result["rounds"])
    assert all(len(times) == 2 and min(times) > 0 for times in result["rounds"].values())
    assert name in layers.table([result], 1)


def test_layers_that_differ_are_not_compared(layers, monkeypatch):
    steps = {"xpnn, plain": lambda: [1.0], "xpnn, compiled": lambda: [1.5]}
    monkeypatch.setattr(layers, "_steps", lambda layer: steps)
    with pytest.raises(SystemExit, match=r"compiled differs from xpnn, plain by 5\.0e-01"):
        layers.measured(next(iter(layers.LAYERS)), rounds=1)
