"""What a fit prints: scikit-learn's lines, or a table of the numbers that the estimator keeps."""

import re
import warnings

import numpy
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from xpnn.estimators import MLPClassifier, MLPRegressor, reporting

X = numpy.random.default_rng(0).standard_normal((80, 3))
Y = (X[:, 0] > 0).astype(int)
SHORT = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def without_numbers(text):
    return re.sub(r"\d+\.\d+", "#", text)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"tol": 9.0, "n_iter_no_change": 1}], ids=str)
def test_verbose_prints_the_lines_of_scikit_learn(options, capsys):
    neural_network.MLPClassifier(**SHORT, **options, verbose=True).fit(X, Y)
    theirs = capsys.readouterr().out
    MLPClassifier(**SHORT, **options, verbose=True).fit(X, Y)
    assert without_numbers(capsys.readouterr().out) == without_numbers(theirs) != ""


def test_2_prints_a_table_of_the_numbers_that_are_kept(capsys):
    model = MLPClassifier(**SHORT, early_stopping=True, verbose=2).fit(X, Y)
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["epoch", "loss", "val_loss", "val_score", "seconds"]
    printed = numpy.asarray([[float(cell.strip("*")) for cell in row.split()[:4]] for row in rows])
    kept = [[1, 2, 3], model.loss_curve_, model.validation_loss_curve_, model.validation_scores_]
    numpy.testing.assert_allclose(printed.T, kept, atol=5.1e-5)
    assert rows[0].count("*") == 3  # the first is the best so far; seconds are not better or worse


def test_a_star_is_at_what_is_better_than_all_before(capsys):
    model = MLPRegressor(**{**SHORT, "max_iter": 8}, learning_rate_init=0.3, verbose=2).fit(X, X[:, 1])
    losses = model.loss_curve_
    better = [loss < min(losses[:n], default=numpy.inf) for n, loss in enumerate(losses)]
    assert ["*" in row for row in capsys.readouterr().out.splitlines()[2:]] == better
    assert not all(better)


def test_why_it_ends_comes_after_the_last_row(capsys):
    model = MLPClassifier(**{**SHORT, "max_iter": 9}, tol=9.0, n_iter_no_change=1, verbose=2).fit(X, Y)
    *_, row, why = capsys.readouterr().out.splitlines()
    assert row.split()[0] == str(model.n_iter_)
    assert why == "Training loss did not improve more than tol=9.000000 for 1 consecutive epochs. Stopping."


def test_3_shows_a_bar_on_stderr(capsys):
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    MLPClassifier(**SHORT, verbose=3).fit(X, Y)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == ["epoch", "loss", "seconds"]
    assert re.search(r"epoch 3/3: 100%.*3/3", printed.err)


def test_a_bar_without_tqdm_is_named_before_any_work(monkeypatch):
    monkeypatch.setattr(reporting.util, "find_spec", lambda name: None)
    model = MLPClassifier(**SHORT, verbose=3)
    with pytest.raises(ModuleNotFoundError, match=r"verbose=3 needs tqdm: pip install 'xpnn\[progress\]'"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")


def test_larger_numbers_have_no_meaning_of_their_own(monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    MLPClassifier(**SHORT, verbose=10).fit(X, Y)
    assert "3/3: 100%" in capsys.readouterr().err
    monkeypatch.setattr(reporting.util, "find_spec", lambda name: None)
    MLPClassifier(**SHORT, verbose=10).fit(X, Y)
    printed = capsys.readouterr()
    assert (len(printed.out.splitlines()), printed.err) == (5, "")


def test_an_epoch_of_ones_own_loop_says_its_line(capsys):
    model = MLPClassifier(**SHORT, verbose=3)
    for n in range(2):
        model.partial_fit(X, Y, classes=[0, 1])
        printed = capsys.readouterr()
        assert printed.out == f"Iteration {n + 1}, loss = {model.loss_curve_[n]:.8f}\n"
        assert printed.err == ""


def test_nothing_is_said_unless_asked(capsys):
    MLPClassifier(**SHORT, early_stopping=True, tol=9.0, n_iter_no_change=1).fit(X, Y)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [1, 3])
def test_the_iterations_of_lbfgs_are_said_too(targets, weighted, capsys):
    options = {**SHORT, "max_iter": 5, "solver": "lbfgs", "alpha": 3.0}
    y, weights = X[:, 0] if targets == 1 else X[:, :targets], numpy.linspace(1, 2, 80) if weighted else None
    model = MLPRegressor(**options, verbose=True).fit(X, y, weights)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"Iteration {n}" for n in range(1, 6)]
    assert lines[-1] == f"Iteration 5, loss = {model.loss_:.8f}"
    assert MLPRegressor(**{**options, "max_iter": 2}).fit(X, y, weights).loss_ == pytest.approx(
        float(lines[1].split()[-1])
    )


def test_a_table_of_lbfgs_leaves_its_weights(capsys):
    options = {**SHORT, "max_iter": 9, "solver": "lbfgs"}
    silent, loud = (MLPClassifier(**options, verbose=verbose).fit(X, Y) for verbose in (0, 2))
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["epoch", "loss", "seconds"]
    assert [row.split()[0] for row in rows] == [str(n + 1) for n in range(loud.n_iter_)]
    for ours, theirs in zip(loud.coefs_, silent.coefs_, strict=True):
        numpy.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("verbose", "incremental", "kinds"),
    [
        (0, False, []),
        (False, True, []),
        (True, False, ["PrintLines"]),
        (1, False, ["PrintLines"]),
        (2, False, ["PrintTable"]),
        (3, False, ["PrintTable", "ProgressBar"]),
        (3, True, ["PrintLines"]),
    ],
)
def test_what_prints_the_rows_of_a_trainer(verbose, incremental, kinds):
    found = reporting.printers(verbose, incremental=incremental)
    assert [type(one).__name__ for one in found] == kinds


def test_lines_of_a_row_have_what_held_out_rows_say(capsys):
    row = {"epoch": 3, "loss": 0.25, "val_loss": 1.0, "val_rmse": 0.5, "val_table": numpy.eye(2), "seconds": 1.0}
    reporting.PrintLines().epoch_ends(None, row)
    assert capsys.readouterr().out == "Iteration 3, loss = 0.25000000\nValidation rmse: 0.500000\n"
