"""The command `python -m benchmarks`."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import epochs, imports, machine, operations, steps
from benchmarks.networks import NETWORKS, WITH_DROPOUT

_WITH_OPTIONS_OF_THEIR_OWN = {
    "gpu": "benchmarks.gpu.command",
    "layers": "benchmarks.layers",
    "embeddings": "benchmarks.embeddings",
    "tables": "benchmarks.tables",
    "tabular": "benchmarks.tabular",
    "trainer": "benchmarks.trainer",
    "loading": "benchmarks.loading",
    "estimators": "benchmarks.estimators",
    "search": "benchmarks.search",
    "ensembles": "benchmarks.ensembles",
}


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for, print tables, and return the exit code."""
    if arguments and arguments[0] in _WITH_OPTIONS_OF_THEIR_OWN:
        module = importlib.import_module(_WITH_OPTIONS_OF_THEIR_OWN[arguments[0]])
        code: int = module.main(arguments[1:])
        return code
    options = _options(arguments)
    result: dict[str, Any] = {"machine": machine.describe()}
    print(machine.in_one_line(result["machine"]))
    try:
        if options.what in (None, "steps"):
            result["steps"] = _all_steps(options)
        if options.what in (None, "epochs"):
            result["epochs"] = _all_epochs(options)
        if options.what in (None, "operations"):
            result["operations"] = operations.measured(rounds=options.rounds)
            print(f"\n{operations.table(result['operations'])}", flush=True)
        if options.what in (None, "imports"):
            result["imports"] = imports.measured(rounds=options.rounds)
            print(f"\n{imports.table(result['imports'])}")
    except subprocess.CalledProcessError:
        return 1  # the process has said why
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0


def _all_steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    results = []
    for threads in options.threads:
        for name in options.networks:
            seconds = 0.001 if options.quick else 0.02
            results.append(
                steps.measured((NETWORKS | WITH_DROPOUT)[name], threads, rounds=options.rounds, seconds=seconds)
            )
            print(f"\n{steps.table(results[-1])}", flush=True)
    return results


def _all_epochs(options: argparse.Namespace) -> list[dict[str, Any]]:
    results = []
    for name in (name for name in options.networks if name in NETWORKS):
        results.append(epochs.measured(NETWORKS[name], rounds=options.rounds))
        print(f"\n{epochs.table(results[-1])}", flush=True)
    return results


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, with the defaults filled in that depend on one another or on the machine."""
    parser = _parser()
    options = parser.parse_args(arguments)
    available = len(machine.cores())
    options.networks = options.networks or list(NETWORKS | WITH_DROPOUT)[: 1 if options.quick else None]
    options.threads = options.threads or ([1] if options.quick or available == 1 else [1, 2])
    options.rounds = options.rounds or (3 if options.quick else 15)
    if max(options.threads) > available:
        parser.error(f"--threads {max(options.threads)} is more than the cores that may be used, {available}")
    if options.json:
        try:
            options.json.touch()  # now, not after some minutes
        except OSError as problem:
            parser.error(f"--json: {problem}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="How fast xpnn is, beside others.",
        epilog=f"Also, each with --help: python -m benchmarks {' | '.join(_WITH_OPTIONS_OF_THEIR_OWN)}",
    )
    whats = ["steps", "epochs", "operations", "imports"]
    parser.add_argument("what", nargs="?", choices=whats, help="one of them; all if left out")
    names = list(NETWORKS | WITH_DROPOUT)
    parser.add_argument("--networks", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--threads", nargs="+", type=_positive, metavar="N", help="1 2 if left out")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="15 if left out")
    parser.add_argument("--quick", action="store_true", help="one network, few short rounds: to try the command")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure to this file")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
