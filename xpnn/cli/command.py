"""What every command has in common, the examples' too: the device options, the exit codes, errors in one line.

    def run(arguments: argparse.Namespace) -> None:
        device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
        ...

    parser = argparse.ArgumentParser(description=__doc__)
    add_device_arguments(parser)
    add_verbose_argument(parser)
    sys.exit(run_command(run, parser.parse_args()))

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | the input or a file is at fault, said in one line |
| 2 | the command line is at fault (argparse, `UsageError`) |
| 3 | the device asked for cannot be used, said in one line with the remedy |
| 130 | stopped with Ctrl-C |
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from xpnn.arrays.devices import Device, device, parse_request
from xpnn.arrays.probe import DeviceUnavailable

__all__ = ["add_device_arguments", "add_verbose_argument", "device_for_command", "run_command"]

_FAILED, _USAGE, _NO_DEVICE, _INTERRUPTED = 1, 2, 3, 130


class UsageError(ValueError):
    """Words of a command line that do not go together."""


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--device` and `--no-fallback`.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_device_arguments(parser)
    >>> parser.parse_args(["--device", "cuda", "--no-fallback"])
    Namespace(device='cuda', no_fallback=True)
    """
    parser.add_argument(
        "--device",
        type=_device_word,
        default="auto",
        metavar="WORD",
        help="where to compute: cpu, cuda, cuda:N (GPU number N) or auto (default; a GPU if one can be used, else cpu)",
    )
    parser.add_argument(
        "--no-fallback",
        action="store_true",
        help="with --device cuda: stop with exit code 3 where there is no GPU, rather than warn and use the CPU",
    )


def add_verbose_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--verbose`; a program and its sub-commands may both have it, and either place counts."""
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show messages of level INFO, and the whole traceback of an error",
    )


def device_for_command(request: str, *, no_fallback: bool = False) -> Device:
    """The device for a command's `--device` and `--no-fallback`: `xpnn.device`, falling back unless told not to.

    Raises
    ------
    DeviceUnavailable
        If a GPU was asked for and cannot be used.
    UsageError
        If it is not to fall back and no GPU was asked for.

    Examples
    --------
    >>> device_for_command("cpu").name
    'cpu'
    """
    if no_fallback and request in ("auto", "cpu"):
        raise UsageError(f"--no-fallback goes with --device cuda or cuda:N, not with --device {request}")
    return device(request, fallback=not no_fallback)


def run_command(run: Callable[[argparse.Namespace], int | None], arguments: argparse.Namespace) -> int:
    """Calls `run(arguments)` and gives the exit code; an error that a user can mend takes one line on stderr.

    `--verbose` shows its traceback as well. Other errors are defects of the program and pass through. xpnn's log lines
    go to stderr too, unless the program has set up logging itself.

    Examples
    --------
    >>> run_command(lambda arguments: None, argparse.Namespace())
    0
    """
    verbose = getattr(arguments, "verbose", False)
    with _log_to_stderr(logging.INFO if verbose else logging.WARNING):
        try:
            return run(arguments) or 0
        except DeviceUnavailable as error:
            return _say(error, _NO_DEVICE, verbose)
        except BrokenPipeError:  # the reader has seen enough (`... | head`): write nothing more, on the way out either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _FAILED
        except UsageError as error:
            return _say(error, _USAGE, verbose)
        except (OSError, ValueError, FloatingPointError, MemoryError) as error:
            return _say(error, _FAILED, verbose)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return _INTERRUPTED


def _say(error: Exception, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error)
    words = " ".join([str(error) or type(error).__name__, *getattr(error, "__notes__", [])]).split()
    print("error:", " ".join(words), file=sys.stderr)
    return code


@contextmanager
def _log_to_stderr(level: int) -> Iterator[None]:
    """Shows xpnn's log lines as `WARNING: ...` where nobody has said what should become of them."""
    log = logging.getLogger("xpnn")
    if log.hasHandlers():
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _device_word(text: str) -> str:
    try:
        parse_request(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
