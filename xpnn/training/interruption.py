"""Ctrl-C and SIGTERM act at the end of a step: nothing is left half done.

A terminal, a notebook's stop button and a cluster's scheduler say with a signal that a run should end. Python raises
KeyboardInterrupt wherever it is, in the middle of an update too. While a model is trained the signal is only noted, and
the loop asks at the end of each step. Who presses Ctrl-C twice means it: the second acts at once.

Estimators have nothing to save: they note Ctrl-C only, and SIGTERM does what it does without them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["CTRL_C", "SIGNALS", "Interruption", "noticed"]

CTRL_C = (signal.SIGINT,)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Which signal came, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def note(self, number: int, frame: Any) -> None:
        """A signal came: keep it for the end of the step, or, the second time, act."""
        first, self.signal = self.signal, number
        if first is not None:
            self.end("")

    def end(self, message: str) -> None:
        """Raise what the signal stands for: KeyboardInterrupt, or SystemExit with the code that a shell gives."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt(message)
        raise SystemExit(128 + int(self.signal or 0))


@contextmanager
def noticed(signals: Collection[int] = SIGNALS) -> Iterator[Interruption]:
    """Inside, the first of these signals is only noted; in a thread other than the main one nothing changes, nor does
    a signal that the program handles by itself.
    """
    found = Interruption()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        for number, handler in usual.items():
            if number in signals and signal.getsignal(number) == handler:
                before[number] = signal.signal(number, found.note)
    try:
        yield found
    finally:
        for again, handler in before.items():
            signal.signal(again, handler)
