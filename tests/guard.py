"""A guard over all tests: a walk back or an optimizer's step may not look at a device value, whichever test runs it.

On a GPU each look makes the host wait. array_api_strict's device1 stands in for one; it allows looks, so the guard
makes them raise. Forward passes are guarded by the common table, whole training steps by tests of the Trainer.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from xpnn.arrays.tree import flatten
from xpnn.autodiff.tape import Tape, plain
from xpnn.optim import Optimizer

READS = ("__float__", "__int__", "__bool__", "__index__", "__complex__", "__dlpack__", "to_device")
_HERE = threading.local()


@contextmanager
def no_looks_inside_steps() -> Iterator[None]:
    """Inside this, a look at an array of device1 raises while a gradient is walked back or a step is made."""
    import array_api_strict as strict

    kind, host = type(strict.zeros(())), strict.Device("CPU_DEVICE")

    def guarded(read: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(read)
        def look(array: Any, *target: Any, **options: Any) -> Any:
            if getattr(_HERE, "inside", None) and array.device != host and target != (array.device,):
                raise AssertionError(f"a device value was read inside a step, by {read.__name__} in {_HERE.inside}")
            return read(array, *target, **options)

        return look

    def watched(work: Callable[..., Any], arrays_of: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def watch(*args: Any, **options: Any) -> Any:
            arrays = map(plain, flatten(arrays_of(*args))[0])
            before = getattr(_HERE, "inside", None)
            if any(isinstance(x, kind) and x.device != host for x in arrays):
                _HERE.inside = before or work.__qualname__
            try:
                return work(*args, **options)
            finally:
                _HERE.inside = before

        return watch

    walk = watched(Tape.gradients, lambda tape, y, dy, *rest: dy)
    step = watched(Optimizer.step, lambda optimizer, *rest: optimizer.model.parameters())
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(Tape, "gradients", walk))
        patches.enter_context(mock.patch.object(Optimizer, "step", step))
        for name in READS:
            patches.enter_context(mock.patch.object(kind, name, guarded(getattr(kind, name))))
        yield
