"""One experiment in a process of its own: `python -m benchmarks.gpu.child NAME FILE SECONDS`."""

from __future__ import annotations

import faulthandler
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.experiments import EXPERIMENTS
from benchmarks.gpu.findings import Findings

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run the experiment; its rows are in the file, what ended it early among them."""
    name, file, seconds = arguments
    faulthandler.enable()  # a wrong address in a library shows at which line
    experiment, findings = EXPERIMENTS[name], Findings(Path(file))
    try:
        module = importlib.import_module(f"benchmarks.gpu.{experiment.module}")
        getattr(module, experiment.function)(findings, *experiment.arguments, seconds=float(seconds))
    except Exception as problem:
        findings.failed(name, problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
