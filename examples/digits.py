"""A small convolutional network that reads handwritten digits: trained, judged on images it has not seen.

    python examples/digits.py                              # on a GPU if there is one, else on the CPU
    python examples/digits.py --device cuda --plots plots  # draws the training, and the digits that were misread
    python examples/digits.py --data mnist_5k.csv.gz --epochs 2

The data are 1797 images of 8 x 8 pixels (examples/data/README.md), or yours: `--data` takes a table without a header,
plain or gzipped, with a square image in each row, pixel by pixel, and its digit last. A fifth of the images is held
out: the network learns from the others only. What is printed at the end is about the held-out ones.

To read how it works, start at `network`, `with_moved` and `train`; the rest is tables, pictures and the command line.
"""

from __future__ import annotations

import argparse
import gzip
import math
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy

from xpnn import nn, optim
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command
from xpnn.training import History, Trainer, split
from xpnn.training.metrics import accuracy

DATA = Path(__file__).resolve().parent / "data" / "digits.csv.gz"
CLASSES = 10
HELD_OUT = 0.2
DROPOUT, WEIGHT_DECAY = 0.5, 0.1  # both keep the weights from learning the images by heart
MOVED = 0.4  # pixels by which images are moved to learn from more of them
AVERAGE = 0.99  # judged are the weights' means over about the last 100 steps, which jump less than they do
SHOWN = 24  # misread digits in the picture


def network(size: int, channels: list[int]) -> nn.Sequential:
    """The layers, from images of shape (n, 1, size, size) to one logit for each digit, shape (n, 10).

    Each convolution looks for patterns of 3 x 3 pixels in what the one before found; each pool halves the image, so
    that the next sees twice as far, and where exactly a stroke lies counts less.
    """
    layers: list[nn.Module] = []
    before = 1
    for count in channels:
        layers += [nn.Conv2d(before, count, 3, padding=1), nn.BatchNorm2d(count), nn.ReLU(), nn.MaxPool2d(2)]
        before, size = count, size // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(before * size * size, CLASSES))


def with_moved(x: numpy.ndarray, t: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """All images, and each of them moved a part of a pixel right, left, down and up: five times as many to learn from.

    A digit stays what it is where it lies a little aside, which a thousand images alone do not tell.
    """
    size = x.shape[-1]
    wide = numpy.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    beside = [wide[..., row : row + size, column : column + size] for row, column in ((1, 0), (1, 2), (0, 1), (2, 1))]
    return numpy.concatenate([x, *((1 - MOVED) * x + MOVED * other for other in beside)]), numpy.tile(t, 5)


def train(arguments: argparse.Namespace) -> None:
    """Train a network, print how many held-out digits it reads, and draw what was asked for."""
    device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    check_plots(arguments.plots)
    x, t = read_images(arguments.data)
    size = x.shape[-1]
    if size >> len(arguments.channels) == 0:
        raise ValueError(
            f"images of {size} x {size} pixels cannot be halved {len(arguments.channels)} times (--channels)"
        )
    x, x_held_out, t, t_held_out = split(x, t, fraction=HELD_OUT, seed=arguments.seed, stratify=t)
    print(f"data: {len(x)} images of {size} x {size} pixels to learn from, {len(x_held_out)} held out")
    print(f"network: convolutions to {', '.join(map(str, arguments.channels))} channels")
    print(f"device: {device.describe()}")

    model = network(size, arguments.channels).initialize(arguments.seed).to(device)
    x, t = with_moved(x, t)
    steps = arguments.epochs * math.ceil(len(x) / arguments.batch_size)
    rate = optim.cosine_decay(arguments.learning_rate, steps=steps)
    optimizer = optim.AdamW(model, learning_rate=rate, weight_decay=WEIGHT_DECAY)
    metrics = {"accuracy": accuracy}
    trainer = Trainer(model, nn.cross_entropy, optimizer, metrics=metrics, average=AVERAGE, seed=arguments.seed)
    sizes = {"epochs": arguments.epochs, "batch_size": arguments.batch_size}
    start = time.perf_counter()
    history = trainer.fit(x, t, **sizes, validation=(x_held_out, t_held_out))  # watched, never learned from
    print(f"trained in {time.perf_counter() - start:.1f} s")

    y = trainer.predict(x_held_out)
    report(history, y, t_held_out)
    if arguments.plots:
        draw_training(arguments.plots / "training.png", history)
        draw_misread(arguments.plots / "misread.png", x_held_out[:, 0], y, t_held_out)


def read_images(path: Path) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The images of a table, shape (n, 1, size, size), float32 from 0 to 1, and their digits, shape (n,)."""
    try:
        table = numpy.loadtxt(lines_of(path), delimiter=",", dtype="float32", ndmin=2)
    except (ValueError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: expected a table of numbers, the same number in each row: {error}") from error
    size = math.isqrt(max(table.shape[1] - 1, 0))
    if size == 0 or size * size != table.shape[1] - 1:
        raise ValueError(f"{path}: expected a square image and its digit in each row, got {table.shape[1]} columns")
    pixels, digits = table[:, :-1], table[:, -1]
    if not (numpy.isin(digits, range(CLASSES)).all() and numpy.isfinite(pixels).all() and pixels.max() > 0):
        raise ValueError(f"{path}: expected pixels, finite and not all 0, and last a digit from 0 to 9")
    return (pixels / pixels.max()).reshape(-1, 1, size, size), digits.astype("int64")


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, plain or gzipped."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.readlines()
    else:
        lines = path.read_text(encoding="utf-8").splitlines()
    if not lines:
        raise ValueError("it is empty")
    return lines


# What came out


def report(history: History, y: numpy.ndarray, t: numpy.ndarray) -> None:
    """Print losses, accuracy, and which digits were read as which others."""
    last, read = history.rows[-1], y.argmax(axis=1)
    print(f"loss after {last['epoch']} epochs: training {last['loss']:.4f}, held out {last['val_loss']:.4f}")
    print(f"held-out accuracy {accuracy(y, t):.4f}: {numpy.sum(read != t)} of {len(t)} misread")
    pairs, counts = numpy.unique(numpy.stack([t, read])[:, read != t], axis=1, return_counts=True)
    for (digit, as_other), count in zip(pairs.T, counts, strict=True):
        print(f"  {digit} read as {as_other}: {count}")


def draw_training(path: Path, history: History) -> None:
    """Draw losses and accuracy over the epochs."""
    from matplotlib.figure import Figure  # half a second, for those who want pictures

    figure = Figure(figsize=(9, 4), layout="constrained")
    losses, right = figure.subplots(1, 2)
    marker = "o" if len(history) == 1 else ""  # a line needs two epochs
    losses.semilogy(history["epoch"], history["loss"], marker=marker, label="training images, moved, with dropout")
    losses.semilogy(history["epoch"], history["val_loss"], marker=marker, label="held-out images")
    losses.set(title="Loss over the epochs", xlabel="epoch", ylabel="cross-entropy")
    losses.legend()
    right.plot(history["epoch"], [100 * share for share in history["val_accuracy"]], color="C1", marker=marker)
    right.set(title="Held-out digits read rightly", xlabel="epoch", ylabel="percent")
    for axes in (losses, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=120)
    print(f"drew {path}")


def draw_misread(path: Path, images: numpy.ndarray, y: numpy.ndarray, t: numpy.ndarray) -> None:
    """Draw misread digits, those first that the network was surest of."""
    from matplotlib.figure import Figure

    shares, read = nn.softmax(y), y.argmax(axis=1)
    wrong = numpy.flatnonzero(read != t)
    wrong = wrong[numpy.argsort(-shares[wrong, read[wrong]])]
    rows = max(1, math.ceil(min(len(wrong), SHOWN) / 6))
    figure = Figure(figsize=(9, 0.6 + 1.8 * rows), layout="constrained")
    figure.suptitle(f"{len(wrong)} of {len(t)} held-out digits misread" + (f", {SHOWN} shown" * (len(wrong) > SHOWN)))
    for place in figure.subplots(rows, 6, squeeze=False).flat:
        place.set_axis_off()
    for place, n in zip(figure.axes, wrong, strict=False):
        place.imshow(images[n], cmap="gray_r")
        place.set_title(f"{t[n]} read as {read[n]}\n({shares[n, read[n]]:.0%} sure)", size=9)
    figure.savefig(path, dpi=120)
    print(f"drew {path}")


# The command line


def check_plots(folder: Path | None) -> None:
    """Refuse, before the training, pictures that could not be drawn after it; make the folder for them."""
    if folder and find_spec("matplotlib") is None:
        raise ValueError("--plots needs matplotlib: pip install 'xpnn[plot]'")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)


def positive(text: str) -> int:
    """For argparse: a positive integer."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def rate(text: str) -> float:
    """For argparse: a positive number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return number


def whole(text: str) -> int:
    """For argparse: an integer from 0 to 2^64 - 1."""
    if not (text.isascii() and text.isdecimal() and int(text) < 2**64):
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2^64 - 1, got {text!r}")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    counts = {"type": positive, "nargs": "+", "metavar": "COUNT"}
    parser.add_argument("--data", type=Path, default=DATA, metavar="TABLE", help="default: the digits of 8 x 8 pixels")
    parser.add_argument("--channels", **counts, default=[32, 64], help="of each convolution; default: 32 64")
    parser.add_argument("--epochs", type=positive, default=10, metavar="N", help="default: 10")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="default: 32")
    parser.add_argument("--learning-rate", type=rate, default=0.003, metavar="RATE", help="the first; default: 0.003")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="for split, weights and batches; default: 0")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw the training and the misread digits there")
    add_device_arguments(parser)
    add_verbose_argument(parser)
    return parser


def main(words: list[str]) -> int:
    """Run a command line; gives the exit code."""
    return run_command(train, command_line().parse_args(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
