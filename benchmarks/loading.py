"""Training from a file that is mapped into memory, beside arrays in memory: `python -m benchmarks loading`.

A network 20-64-1 on rows of 20 float32 numbers, batches of 1024, Adam, compiled; one epoch counts, after a warm-up.
Each
way has a process of its own, since the memory that counts is the largest a process ever had, mapped pages included.
`cold` means that the system had let go of the file before. One BLAS thread; a worker is a second thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy  # noqa: E402 (the threads must be set before NumPy loads)

from benchmarks import machine  # noqa: E402
from benchmarks.report import aligned, number, spread, summary  # noqa: E402

__all__ = ["main", "make_files", "measured", "one"]

COLUMNS, BATCH = 20, 1024
WAYS: dict[str, dict[str, Any]] = {
    "arrays in memory": {"mapped": False},
    "Loader of arrays in memory": {"mapped": False, "loader": {}},
    "Loader of mapped files": {"mapped": True, "loader": {}},
    "the same, 1 worker": {"mapped": True, "loader": {"workers": 1}},
    'the same, shuffle="blocks"': {"mapped": True, "loader": {"shuffle": "blocks"}},
    "the same, 1 worker and blocks": {"mapped": True, "loader": {"shuffle": "blocks", "workers": 1}},
    "the same, 1 worker and blocks, cold": {
        "mapped": True,
        "loader": {"shuffle": "blocks", "workers": 1},
        "cold": True,
    },
}


def make_files(folder: Path, rows: int) -> None:
    """x.npy and t.npy, written a part at a time."""
    x = numpy.lib.format.open_memmap(folder / "x.npy", "w+", "float32", (rows, COLUMNS))
    t = numpy.lib.format.open_memmap(folder / "t.npy", "w+", "float32", (rows, 1))
    generator = numpy.random.default_rng(0)
    for start in range(0, rows, 2**18):
        part = generator.standard_normal((min(2**18, rows - start), COLUMNS), numpy.float32)
        x[start : start + len(part)] = part
        t[start : start + len(part)] = numpy.sin(part[:, :1]) + part[:, 1:2] * part[:, 2:3]
    x.flush()
    t.flush()


def measured(folder: Path, way: str) -> dict[str, float]:
    """Seconds of an epoch, and the largest memory in MiB, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loading", "--one", way, "--folder", str(folder)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def one(folder: Path, way: str) -> dict[str, float]:
    """The same, in this process."""
    import resource

    from xpnn.training import Loader

    options = WAYS[way]
    files = [folder / "x.npy", folder / "t.npy"]
    if options.get("cold"):
        for path in files:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    x, t = (numpy.load(path, mmap_mode="r" if options["mapped"] else None) for path in files)
    if "loader" in options:
        history = _trainer().fit(Loader(x, t, batch_size=BATCH, **options["loader"]), epochs=1)
    else:
        history = _trainer().fit(x, t, batch_size=BATCH, epochs=1)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": history.rows[-1]["seconds"], "mib": memory, "loss": history.rows[-1]["loss"]}


def _trainer() -> Any:
    from xpnn import nn, optim
    from xpnn.training import Trainer

    model = nn.Sequential(nn.Linear(COLUMNS, 64), nn.ReLU(), nn.Linear(64, 1)).initialize(seed=0)
    return Trainer(model, nn.squared_error, optim.Adam(model))


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks loading", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N", help="10000000 if left out")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="3 if left out")
    parser.add_argument("--folder", type=Path, help="where x.npy and t.npy are; made in a temporary one if left out")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(one(options.folder, options.one)))
        return 0
    print(machine.in_one_line(machine.describe()))
    if options.folder:
        _compare(options.folder, options)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder), options.rows)
        _compare(Path(folder), options)
    return 0


def _compare(folder: Path, options: argparse.Namespace) -> None:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):  # the ways take turns
        for way in WAYS:
            found[way].append(measured(folder, way))
    first = [one["seconds"] for one in found[next(iter(WAYS))]]
    table = [["an epoch", "s", "quartiles", "speed / arrays in memory", "largest memory, MiB"]]
    for way, ones in found.items():
        seconds = summary([one["seconds"] for one in ones])
        ratio = summary([a / one["seconds"] for a, one in zip(first, ones, strict=True)])["median"]
        memory = max(one["mib"] for one in ones)
        table.append([way, number(seconds["median"]), spread(seconds), number(ratio), number(memory)])
    print(f"\n{aligned(table)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
