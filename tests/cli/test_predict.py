"""Predicting from the command line: what is never overwritten."""

from pathlib import Path

import pytest
from command_runs import FILES, QUICK


@pytest.fixture
def trained(run, table):
    """A run in the folder R, and its files."""
    assert run("train", table, "--target", "pay", "--out", "R", *QUICK)[0] == 0
    return {path: path.read_bytes() for path in [Path(table), *Path("R").rglob("*.*")] if path.is_file()}


OWN = [f"R/{name}" for name in sorted(FILES)]


@pytest.mark.parametrize("out", ["people.csv", "./people.csv", "link.csv", "hard.csv", *OWN, "R/plots/new.csv", "R"])
def test_what_predictions_are_made_from_is_not_overwritten(run, table, trained, out):
    Path("link.csv").symlink_to(table)
    Path("hard.csv").hardlink_to(table)
    code, _, err = run("predict", "R", table, "--out", out)
    assert code == 1
    assert err.startswith(f"error: --out {out} is ")
    assert err.endswith("would be replaced: take another name\n")
    assert {path: path.read_bytes() for path in trained} == trained


@pytest.mark.parametrize("out", ["old.csv", "R/predictions.csv"])
def test_other_files_are_replaced(run, table, trained, out):
    Path(out).write_text("old")
    assert run("predict", "R", table, "--out", out)[0] == 0
    assert Path(out).read_text().startswith("prediction\n")
    assert {path: path.read_bytes() for path in trained} == trained


def test_a_model_that_stands_alone_is_not_overwritten(run, table, trained):
    whole = Path("R/model.safetensors").rename("m.safetensors").read_bytes()
    assert run("predict", "m.safetensors", table, "--out", "m.safetensors")[0] == 1
    assert Path("m.safetensors").read_bytes() == whole


def test_no_column_is_written_twice(run, table, trained):
    code, out, _ = run("predict", "R", table, "--keep", "age", "--keep", "town", "--keep", "age")
    assert (code, out.splitlines()[0]) == (0, "age,town,prediction")
    text = Path(table).read_text().splitlines()
    Path("new.csv").write_text("\n".join([f"{text[0]},prediction", *(f"{line},1" for line in text[1:])]))
    code, out, err = run("predict", "R", "new.csv", "--keep", "prediction")
    assert (code, out) == (1, "")
    assert "--keep 'prediction': the predictions have a column of that name" in err
