"""A convolutional network as an estimator of scikit-learn's kind: in a pipeline, in a search over its layers.

    python examples/digits_estimator.py                  # on a GPU if there is one, else on the CPU
    python examples/digits_estimator.py --device cuda --epochs 30

The data are 1797 handwritten digits of 8 x 8 pixels, a row of 64 numbers each (examples/data/README.md); a fifth of
them is held out. The search tries networks of other widths and other weight decays: `module__channels` goes to the
function that builds the network, `optimizer__weight_decay` to the optimizer. What it finds is an estimator like all
others: scikit-learn's own functions score it, copy it and pickle it. It needs `pip install 'xpnn[sklearn]'`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

import xpnn
from xpnn import nn
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command
from xpnn.estimators import Classifier

DATA = Path(__file__).resolve().parent / "data" / "digits.csv.gz"
GRID = {"network__module__channels": [4, 16], "network__optimizer__weight_decay": [0.01, 0.1]}


def network(n_features: int, n_outputs: int, dtype: str, channels: int = 16) -> nn.Sequential:
    """The layers, from rows of pixels, shape (n, 64), to a logit for each digit; the estimator fills in the sizes."""
    size = int(n_features**0.5)
    return nn.Sequential(
        nn.Unflatten(1, (1, size, size)),
        nn.Conv2d(1, channels, 3, padding=1, dtype=dtype), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, dtype=dtype), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(2 * channels * (size // 4) ** 2, n_outputs, dtype=dtype),
    )  # fmt: skip


def search(device: xpnn.Device, epochs: int, seed: int) -> GridSearchCV:
    """What tries all networks of `GRID`, each on three parts of the data."""
    model = Classifier(
        network, optimizer="adamw", learning_rate=0.01, schedule="one_cycle", max_epochs=epochs, batch_size=32,
        device=device, random_state=seed,
    )  # fmt: skip
    pipeline = Pipeline([("scale", MinMaxScaler()), ("network", model)])
    return GridSearchCV(pipeline, GRID, cv=3, error_score="raise")


def train(device: xpnn.Device, epochs: int, seed: int) -> GridSearchCV:
    """Search, and print what was found and how many held-out digits it reads."""
    table = numpy.loadtxt(DATA, delimiter=",", dtype="float32")
    X, y = table[:, :-1], table[:, -1].astype("int64")
    X, X_held_out, y, y_held_out = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    start = time.perf_counter()
    found = search(device, epochs, seed).fit(X, y)
    print(f"{len(found.cv_results_['params'])} networks, three times each, in {time.perf_counter() - start:.1f} s")
    for score, options in sorted(zip(found.cv_results_["mean_test_score"], found.cv_results_["params"], strict=True),
                                 key=lambda one: -one[0]):  # fmt: skip
        print(
            f"accuracy {score:.4f}:", ", ".join(f"{key.partition('__')[2]}={value}" for key, value in options.items())
        )
    print(f"held-out accuracy of the best, trained on all the rest: {found.score(X_held_out, y_held_out):.4f}")
    print(classification_report(y_held_out, found.predict(X_held_out), digits=3, zero_division=0))
    return found


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if arguments.epochs < 1:
        raise ValueError(f"expected --epochs of 1 or more, got {arguments.epochs}")
    device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    print(f"device: {device.describe()}")
    train(device, arguments.epochs, arguments.seed)


def main(words: list[str]) -> int:
    """Run a command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="times through all images (default: 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides weights, batches and the split")
    add_device_arguments(parser)
    add_verbose_argument(parser)
    return run_command(run, parser.parse_args(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
