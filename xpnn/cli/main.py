"""The command `xpnn`: finds the sub-command and runs it.

A sub-command is a file with a function `add_to(subparsers)`, which adds its parser and names the function to run, and a
place in `_COMMANDS`. `xpnn.cli.command` lists the exit codes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from xpnn.cli import bench, doctor, evaluate, predict, train
from xpnn.cli.command import add_verbose_argument, run_command

__all__ = ["main"]

_COMMANDS = (train, evaluate, predict, doctor, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the sub-command that `argv` (by default the command line) names, and gives the exit code.

    Examples
    --------
    >>> main(["doctor"])
    xpnn ...
    0
    """
    parser, commands = _parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:  # argparse would show how to use xpnn, not the command
        commands[arguments.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return run_command(arguments.run, arguments)


def _parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser, and that of each command by its name."""
    parser = argparse.ArgumentParser(prog="xpnn", description="Neural networks on NumPy and CuPy.")
    parser.add_argument("--version", action="version", version=f"xpnn {doctor.version_of('xpnn') or 'of this folder'}")
    add_verbose_argument(parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for command in _COMMANDS:
        command.add_to(subparsers)
    return parser, subparsers.choices
