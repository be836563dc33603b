"""`--device cuda`: the CPU's model, and a run that says where it was trained."""

import json

import numpy
import pytest
from command_runs import QUICK, read

pytestmark = pytest.mark.gpu


def options(device):
    return [*QUICK[:-1], device]


@pytest.mark.parametrize("target", ["level", "pay"])
def test_a_run_on_a_gpu_predicts_as_one_on_the_cpu(run, table, target):
    for name, device in (("here", "cpu"), ("there", "cuda")):
        assert run("train", table, "--target", target, "--out", name, *options(device))[0] == 0
        assert run("predict", name, table, "--out", f"{name}.csv", "--device", device)[0] == 0
    assert run("predict", "there", table, "--out", "back.csv", "--device", "cpu")[0] == 0
    here, *others = (read(f"{name}.csv") for name in ("here", "there", "back"))
    numbers = [name for name, text in here[0].items() if text.replace(".", "").replace("-", "").isdigit()]
    assert numbers
    for other in others:
        for name in numbers:
            one, two = ([float(row[name]) for row in rows] for rows in (here, other))
            numpy.testing.assert_allclose(two, one, rtol=2e-3, atol=2e-3)
    with open("there/metrics.json", encoding="utf-8") as file:
        assert "cuda:0" in json.dumps(json.load(file))


def test_bench_names_the_gpu(run):
    code, out, _ = run("bench", "--seconds", "0.01", "--device", "cuda")
    assert code == 0
    assert "cuda:0" in out
