"""Imports: how long `import xpnn` takes over `import numpy`, and the first use after it.

Each program runs in interpreters of its own, in turns, and times itself from its first line: what Python needs to
start is left out. The files are in the system's cache, and their bytecode is compiled.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from benchmarks.report import aligned, number, spread, summary

__all__ = ["measured", "table"]

FIRST_USE = "import numpy, xpnn; xpnn.namespace_of(numpy.zeros(3))"
TRAINING_STEP = """
import numpy, xpnn
from xpnn import nn, optim
x, t = numpy.zeros((32, 30), dtype="float32"), numpy.zeros((32, 1), dtype="float32")
model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1)).initialize(seed=0)
optimizer = optim.Adam(model)
loss, gradients = xpnn.value_and_grad(lambda m, x, t: nn.binary_cross_entropy_with_logits(m(x), t))(model, x, t)
optimizer.step(gradients)
"""
PROGRAMS = {
    "import numpy": "import numpy",
    "import xpnn": "import numpy, xpnn",
    "and the first namespace_of": FIRST_USE,
    "and one training step": TRAINING_STEP,
}
TIMED = """
import time
begin = time.perf_counter()
{program}
print(time.perf_counter() - begin)
import os, sys
missing = [m.__file__ for n, m in sys.modules.items() if n.startswith("xpnn") and not os.path.exists(m.__spec__.cached)]
sys.exit(f"no compiled bytecode for {{missing[0]}}" if missing else 0)
"""


def measured(*, rounds: int) -> dict[str, Any]:
    """The milliseconds of each program, and those over `import numpy` round by round.

    Raises
    ------
    subprocess.CalledProcessError
        If a program fails, or bytecode was not compiled (the folder may be read-only); its message is on stderr.
    """
    for program in PROGRAMS.values():
        _milliseconds(program)  # compiles the bytecode
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, program in PROGRAMS.items():
            times[name].append(_milliseconds(program))
    least = times["import numpy"]
    return {
        name: {
            "rounds": figures,
            "milliseconds": summary(figures),
            "over_numpy": summary([time - base for time, base in zip(figures, least, strict=True)]),
        }
        for name, figures in times.items()
    }


def _milliseconds(program: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    command = [sys.executable, "-c", TIMED.format(program=program)]
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(answer.stdout) * 1e3


def table(result: dict[str, Any]) -> str:
    rows = [["imports", "ms", "quartiles", "over NumPy", "quartiles"]]
    for name, figures in result.items():
        time, over = figures["milliseconds"], figures["over_numpy"]
        shown = ["", ""] if name == "import numpy" else [number(over["median"]), spread(over)]
        rows.append([f"  {name}", number(time["median"]), spread(time), *shown])
    return aligned(rows)
