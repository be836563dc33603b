"""How the walk-through shows its numbers: side by side, held to the tutorial's digits, and in pictures.

The lesson itself is in `walkthrough.py`; nothing here is needed to follow it.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy

from xpnn import Device

Array: TypeAlias = Any

# What the tutorial printed, digit by digit, row after row; of val_x it left out the middle.
TUTORIAL = {
    "val_x": "-10. -9.97997998 -9.95995996 -9.93993994 -9.91991992 -9.8998999 -9.87987988 -9.85985986 -9.83983984"
    " -9.81981982 -9.7997998 -9.77977978 -9.75975976 -9.73973974 -9.71971972 -9.6996997"
    " 9.77977978 9.7997998 9.81981982 9.83983984 9.85985986 9.87987988 9.8998999 9.91991992 9.93993994"
    " 9.95995996 9.97997998 10.",
    "x": "0 0 1 1 1 1 1 0 1 0 1 1",
    "y_true": "0 1 1 0",
    "Wo": "0.47143516 -1.19097569 1.43270697",
    "bo": "0.",
    "ho": "1.43270697 0.71316644 1.90414213 0.24173127",
    "y_pred": "0.80732274 0.67110045 0.87035962 0.56014025",
    "MSE": "0.65177001 0.10817491 0.01680663 0.3137571",
    "mean of MSE": "0.27262716361994604",
    "y_pred_class": "1. 1. 1. 1.",
    "y_match": "0. 1. 1. 0.",
    "acc": "0.5",
    "dMSE_dy": "1.61464548 -0.6577991 -0.25928077 1.1202805",
    "dy_dho": "0.15555273 0.22072464 0.11283376 0.24638315",
    "dMSE_dho": "0.25116252 -0.14519247 -0.02925562 0.27601824",
    "dho_dWo": "0 0 1 1 1 1 1 0 1 0 1 1",
    "dho_dbo": "1 1 1 1",
    "delta_Wo": "-0.17444809 0.13082577 0.35273266",
    "delta_bo": "0.35273266",
    "updated Wo": "0.47317964 -1.19228395 1.42917964",
    "updated bo": "-0.00352733",
    "second Wo": "-2.24268495 1.15003572 0.99194602",
    "second bo": "0.",
}
ENDS = slice(None, 16), slice(-12, None)  # what it printed of val_x
WIDTH = 100  # columns


class Page:
    """What is printed: text, and numbers by hand and by xpnn beside each other, held to the tutorial's digits."""

    def __init__(self, device: Device) -> None:
        self.device, self.sections, self.blank = device, 0, True
        self.left = set(TUTORIAL)  # what was not compared yet

    def say(self, *lines: str) -> None:
        """Print lines, never two empty ones in a row, in plain letters where the terminal knows no others."""
        for line in lines:
            if line or not self.blank:
                print(in_letters_of(sys.stdout.encoding or "ascii", line))
            self.blank = not line

    def tell(self, text: str) -> None:
        """Print a paragraph."""
        self.say("", *textwrap.wrap(text, WIDTH), "")

    def section(self, function: Callable[..., Any]) -> None:
        """Print the docstring of a section."""
        self.sections += 1
        title, _, text = (inspect.getdoc(function) or function.__name__).partition("\n\n")
        heading = f"{self.sections}. {title.rstrip('.')}"
        self.say("", heading, "-" * len(heading), *text.splitlines(), "")

    def code(self, function: Callable[..., Any]) -> None:
        """Print the lines of a function, without its docstring and the `return` at its end."""
        lines = inspect.getsource(function).split('"""')[-1].strip("\n").splitlines()
        self.say("", *lines[:-1], "")

    def show(
        self, name: str, formula: str, inputs: Sequence[Array], value: Array, by_xpnn: Array | None = None
    ) -> None:
        """Print `name = formula`, the shapes, the numbers, and those of xpnn; compare both, and with the tutorial."""
        remark = self.compare(name, value)
        if not formula:
            return self.numbers(f"  {name} {value.shape}", value, remark)
        shapes = ", ".join(str(array.shape) for array in inputs) + (" → " if inputs else "")
        self.say(f"{f'  {name} = {formula}':64}{shapes}{value.shape}")
        self.numbers("      by hand" if by_xpnn is not None else "", value, remark)
        if by_xpnn is not None:
            apart = self.agree(name, value, by_xpnn)
            remark = f"differs by at most {apart:.1e}" if apart else "the same to the last bit"
            self.numbers("      by xpnn", by_xpnn, remark)

    def numbers(self, label: str, value: Array, remark: str) -> None:
        """Print an array: a row of a matrix in a line, else all in one line, a few where there are many."""
        value = self.host(value)
        if value.size > 12:
            value = value[:: (value.size - 1) // 3]
        words, width = self.words(value), value.shape[1] if value.ndim == 2 and value.shape[1] > 1 else 4
        rows = [words[start : start + width] for start in range(0, len(words), width)]
        if max(map(len, words)) < 2:  # small integers: rows side by side
            rows = [[" ".join(row) for row in rows] if width != 4 else words]
        for number, row in enumerate(rows):
            line = "".join(f"{word:>12}" for word in row)
            self.say(f"{'' if number else label:20}{line:48}  {'' if number else remark}".rstrip())

    def compare(self, name: str, value: Array) -> str:
        """Hold a value to what the tutorial printed, if it printed it: all digits must be the same."""
        if name not in TUTORIAL:
            return ""
        self.left.discard(name)
        printed, words = TUTORIAL[name].split(), self.words(value)
        if words == printed:
            return "as printed in the tutorial ✓"
        if self.device.name != "cpu" and value.shape == () and abs(float(words[0]) - float(printed[0])) < 1e-15:
            return "as in the tutorial, but for the last digit: this device's exp rounds otherwise"
        raise ValueError(f"{name}: the tutorial printed {' '.join(printed)}, this run computes {' '.join(words)}")

    def agree(self, name: str, by_hand: Array, by_xpnn: Array) -> float:
        """The largest difference between the two, which must be rounding."""
        if by_hand.shape != by_xpnn.shape:
            raise ValueError(f"{name}: by hand the shape is {by_hand.shape}, by xpnn {by_xpnn.shape}")
        apart = float(abs(self.host(by_hand) - self.host(by_xpnn)).max())
        if not apart < 1e-12:
            raise ValueError(f"{name}: by hand and by xpnn differ by {apart}")
        return apart

    def close(self) -> None:
        """Say how much of the tutorial was reproduced; that must be all of it."""
        if self.left:
            raise ValueError(f"not compared with the tutorial: {', '.join(sorted(self.left))}")
        count = sum(len(printed.split()) for printed in TUTORIAL.values())
        self.say("", f"All {len(TUTORIAL)} results of the tutorial, {count} numbers, came out as printed there ✓")

    def words(self, value: Array) -> list[str]:
        """The numbers as NumPy prints them: a single one to its last digit, those in arrays to eight decimals."""
        host = self.host(value)
        if host.shape == ():
            return [repr(host.item())]
        if host.size > 28:
            host = numpy.concatenate([host[part] for part in ENDS])
        text = numpy.array2string(host, precision=8, floatmode="maxprec", suppress_small=True)
        return text.replace("[", " ").replace("]", " ").split()

    def host(self, value: Array) -> Any:
        """The value as a NumPy array, from any device."""
        return self.device.to_host(value)

    def number(self, value: Array) -> float:
        """A single value as a Python number."""
        return float(self.host(value))


def in_letters_of(encoding: str, line: str) -> str:
    """The line, with signs that `encoding` lacks written in others."""
    for sign, plain in {"✓": "(ok)", "×": "*", "²": "^2", "→": "->"}.items():
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            line = line.replace(sign, plain)
    return line.encode(encoding, "backslashreplace").decode(encoding)


def draw(
    folder: Path,
    page: Page,
    curves: Mapping[str, Array],
    rows: Mapping[str, Array],
    history: Mapping[str, Array],
) -> None:
    """Draw the tutorial's four pictures, each into a PNG file in `folder`.

    `curves` holds x, y and the slope of the sigmoid along a range, `rows` the same and y_true for the rows of the data;
    `history` holds the loss and the accuracy before each step.
    """
    from matplotlib.figure import Figure  # half a second that only those who want pictures wait

    curves, rows, history = ({name: page.host(a) for name, a in group.items()} for group in (curves, rows, history))

    def save(name: str, title: str, xlabel: str, ylabel: str, paint: Callable[[Any], object]) -> None:
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.grid(alpha=0.3)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        paint(axes)
        figure.savefig(folder / f"{name}.png", dpi=120)
        page.say(f"drew {folder / name}.png")

    def curve(axes: Any, y: str) -> None:
        axes.plot(curves["x"], curves[y], linewidth=2)
        for wanted, color in ((1, "tab:green"), (0, "tab:red")):
            chosen = rows["y_true"] == wanted
            label = f"a row that wants {wanted}, at its ho with the first weights"
            axes.plot(rows["x"][chosen], rows[y][chosen], "o", markersize=8, color=color, label=label)
        for number, place in enumerate(zip(rows["x"][:, 0], rows[y][:, 0], strict=True), start=1):
            axes.annotate(f"row {number}", place, xytext=(10, -4), textcoords="offset points")
        axes.set_ylim(0, 1.25 * curves[y].max())  # room for the legend
        axes.legend(loc="upper left", framealpha=1)

    def loss(axes: Any) -> None:
        axes.plot(history["loss"], linewidth=2)
        axes.set_ylim(bottom=0)

    def accuracy(axes: Any) -> None:
        axes.plot(history["accuracy"], color="tab:green", linewidth=2, drawstyle="steps-post")
        axes.set_yticks(numpy.linspace(0, 1, len(rows["x"]) + 1))
        axes.set_ylim(-0.05, 1.05)

    inside = "x (inside the network: ho)"
    save("sigmoid", "The sigmoid, a switch without a jump", inside, "y = sigmoid(x)", lambda axes: curve(axes, "y"))
    save("sigmoid_derivative", "Its slope: steep in the middle", inside, "y (1 - y)", lambda axes: curve(axes, "slope"))
    save("loss", "The loss falls smoothly", "step", "mean of the squared errors", loss)
    save("accuracy", "The accuracy waits, and jumps by a row", "step", "accuracy (share of the rows)", accuracy)
