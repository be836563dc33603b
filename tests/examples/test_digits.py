"""The digits example: what it promises of its defaults, its pictures, and every bad input."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_gpu
import numpy
import pytest
from example_programs import EXAMPLES, load_program

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = EXAMPLES / "digits.py"
MNIST = ROOT.parent / "shared" / "data" / "mnist_5k.csv.gz"
QUICK = ("--device", "cpu", "--epochs", "1", "--channels", "2")


example = load_program(PROGRAM)


@pytest.fixture
def run(capsys: Any) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; gives exit code, output and errors."""

    def command(*words: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = example.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A table of the first 100 digits."""
    with gzip.open(example.DATA, "rt") as file:
        lines = file.readlines()[:100]
    (tmp_path / "few.csv").write_text("".join(lines))
    return tmp_path / "few.csv"


def without_device_and_time(output: str) -> list[str]:
    return [line for line in output.splitlines() if not line.startswith(("device: ", "trained in ", "drew "))]


def held_out(out: str) -> float:
    share, wrong, count = re.search(r"^held-out accuracy (\d\.\d{4}): (\d+) of (\d+) misread$", out, re.M).groups()
    assert f"{1 - int(wrong) / int(count):.4f}" == share
    assert sum(map(int, re.findall(r"^  \d read as \d: (\d+)$", out, re.M))) == int(wrong)
    return float(share)


def test_the_table_is_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_digits()
    x, t = example.read_images(example.DATA)
    assert numpy.array_equal(x[:, 0] * 16, data.images)
    assert numpy.array_equal(t, data.target)


def test_the_defaults_train_a_good_network(run: Any) -> None:
    # eight seconds, since the promise is about the whole training
    code, out, err = run("--device", "cpu", "--seed", "3")
    assert (code, err) == (0, "")
    assert held_out(out) > 0.985
    assert "data: 1438 images of 8 x 8 pixels to learn from, 359 held out\n" in out
    assert "network: convolutions to 32, 64 channels\n" in out
    assert re.search(r"^device: cpu, numpy \S+$", out, re.M)
    assert re.search(r"^trained in \d+\.\d s$", out, re.M)


@pytest.mark.skipif(
    not MNIST.exists(), reason=f"no 5000 digits of MNIST beside the project, at ../shared/data/{MNIST.name}"
)
def test_larger_images_from_a_table_of_ones_own(run: Any) -> None:
    code, out, _ = run("--device", "cpu", "--data", MNIST, "--epochs", "1", "--channels", "8", "16")
    assert code == 0
    assert "data: 4000 images of 28 x 28 pixels to learn from, 1000 held out\n" in out
    assert held_out(out) > 0.9


def test_images_are_moved_by_part_of_a_pixel_and_keep_their_digits() -> None:
    x = numpy.zeros((2, 1, 3, 3), dtype="float32")
    x[0, 0, 1, 1] = x[1, 0, 0, 0] = 1.0
    moved, t = example.with_moved(x, numpy.asarray([7, 4]))
    assert (moved.shape, moved.dtype, t.tolist()) == ((10, 1, 3, 3), x.dtype, [7, 4] * 5)
    assert numpy.array_equal(moved[:2], x)
    for n, (row, column) in enumerate([(1, 2), (1, 0), (2, 1), (0, 1)], start=1):  # right, left, down, up
        expected = 0.6 * x[0, 0]
        expected[row, column] = 0.4
        numpy.testing.assert_allclose(moved[2 * n, 0], expected, rtol=1e-6)
    numpy.testing.assert_allclose(moved[1::2].sum(axis=(1, 2, 3)), [1, 1, 0.6, 1, 0.6], rtol=1e-6)  # some leaves


def test_a_seed_decides_everything(run: Any, few: Path) -> None:
    plain = without_device_and_time(run(*QUICK, "--data", few)[1])
    assert plain == without_device_and_time(run(*QUICK, "--data", few, "--seed", "0")[1])
    assert plain != without_device_and_time(run(*QUICK, "--data", few, "--seed", "1")[1])


def test_pictures(run: Any, few: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "plots"
    code, out, _ = run(*QUICK, "--data", few, "--plots", folder)
    assert code == 0
    assert {path.name for path in folder.iterdir()} == {"training.png", "misread.png"}
    for path in folder.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"drew {path}\n" in out


def test_a_picture_of_no_mistakes(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("matplotlib")
    example.draw_misread(tmp_path / "none.png", numpy.zeros((2, 8, 8)), numpy.eye(10)[:2], numpy.asarray([0, 1]))
    assert capsys.readouterr().out == f"drew {tmp_path / 'none.png'}\n"


def test_plots_without_matplotlib(run: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(example, "find_spec", lambda name: None)
    code, out, err = run(*QUICK, "--plots", tmp_path)
    assert (code, out) == (1, "")
    assert err == "error: --plots needs matplotlib: pip install 'xpnn[plot]'\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--channels", "0"],
        ["--channels"],
        ["--epochs", "0"],
        ["--batch-size", "x"],
        ["--device", "gpu"],
        ["--learning-rate", "-1"],
        ["--learning-rate", "nan"],
        ["--seed", "-1"],
        ["--seed", "18446744073709551616"],
    ],
)
def test_bad_options_exit_with_2(run: Any, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*words)


IMAGE = ",".join(["1"] * 64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n", "expected a table of numbers, .*"),
        (f"{IMAGE},1\n{IMAGE}\n".encode(), "expected a table of numbers, the same number in each row: .*"),
        (f"{IMAGE},1,1\n".encode(), "expected a square image and its digit in each row, got 66 columns"),
        (f"{IMAGE},10\n".encode(), "expected pixels, finite and not all 0, and last a digit from 0 to 9"),
        (f"{IMAGE},1.5\n".encode(), "expected pixels, .*"),
        (f"nan,{IMAGE[2:]},1\n".encode(), "expected pixels, .*"),
        (f"{','.join('0' * 64)},1\n".encode(), "expected pixels, .*"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(run: Any, tmp_path: Path, content: bytes, message: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    code, out, err = run(*QUICK, "--data", table)
    assert (code, out) == (1, "")
    assert re.fullmatch(f"error: {re.escape(str(table))}: {message}\n", err)


def test_a_damaged_or_missing_table(run: Any, tmp_path: Path) -> None:
    whole = example.DATA.read_bytes()
    for content in (b"no gzip", whole[:1000], b""):
        table = tmp_path / "table.csv.gz"
        table.write_bytes(content)
        code, out, err = run(*QUICK, "--data", table)
        assert (code, out) == (1, "")
        assert re.fullmatch(r"error: .*\n", err)
    assert run(*QUICK, "--data", tmp_path / "missing.csv")[0] == 1


def test_images_that_are_too_small_for_the_network(run: Any, few: Path) -> None:
    code, _, err = run("--device", "cpu", "--data", few, "--channels", "2", "2", "2", "2")
    assert code == 1
    assert err == "error: images of 8 x 8 pixels cannot be halved 4 times (--channels)\n"


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with fake_gpu.restored_modules():
        fake_gpu.pretend(monkeypatch, None, None)
        yield


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_cuda_warns_and_gives_the_numbers_of_the_cpu(run: Any, few: Path, caplog: Any) -> None:
    code, out, _ = run(*QUICK, "--data", few, "--device", "cuda")
    assert code == 0
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "requested cuda, running on cpu" in record.getMessage()
    assert without_device_and_time(out) == without_device_and_time(run(*QUICK, "--data", few)[1])
    code, out, err = run(*QUICK, "--device", "cuda", "--no-fallback")
    assert (code, out) == (3, "")
    assert re.fullmatch(r"error: .*\n", err)


@pytest.mark.gpu
def test_on_a_gpu(run: Callable[..., tuple[int, str, str]], few: Path) -> None:
    """The CPU's losses, but for the bias before a batch norm, whose gradient is 0 but for rounding."""
    words = ("--data", few, "--epochs", "2", "--channels", "4")
    losses = []
    for device in ("cpu", "cuda"):
        code, out, err = run(*words, "--device", device)
        assert (code, err) == (0, "")
        assert f"device: {device}" in out
        losses.append(re.search(r"^loss after 2 epochs: training (\S+), held out (\S+)$", out, re.M).groups())
    here, there = numpy.asarray(losses, dtype=float)
    numpy.testing.assert_allclose(there, here, atol=0.005)
