"""What a model does to an input, as a table: each layer, the shape it gives, its parameters, its multiply-adds.

A copy of the model, in evaluation, is called once, and each layer in it notes what comes out. So the model itself stays
as it is, and a layer that is called twice counts twice.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from xpnn.arrays.namespaces import dtype_name

__all__ = ["Row", "Summary", "summarize"]

Module = Any  # whose method calls this


class Row(NamedTuple):
    """A layer: its path and description, the shape of its last output, its own parameters, its multiply-adds."""

    name: str
    layer: str
    output: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, repr=False)
class Summary:
    """The rows of the table and the totals; `print` shows them."""

    rows: Sequence[Row]
    parameters: int
    trained: int
    bytes: int
    multiply_adds: int

    def __repr__(self) -> str:
        head = ("name", "layer", "output shape", "parameters", "multiply-adds")
        lines = [(*row[:3], _number(row.parameters), _number(row.multiply_adds)) for row in self.rows]
        widths = [max(len(line[n]) for line in (head, *lines)) for n in range(len(head))]
        table = [_aligned(line, widths) for line in (head, tuple("-" * width for width in widths), *lines)]
        frozen = self.parameters - self.trained
        total = f"{self.parameters:,} parameters" + (f" ({frozen:,} of them frozen)" if frozen else "")
        table += ["", f"{total}, {_size(self.bytes)} with buffers; {self.multiply_adds:,} multiply-adds for this input"]
        return "\n".join(table)


def _number(n: int) -> str:
    return f"{n:,}" if n else ""


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    words = [
        word.ljust(width) if n < 3 else word.rjust(width)
        for n, (word, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(words).rstrip()


def _size(n: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n < 1024 or unit == "GiB":
            return f"{n:,.0f} {unit}" if unit == "bytes" else f"{n:,.1f} {unit}"
        n /= 1024
    raise AssertionError


def summarize(model: Module, *inputs: Any) -> Summary:
    """The summary of `model` for these inputs; see `Module.summary`.

    Examples
    --------
    >>> import numpy
    >>> from xpnn import nn
    >>> summarize(nn.Linear(3, 2), numpy.zeros((4, 3), dtype="float32"))
    name  layer         output shape  parameters  multiply-adds
    ----  ------------  ------------  ----------  -------------
          Linear(3, 2)  (4, 2)                 8             24
    <BLANKLINE>
    8 parameters, 32 bytes with buffers; 24 multiply-adds for this input
    """
    observed = copy.deepcopy(model).eval()
    outputs: dict[str, str] = {}
    multiply_adds: dict[str, int] = {}
    for path, module in observed.named_modules():
        _observe(module, path, outputs, multiply_adds)
    observed(*inputs)
    seen: set[int] = set()
    rows = []
    for path, module in model.named_modules():
        new = [slot.value for slot in _own(module, "parameter", "frozen") if id(slot.value) not in seen]
        seen |= {id(value) for value in new}
        text = type(module).__name__ if len(list(module.named_modules())) > 1 else repr(module)
        count = sum(prod(value.shape) for value in new)
        rows.append(Row(path, text, outputs.get(path, "not called"), count, multiply_adds.get(path, 0)))
    arrays = {id(slot.value): slot for slot in model.slots()}.values()
    return Summary(
        rows,
        parameters=sum(row.parameters for row in rows),
        trained=sum(prod(value.shape) for value in model.parameters()),
        bytes=sum(prod(slot.value.shape) * _bytes_each(slot.value) for slot in arrays),
        multiply_adds=sum(row.multiply_adds for row in rows),
    )


def _own(module: Module, *kinds: str) -> list[Any]:
    return [slot for slot in module.slots(*kinds) if slot.module is module]


def _observe(module: Module, path: str, outputs: dict[str, str], multiply_adds: dict[str, int]) -> None:
    """Let this one module, a copy, note what it gives."""
    forward = module.forward

    def observed(*inputs: Any, **options: Any) -> Any:
        y = forward(*inputs, **options)
        outputs[path] = _shapes(y)
        multiply_adds[path] = multiply_adds.get(path, 0) + module.multiply_adds(y, *inputs)
        return y

    module.__dict__["forward"] = observed


def _shapes(y: Any) -> str:
    if hasattr(y, "shape"):
        return str(tuple(y.shape))
    if isinstance(y, list | tuple):
        return ", ".join(map(_shapes, y))
    if isinstance(y, dict):
        return ", ".join(f"{key}: {_shapes(part)}" for key, part in y.items())
    return type(y).__name__


def _bytes_each(x: Any) -> int:
    """The size of one number, of its name's bits: not every library has `itemsize`."""
    name = dtype_name(x.dtype)
    bits = "".join(letter for letter in name if letter.isdigit())
    return int(bits) // 8 if bits else 1
