"""The binary-classification example: what it promises on its first screen, and what it says about bad input."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_gpu
import numpy
import pytest
from elsewhere import device_named, on_gpu
from example_programs import EXAMPLES, load_program

from xpnn import Device, nn
from xpnn.training import load, save, split

PROGRAM = EXAMPLES / "binary_classification.py"
QUICK = ("--device", "cpu", "--epochs", "2", "--hidden", "4")


example = load_program(PROGRAM)


@pytest.fixture
def run(capsys: Any) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; gives exit code, output and errors."""

    def command(*words: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = example.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return command


@pytest.fixture(scope="module")
def saved(tmp_path_factory: Any) -> Path:
    """A model that has seen all rows ten times."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    assert example.main(["--device", "cpu", "--epochs", "10", "--save", str(path)]) == 0
    return path


def cells() -> list[list[str]]:
    with open(example.DATA, newline="") as file:
        return list(csv.reader(file))


def write(path: Path, rows: list[list[str]]) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def without_device_and_time(output: str) -> list[str]:
    return [line for line in output.splitlines() if not line.startswith(("device: ", "trained in "))]


# The data


def test_the_table_is_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_breast_cancer()
    columns, x, t = example.read_patients()
    assert columns == list(data.feature_names)
    assert numpy.array_equal(x, data.data)
    malignant = list(data.target_names).index("malignant")
    assert numpy.array_equal(t[:, 0], data.target == malignant)


# Training


def test_the_defaults_train_a_good_network(run: Any) -> None:
    code, out, err = run("--device", "cpu", "--seed", "3")
    assert (code, err) == (0, "")
    accuracy, area = re.search(r"^held-out accuracy (0\.\d{4}), ROC AUC (\d\.\d{4})$", out, re.M).groups()
    assert float(accuracy) >= 0.96
    assert float(area) >= 0.99
    assert re.search(r"^device: cpu, numpy \S+$", out, re.M)
    assert re.search(r"^trained in \d+\.\d s$", out, re.M)
    table = [[int(n) for n in re.search(rf"^{name} +(\d+) +(\d+)$", out, re.M).groups()] for name in example.CLASSES]
    assert numpy.sum(table, axis=1).tolist() == [72, 42]  # a fifth of each class, and of all
    assert f"{numpy.trace(table) / numpy.sum(table):.4f}" == accuracy


def test_the_word_train_may_be_left_out_and_a_seed_decides_everything(run: Any) -> None:
    plain = without_device_and_time(run(*QUICK)[1])
    assert plain == without_device_and_time(run("train", *QUICK, "--seed", "0")[1])
    assert plain != without_device_and_time(run(*QUICK, "--seed", "1")[1])


@pytest.mark.parametrize(("hidden", "sizes"), [([], "30-1"), (["7"], "30-7-1"), (["8", "4", "2"], "30-8-4-2-1")])
def test_hidden_gives_the_layers(run: Any, tmp_path: Path, hidden: list[str], sizes: str) -> None:
    path = tmp_path / "model"
    code, out, _ = run("--device", "cpu", "--epochs", "1", "--save", path, "--hidden", *hidden)
    assert code == 0
    assert f"network: {sizes}\n" in out
    arrays, _ = load(path)
    shapes = [array.shape for name, array in arrays.items() if name.endswith("weight")]
    widths = [int(n) for n in sizes.split("-")]
    assert shapes == list(zip(widths[1:], widths[:-1], strict=True))


def test_the_saved_model_knows_what_it_is(saved: Path) -> None:
    arrays, about = load(saved)
    columns, x, t = example.read_patients()
    assert about["columns"] == columns
    assert about["classes"] == ["benign", "malignant"]
    assert (about["hidden"], about["seed"], about["epochs"]) == ([32, 16], 0, 10)
    assert about["device"].startswith("cpu, numpy ")
    assert about["held-out scores"]["accuracy"] > 0.9
    learned_from, _ = split(x, fraction=0.2, seed=0, stratify=t[:, 0])
    # float32 keeps seven digits
    assert numpy.allclose(arrays["0.mean"], learned_from.mean(axis=0), rtol=1e-6)
    assert numpy.allclose(arrays["0.deviation"], learned_from.std(axis=0), rtol=1e-6)
    assert not numpy.allclose(arrays["0.mean"], x.mean(axis=0), rtol=1e-4)  # the held-out rows took no part


def test_a_column_of_equal_values_is_only_shifted() -> None:
    layer = example.Standardize(2)
    layer.measure(numpy.asarray([[5.0, 1.0], [5.0, 3.0]]))
    assert layer(numpy.asarray([[5.0, 3.0], [6.0, 1.0]], dtype="float32")).tolist() == [[0.0, 1.0], [1.0, -1.0]]


def test_plots(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "plots"
    code, out, _ = run(*QUICK, "--plots", folder)
    assert code == 0
    assert {path.name for path in folder.iterdir()} == {"training.png", "roc.png", "confusion.png"}
    for path in folder.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"drew {path}\n" in out


def test_plots_without_matplotlib(run: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(example, "find_spec", lambda name: None)
    code, out, err = run(*QUICK, "--plots", tmp_path)
    assert (code, out) == (1, "")
    assert err == "error: --plots needs matplotlib: pip install 'xpnn[plot]'\n"


def test_a_place_that_is_not_there_is_refused_before_the_training(run: Any, tmp_path: Path) -> None:
    code, out, err = run(*QUICK, "--save", tmp_path / "nowhere" / "model")
    assert (code, out) == (1, "")
    path = tmp_path / "nowhere"
    assert err == f"error: {path / 'model'}: cannot write into {path}, or there is no such folder\n"
    code, out, err = run(*QUICK, "--save", tmp_path)
    assert (code, out, err) == (1, "", f"error: {tmp_path}: it is a folder\n")


@pytest.mark.parametrize(
    "words",
    [
        ["--hidden", "0"],
        ["--hidden", "a"],
        ["--epochs", "0"],
        ["--batch-size", "-1"],
        ["--epochs", "x"],
        ["--device", "gpu"],
        ["--learning-rate", "-1"],
        ["--learning-rate", "nan"],
        ["--learning-rate", "inf"],
        ["--seed", "-1"],
        ["--seed", "18446744073709551616"],
    ],
)
def test_bad_options_exit_with_2(run: Any, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*words)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_runs_away_ends_in_one_line(run: Any) -> None:
    code, _, err = run(*QUICK, "--learning-rate", "1e30")
    assert code == 1
    assert re.fullmatch(r"error: .*in epoch 1, step .*Model and optimizer are as after step 0.*\n", err)


# Devices


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with fake_gpu.restored_modules():
        fake_gpu.pretend(monkeypatch, None, None)
        yield


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_cuda_warns_and_gives_the_numbers_of_the_cpu(run: Any, caplog: Any) -> None:
    code, out, _ = run(*QUICK, "--device", "cuda")
    assert code == 0
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "requested cuda, running on cpu" in record.getMessage()
    assert re.search(r"^device: cpu, .*\(requested cuda: .*\[not-installed\]\)$", out, re.M)
    assert without_device_and_time(out) == without_device_and_time(run(*QUICK)[1])


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_no_fallback_exits_with_3(run: Any, saved: Path) -> None:
    for words in (QUICK, ("predict", saved, example.DATA)):
        code, out, err = run(*words, "--device", "cuda", "--no-fallback")
        assert (code, out) == (3, "")
        assert re.fullmatch(r"error: .*\n", err)


def on(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program find `device`, whatever it asks for."""
    monkeypatch.setattr(example, "device_for_command", lambda *words, **options: device)


def test_all_the_work_is_done_on_the_device(
    run: Any, elsewhere: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = run(*QUICK)
    on(elsewhere, monkeypatch)
    code, out, err = run(*QUICK, "--save", tmp_path / "model")
    assert (code, err) == (0, "")
    assert out.splitlines()[2].startswith(f"device: {elsewhere.name}, ")
    if not on_gpu(elsewhere):  # NumPy computes there as well; on a GPU the last printed digit may be another
        assert without_device_and_time(out)[:-1] == without_device_and_time(expected[1])
    assert run("predict", tmp_path / "model", example.DATA)[0] == 0


def test_training_looks_at_the_device_once_an_epoch(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = device_named("strict")
    on(strict, monkeypatch)
    kind, looks = type(strict.xp.zeros(())), []

    def counted(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        return lambda array, *rest, **options: (looks.append(name), read(array, *rest, **options))[1]

    for name in ("__float__", "__int__", "__bool__", "__index__", "__complex__", "__dlpack__", "to_device"):
        monkeypatch.setattr(kind, name, counted(name, getattr(kind, name)))

    def looks_with(batch_size: int) -> int:
        looks.clear()
        assert run(*QUICK, "--batch-size", batch_size)[0] == 0
        return len(looks)

    assert 0 < looks_with(1000) == looks_with(100)


def test_nothing_is_imported_that_the_work_does_not_need() -> None:
    process = subprocess.run(
        [sys.executable, "-X", "importtime", str(PROGRAM), *QUICK], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "numpy" in imported
    assert imported.isdisjoint({"cupy", "matplotlib", "pandas", "scipy", "sklearn", "tqdm"})


# Prediction


def test_prediction_agrees_with_the_diagnoses_and_with_the_model(run: Any, saved: Path) -> None:
    code, out, err = run("predict", saved, example.DATA, "--device", "cpu")
    assert code == 0
    assert err == f"note: {example.DATA}: columns not used: diagnosis\n"
    rows = rows_of(out)
    assert list(rows[0]) == ["row", "probability of malignant", "diagnosis"]
    assert [int(row["row"]) for row in rows] == list(range(2, 571))
    _, x, t = example.read_patients()
    diagnoses = numpy.asarray([row["diagnosis"] == "malignant" for row in rows])
    assert numpy.mean(diagnoses == t[:, 0]) > 0.95
    model, _ = example.load_model(saved)
    expected = nn.sigmoid(model(x.astype("float32")))[:, 0]
    probabilities = numpy.asarray([float(row["probability of malignant"]) for row in rows])
    assert numpy.allclose(probabilities, expected, rtol=1e-5)  # six digits are printed
    assert numpy.array_equal(diagnoses, expected > 0.5)


def test_columns_are_found_by_name(run: Any, saved: Path, tmp_path: Path) -> None:
    head, *body = cells()[:20]
    plain = write(tmp_path / "plain.csv", [row[:-1] for row in [head, *body]])
    turned = [["patient", *head[-2::-1]], *(["A. Nonymous", *row[-2::-1]] for row in body)]
    other = write(tmp_path / "other.csv", turned)
    expected, found = run("predict", saved, plain), run("predict", saved, other)
    assert expected[2] == ""
    assert found == (0, expected[1], f"note: {other}: columns not used: patient\n")


def test_a_spreadsheets_byte_order_mark_blank_lines_and_line_ends(run: Any, saved: Path, tmp_path: Path) -> None:
    lines = [",".join(row[:-1]) for row in cells()[:5]]
    plain, other = tmp_path / "plain.csv", tmp_path / "other.csv"
    plain.write_text("\n".join(lines))
    other.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, "", ""]).encode())
    assert run("predict", saved, other) == run("predict", saved, plain)


def test_output_is_what_would_be_printed(run: Any, saved: Path, tmp_path: Path) -> None:
    output = tmp_path / "diagnoses.csv"
    output.write_text("old")
    assert run("predict", saved, example.DATA, "--output", output)[:2] == (0, "")
    assert output.read_text() == run("predict", saved, example.DATA)[1]
    assert list(tmp_path.iterdir()) == [output]


def test_a_model_with_nan_in_it_is_refused(run: Any, saved: Path, tmp_path: Path) -> None:
    arrays, about = load(saved)
    save(tmp_path / "model", {name: array * numpy.float32("nan") for name, array in arrays.items()}, about)
    code, out, err = run("predict", tmp_path / "model", example.DATA)
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path / 'model'}: expected a model saved by this program, with --save\n"


# Bad tables. The header is row 1.


def changed(row: int, column: str, text: str) -> str:
    rows = [line[:-1] for line in cells()[:12]]
    rows[row - 1][rows[0].index(column)] = text
    return "\n".join(",".join(line) for line in rows)


def cut(columns: int) -> str:
    return "\n".join(",".join(line[columns:]) for line in cells()[:3])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a header and rows, got an empty file"),
        ("\n\n", "expected a header and rows, got an empty file"),
        ("mean radius,mean texture\n", "expected a header and rows, got only a header"),
        (changed(7, "mean area", "large"), "row 7, column 'mean area': expected a finite number, got 'large'"),
        (changed(2, "worst radius", "nan"), "row 2, column 'worst radius': expected a finite number, got 'nan'"),
        (changed(12, "worst area", "-inf"), "row 12, column 'worst area': expected a finite number, got '-inf'"),
        (changed(3, "mean area", "1e300"), "row 3, column 'mean area': expected a finite number, got '1e300'"),
        (changed(3, "mean area", ""), "row 3, column 'mean area': expected a finite number, got ''"),
        (changed(4, "mean area", "1,5"), "row 4: expected 30 cells as in the header, got 31"),
        (changed(1, "mean area", "mean radius"), "column 'mean radius' is there more than once"),
        (changed(1, "mean area", "size"), "1 of 30 columns missing: 'mean area'"),
        (cut(28), "28 of 30 columns missing: 'mean radius', 'mean texture', 'mean perimeter', ..."),
        (changed(4, "mean area", "\udcff"), "expected a CSV file in UTF-8: .*"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(run: Any, saved: Path, tmp_path: Path, content: str, message: str) -> None:
    table, output = tmp_path / "table.csv", tmp_path / "output.csv"
    table.write_bytes(content.encode(errors="surrogateescape"))
    output.write_text("old")
    code, out, err = run("predict", saved, table, "--output", output)
    assert (code, out) == (1, "")
    message = message if message.endswith(".*") else re.escape(message)
    assert re.fullmatch(f"error: {re.escape(str(table))}: {message}\n", err)
    assert output.read_text() == "old"


def test_a_table_that_is_not_there(run: Any, saved: Path, tmp_path: Path) -> None:
    code, out, err = run("predict", saved, tmp_path / "missing.csv")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: .*missing\.csv'\n", err)


# Bad models


def test_a_model_that_is_no_model(run: Any, saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    arrays, about = load(saved)
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    for content in (b"", b"short", whole[:100], whole[:-1], whole + b" ", damaged, example.DATA.read_bytes()):
        path = tmp_path / "damaged"
        path.write_bytes(content)
        code, out, err = run("predict", path, example.DATA)
        assert (code, out) == (1, "")
        assert re.fullmatch(f"error: {re.escape(str(path))} is not a whole file of arrays: .*\n", err)
    for metadata in ({}, about | {"hidden": [5]}, about | {"columns": 3}):
        save(tmp_path / "other", arrays, metadata)
        code, out, err = run("predict", tmp_path / "other", example.DATA)
        assert (code, out) == (1, "")
        assert err == f"error: {tmp_path / 'other'}: expected a model saved by this program, with --save\n"
    code, out, err = run("predict", tmp_path / "missing", example.DATA)
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: .*missing'\n", err)
