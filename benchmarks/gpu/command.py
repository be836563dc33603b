"""The command `python -m benchmarks gpu`: runs the experiments, prints a table of each, and writes one file."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.gpu.experiments import EXPERIMENTS, Experiment
from benchmarks.gpu.findings import table

__all__ = ["card", "main", "run"]

PACKAGES = ["cupy-cuda13x", "cupy-cuda12x", "torch", "triton", "nvmath-python", "cuda-core", "nvidia-cublas", "jax"]
NO_GPU = 3  # the exit code


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 3 where no GPU can be used, 1 if an experiment failed, else 0."""
    options = _parser().parse_args(arguments)
    why_not = unusable()
    if why_not:
        print(f"benchmarks gpu: {why_not}", file=sys.stderr)
        return NO_GPU
    if options.json:
        options.json.touch()  # whether it can be written shows now, not after minutes
    found = card()
    result: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks gpu", *arguments]), "card": found, "machine": machine.describe(),
        "experiments": {},
    }  # fmt: skip
    print(machine.in_one_line(result["machine"]))
    print(", ".join(f"{name} {value}" for name, value in found.items() if value), flush=True)
    for name in options.only or EXPERIMENTS:
        rows = run(EXPERIMENTS[name], options.seconds)
        result["experiments"][name] = rows
        print(f"\n{table(f'{name}: {EXPERIMENTS[name].asks}', rows)}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    failed = [name for name, rows in result["experiments"].items() if any("error" in row for row in rows)]
    print(f"\n{len(result['experiments'])} experiments; with failures: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def unusable() -> str:
    """Why no GPU can be used, in one line; '' if one can."""
    from xpnn.arrays.devices import DeviceUnavailable, device

    try:
        device("cuda")
    except DeviceUnavailable as problem:
        return " ".join(str(problem).split())
    return ""


def card() -> dict[str, Any]:
    """The card, its driver, and the versions of what uses it (None: not installed)."""
    import cupy

    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    smi = None
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["nvidia-smi", "--query-gpu=driver_version,clocks.sm,clocks.mem", "--format=csv,noheader"]
        smi = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return {
        "card": properties["name"].decode(),
        "memory": f"{properties['totalGlobalMem'] / 2**30:.0f} GiB",
        "multiprocessors": properties["multiProcessorCount"],
        "L2": f"{properties['l2CacheSize'] / 2**20:.0f} MiB",
        "driver": smi,
        "CUDA of the driver": runtime.driverGetVersion(),
        "CUDA runtime": runtime.runtimeGetVersion(),
        **{package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def run(experiment: Experiment, seconds: float) -> list[dict[str, Any]]:
    """The rows of an experiment, from a process of its own; how that ended is a row, if not well."""
    with tempfile.TemporaryDirectory() as folder:
        file, errors = Path(folder) / "rows.json", Path(folder) / "errors.txt"
        command = [sys.executable, "-m", "benchmarks.gpu.child", experiment.name, str(file), str(seconds)]
        begin, ended = time.perf_counter(), ""
        with errors.open("wb") as stderr:
            try:
                code = subprocess.run(
                    command, env={**os.environ, **experiment.environment}, stdout=stderr, stderr=stderr,
                    stdin=subprocess.DEVNULL, timeout=experiment.limit, check=False,
                ).returncode  # fmt: skip
                if code not in (0, 1):
                    ended = f"the process ended with code {code}"
            except subprocess.TimeoutExpired:
                ended = f"stopped after {experiment.limit} s"
        rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        if ended or not rows:
            tail = errors.read_text(errors="replace").splitlines()[-12:]
            rows.append({"name": experiment.name, "error": ended or "no rows", "where": tail})
    rows.append({"name": "seconds in all", "found": f"{time.perf_counter() - begin:.1f}", "predicted": "", "note": ""})
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu", description="What a GPU can give: experiments with a prediction each."
    )
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument(
        "--seconds", type=float, default=0.02, metavar="N", help="of a turn in a round; 0.02 if left out"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure to this file")
    return parser
