"""A training that is killed and resumed ends as one without a break: every weight, slot, number and batch, bit for bit.

The killing (SIGKILL) and comparing is done by tests/resumed_training.py, in processes of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import resumed_training
from resumed_training import BATCH, KINDS, ROWS

import xpnn

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
BATCHES = -(-ROWS // BATCH)  # of an epoch; two make a step


@pytest.fixture(scope="module", params=KINDS)
def went_on(request, tmp_path_factory):
    """Of a kind of training, at which batch it went on after each kill."""
    threads = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    environment = os.environ | threads | {"PYTHONPATH": str(Path(xpnn.__file__).parents[1])}
    command = [sys.executable, resumed_training.__file__, request.param, str(tmp_path_factory.mktemp(request.param))]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return request.param, json.loads(run.stdout)


def test_a_training_killed_and_resumed_is_that_without_a_break_to_the_last_bit(went_on):
    kind, found = went_on
    assert list(found) == [f"{how}-{at}" for how, at in KINDS[kind][2]]


def test_it_went_on_where_the_last_checkpoint_was_and_not_from_the_start(went_on):
    kind, found = went_on
    if kind == "arrays":
        # 7 batches an epoch are steps of 2, 2, 2 and 1; each step saves
        steps = [0, 2, 4, 6, 7, 9, 11, 13, 14, 16, 18, 20, 21]
        for name, batch in found.items():
            how, at = name.split("-")
            assert (name, batch) == (name, steps[int(at) - (how == "saving")])
    elif kind == "loader":
        assert found["batch-0"] == 0  # nothing was saved yet
        assert found["batch-13"] == 11  # step 6 was the last that saved: batches 11 and 12 are made again
    else:
        assert all(0 < batch < 40 * BATCHES for batch in found.values())
