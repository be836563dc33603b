"""A network that tells malignant from benign breast masses: trained, judged on rows it has not seen, saved, and used.

    python examples/binary_classification.py                          # on a GPU if there is one, else on the CPU
    python examples/binary_classification.py --device cuda --hidden 64 64 --plots plots --save model.safetensors
    python examples/binary_classification.py predict model.safetensors patients.csv --output diagnoses.csv

The data are 569 rows of 30 measurements with a known diagnosis (examples/data/README.md). A fifth of them is held out:
the network learns from the others only, and so does the standardisation in its first layer. What is printed at the end
is about the held-out rows. `--hidden` gives the sizes of the hidden layers; with none it is a logistic regression.

To read how it works, start at `network` and `train`; the rest is tables, pictures and the command line.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from xpnn import nn, optim
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command
from xpnn.training import History, Trainer, load, save, split, write_whole
from xpnn.training.metrics import binary_accuracy, confusion_matrix, roc_auc

DATA = Path(__file__).resolve().parent / "data" / "breast_cancer.csv"
LABEL = "diagnosis"  # the column to predict
CLASSES = ["benign", "malignant"]  # targets 0 and 1; what the network gives is the logit of 1
HELD_OUT = 0.2
DROPOUT, WEIGHT_DECAY = 0.2, 1.0  # both keep 1 500 weights from learning 456 rows by heart
LARGEST = 1e30  # far beyond any measurement, and float32 can still compute with it


class Standardize(nn.Module):
    """(x - mean) / deviation of each column, so that all columns weigh alike whatever their units.

    As a layer it is moved and saved with the model, which takes measurements as they are.
    """

    mean: Any
    deviation: Any

    def __init__(self, features: int) -> None:
        self.mean = nn.Buffer(numpy.zeros(features, dtype="float32"))
        self.deviation = nn.Buffer(numpy.ones(features, dtype="float32"))

    def measure(self, x: numpy.ndarray) -> None:
        """Take mean and deviation from `x`, shape (rows, features); a column of equal values is only shifted."""
        deviation = x.std(axis=0)
        self.mean[...] = x.mean(axis=0)
        self.deviation[...] = numpy.where(deviation > 0, deviation, 1.0)

    def forward(self, x: Any) -> Any:
        """Give `x` standardised."""
        return (x - self.mean) / self.deviation


def network(features: int, hidden: list[int]) -> nn.Sequential:
    """The layers, from measurements of shape (rows, features) to logits of shape (rows, 1)."""
    layers: list[nn.Module] = [Standardize(features)]
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU(), nn.Dropout(DROPOUT)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, 1))


def train(arguments: argparse.Namespace) -> None:
    """Train a network, print how good it is on the held-out rows, and draw and save what was asked for."""
    device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    check_places(arguments.save, arguments.plots)
    columns, x, t = read_patients()
    x, x_held_out, t, t_held_out = split(x, t, fraction=HELD_OUT, seed=arguments.seed, stratify=t[:, 0])
    print(f"data: {len(x)} rows to learn from, {len(x_held_out)} held out, {len(columns)} columns")
    print(f"network: {'-'.join(map(str, [len(columns), *arguments.hidden, 1]))}")
    print(f"device: {device.describe()}")

    model = network(len(columns), arguments.hidden).initialize(arguments.seed)
    model[0].measure(x)
    model.to(device)
    optimizer = optim.AdamW(model, learning_rate=arguments.learning_rate, weight_decay=WEIGHT_DECAY)
    trainer = Trainer(model, nn.binary_cross_entropy_with_logits, optimizer, seed=arguments.seed)
    sizes = {"epochs": arguments.epochs, "batch_size": arguments.batch_size}
    start = time.perf_counter()
    history = trainer.fit(x, t, **sizes, validation=(x_held_out, t_held_out))  # watched, never learned from
    print(f"trained in {time.perf_counter() - start:.1f} s")

    y = trainer.predict(x_held_out)
    scores = {"accuracy": binary_accuracy(y, t_held_out), "ROC AUC": roc_auc(y, t_held_out)}
    report(history, scores, confusion_matrix(y[:, 0] > 0, t_held_out[:, 0] > 0))
    if arguments.plots:
        draw(arguments.plots, history, y[:, 0], t_held_out[:, 0])
    if arguments.save:
        about = {"columns": columns, "classes": CLASSES, "hidden": arguments.hidden, "held-out scores": scores}
        about |= {"seed": arguments.seed, "epochs": len(history), "device": history.device}
        save(arguments.save, model.state_dict(), about)
        print(f"saved {arguments.save}")


def predict(arguments: argparse.Namespace) -> None:
    """Write the probability and the class of each row of a table, by a saved model."""
    device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    model, about = load_model(arguments.model)
    table = read_table(arguments.input)
    x = numbers(table, about["columns"])
    unused = [name for name in table.columns if name not in about["columns"]]
    if unused:
        print(f"note: {table.path}: columns not used: {', '.join(unused)}", file=sys.stderr)

    logits = device.to_host(model.to(device)(device.asarray(x, dtype="float32")))[:, 0]
    negative, positive = about["classes"]
    lines = [f"row,probability of {positive},{LABEL}"]
    for row, logit, probability in zip(table.rows, logits, nn.sigmoid(logits), strict=True):
        lines.append(f"{row},{probability:.6g},{positive if logit > 0 else negative}")
    if arguments.output:
        write_whole(arguments.output, ["\n".join([*lines, ""]).encode()])
    else:
        print("\n".join(lines))


def load_model(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model that `train` saved in a file, ready to predict, and what was saved about it."""
    arrays, about = load(path)
    try:
        model = network(len(about["columns"]), about["hidden"]).load_state_dict(arrays)
        _, _ = about["classes"]
        if not all(numpy.isfinite(array).all() for array in arrays.values()):
            raise ValueError("a number in it is NaN or infinite")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a model saved by this program, with --save") from error
    return model.eval(), about


# Tables. Rows are counted as in a spreadsheet: the header is row 1.


class Table(NamedTuple):
    """A CSV file as text: the names of its columns, and by the number of each row its cells by column."""

    path: Path
    columns: list[str]
    rows: dict[int, dict[str, str]]


def read_patients() -> tuple[list[str], numpy.ndarray, numpy.ndarray]:
    """The names of the measurements, their values, shape (rows, columns), and the targets 0 and 1, shape (rows, 1)."""
    table = read_table(DATA)
    columns = [name for name in table.columns if name != LABEL]
    targets = [[CLASSES.index(row[LABEL])] for row in table.rows.values()]
    return columns, numbers(table, columns), numpy.asarray(targets, dtype="float32")


def read_table(path: Path) -> Table:
    """Read a CSV file; blank lines are left out."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = {number: cells for number, cells in enumerate(csv.reader(file), start=1) if cells}
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a CSV file in UTF-8: {error}") from error
    if len(lines) < 2:
        raise ValueError(f"{path}: expected a header and rows, got {'only a header' if lines else 'an empty file'}")
    columns = [name.strip() for name in lines.pop(min(lines))]
    for name in filter(None, columns):
        if columns.count(name) > 1:
            raise ValueError(f"{path}: column {name!r} is there more than once")
    for number, cells in lines.items():
        if len(cells) != len(columns):
            raise ValueError(f"{path}: row {number}: expected {len(columns)} cells as in the header, got {len(cells)}")
    return Table(path, columns, {number: dict(zip(columns, cells, strict=True)) for number, cells in lines.items()})


def numbers(table: Table, columns: list[str]) -> numpy.ndarray:
    """The named columns in that order, whatever the file's, shape (rows, columns), float64."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        some = ", ".join(map(repr, missing[:3])) + (", ..." if len(missing) > 3 else "")
        raise ValueError(f"{table.path}: {len(missing)} of {len(columns)} columns missing: {some}")
    return numpy.asarray([[number(table, row, name) for name in columns] for row in table.rows], dtype="float64")


def number(table: Table, row: int, column: str) -> float:
    """The number in a cell."""
    text = table.rows[row][column]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < LARGEST:
        raise ValueError(f"{table.path}: row {row}, column {column!r}: expected a finite number, got {text!r}")
    return value


# What came out


def report(history: History, scores: dict[str, float], confusion: numpy.ndarray) -> None:
    """Print losses, scores, and the confusion matrix: what was predicted for the held-out rows of each class."""
    last = history.rows[-1]
    print(f"loss after {last['epoch']} epochs: training {last['loss']:.4f}, held out {last['val_loss']:.4f}")
    print("held-out " + ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
    print(f"{'actual, predicted':18}" + "".join(f"{name:>10}" for name in CLASSES))
    for name, counts in zip(CLASSES, confusion, strict=True):
        print(f"{name:18}" + "".join(f"{count:10}" for count in counts))


def draw(folder: Path, history: History, y: numpy.ndarray, t: numpy.ndarray) -> None:
    """Draw the losses over the epochs, the ROC curve and the confusion matrix, each into a PNG file in `folder`."""
    from matplotlib.figure import Figure  # half a second, for those who want pictures

    figures = {name: Figure(figsize=(5.5, 4.5), layout="constrained") for name in ("training", "roc", "confusion")}
    training, roc, confusion = (figure.subplots() for figure in figures.values())

    marker = "o" if len(history) == 1 else ""  # a line needs two epochs
    training.plot(history["epoch"], history["loss"], marker=marker, label="training rows, with dropout")
    training.plot(history["epoch"], history["val_loss"], marker=marker, label="held-out rows")
    training.set(title="Loss over the epochs", xlabel="epoch", ylabel="binary cross-entropy", ylim=(0, None))
    training.legend()

    thresholds = numpy.concatenate([[math.inf], numpy.unique(y)[::-1]])[:, None]
    false, true = (numpy.mean(y[t == label] >= thresholds, axis=1) for label in (0, 1))
    roc.plot(false, true, label=f"area {roc_auc(y, t):.4f}")
    roc.plot([0, 1], [0, 1], linestyle="dotted", color="gray", label="guessing")
    roc.set(title="ROC curve, held-out rows", xlabel="benign called malignant", ylabel="malignant found")
    roc.legend(loc="lower right")

    counts = confusion_matrix(y > 0, t > 0)
    confusion.imshow(counts, cmap="Blues")
    for (row, column), count in numpy.ndenumerate(counts):
        color = "white" if count > counts.max() / 2 else "black"
        confusion.text(column, row, str(count), ha="center", va="center", size=20, color=color)
    confusion.set(title="Confusion matrix, held-out rows", xlabel="predicted", ylabel="actual")
    confusion.set(xticks=[0, 1], xticklabels=CLASSES, yticks=[0, 1], yticklabels=CLASSES)

    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
        print(f"drew {folder / name}.png")


# The command line


def check_places(model: Path | None, plots: Path | None) -> None:
    """Refuse, before the training, what could not be written after it; make the folder for the pictures."""
    if model and (model.is_dir() or not os.access(model.parent, os.W_OK)):
        what = "it is a folder" if model.is_dir() else f"cannot write into {model.parent}, or there is no such folder"
        raise ValueError(f"{model}: {what}")
    if plots and find_spec("matplotlib") is None:
        raise ValueError("--plots needs matplotlib: pip install 'xpnn[plot]'")
    if plots:
        plots.mkdir(parents=True, exist_ok=True)


def positive(kind: type) -> Callable[[str], Any]:
    """For argparse: the function from a word to a positive number of that kind."""

    def read(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not 0 < number < math.inf:
            what = "integer" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"expected a positive {what}, got {text!r}")
        return number

    return read


def whole(text: str) -> int:
    """For argparse: an integer from 0 to 2^64 - 1."""
    if not (text.isascii() and text.isdecimal() and int(text) < 2**64):
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2^64 - 1, got {text!r}")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    """The two commands and their options."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    as_above = argparse.RawDescriptionHelpFormatter
    one = commands.add_parser("train", description=__doc__, formatter_class=as_above)
    one.set_defaults(run=train)
    one.add_argument("--hidden", type=positive(int), nargs="*", default=[32, 16], metavar="SIZE", help="default: 32 16")
    one.add_argument("--epochs", type=positive(int), default=40, metavar="N", help="default: 40")
    one.add_argument("--batch-size", type=positive(int), default=32, metavar="N", help="default: 32")
    one.add_argument("--learning-rate", type=positive(float), default=0.001, metavar="RATE", help="default: 0.001")
    one.add_argument("--seed", type=whole, default=0, metavar="N", help="for split, weights and batches; default: 0")
    one.add_argument("--plots", type=Path, metavar="FOLDER", help="draw losses, ROC curve and confusion matrix there")
    one.add_argument("--save", type=Path, metavar="MODEL", help="save the trained model as this file")
    two = commands.add_parser("predict", description=predict.__doc__)
    two.set_defaults(run=predict)
    two.add_argument("model", type=Path, metavar="MODEL", help="a file that --save wrote")
    two.add_argument("input", type=Path, metavar="INPUT.csv", help="a table with the model's columns, in any order")
    two.add_argument("--output", type=Path, metavar="OUTPUT.csv", help="where to write; default: standard output")
    for command in (one, two):
        add_device_arguments(command)
        add_verbose_argument(command)
    return parser


def main(words: list[str]) -> int:
    """Run a command line, `train` if it names no command; gives the exit code."""
    if words[:1] not in (["train"], ["predict"]):
        words = ["train", *words]
    arguments = command_line().parse_args(words)
    return run_command(arguments.run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
