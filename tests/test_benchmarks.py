"""The benchmarks run with whatever libraries are installed, and refuse to compare what is not the same."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    monkeypatch.chdir(ROOT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def small(module):
    return module("networks").NETWORKS["30-32-16-1"]


@pytest.fixture
def ours(module, small):
    """The contender xpnn, made for the small network."""
    contender = module("contenders").CONTENDERS[0]
    return module("rounds").Started(contender, contender.make(small))


def changed(started, step_of):
    """The contender with its step replaced by `step_of(start)`, a function that gives a step."""
    contender = started.contender._replace(library="another")
    return started._replace(contender=contender, start=lambda: started.start()._replace(step=step_of(started.start)))


# The command


def test_the_quick_steps_give_a_table_and_finite_ratios_with_whatever_is_installed(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "steps", "--quick", "--json", str(file)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(file.read_text())
    assert result["machine"]["versions"]["numpy"] == numpy.__version__
    (measured,) = result["steps"]
    for contender in measured["contenders"]:
        assert f"  {contender['library']}, {contender['way']} " in ran.stdout
        if "missing" in contender:
            assert contender["missing"] in ran.stdout
            continue
        figures = [*contender["rounds"], *contender["ratio"].values(), *contender["microseconds"].values()]
        assert all(math.isfinite(figure) and figure > 0 for figure in figures)
    present = {contender["library"] for contender in measured["contenders"] if "rounds" in contender}
    assert {"xpnn", "NumPy"} <= present
    (compiled,) = [contender for contender in measured["contenders"] if contender["way"] == "compiled"]
    assert compiled["ratio"] == {"median": 1.0, "q1": 1.0, "q3": 1.0}


def test_more_threads_than_cores_are_refused(module, capsys):
    with pytest.raises(SystemExit) as end:
        module("__main__").main(["steps", "--threads", "100000"])
    assert end.value.code == 2
    assert "--threads 100000" in capsys.readouterr().err


def test_the_exit_code_is_1_if_a_process_fails(module, monkeypatch):
    def fails(*args, **options):
        raise subprocess.CalledProcessError(1, "a process")

    monkeypatch.setattr(module("steps"), "measured", fails)
    assert module("__main__").main(["steps", "--quick"]) == 1


def test_imports_are_timed_with_compiled_bytecode(module, monkeypatch, tmp_path):
    # A measurement that did not see to the bytecode itself would find none in this new place, and say so.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    imports = module("imports")
    measured = imports.measured(rounds=1)
    assert measured.keys() == imports.PROGRAMS.keys()
    assert all(figures["milliseconds"]["median"] > 0 for figures in measured.values())
    assert len(imports.table(measured).splitlines()) == 1 + len(measured)


def test_epochs_are_timed_plain_and_compiled(module, small):
    epochs = module("epochs")
    measured = epochs.measured(small, rounds=1)
    assert set(measured["fits"]) >= {"warm", "warm, a callback", "new, 1 epoch", "new, 30 epochs"}
    assert all(fit["ratio"]["median"] > 0 for fit in measured["fits"].values())
    assert len(epochs.table(measured).splitlines()) == 1 + len(measured["fits"])


# Agreement


def test_xpnn_agrees_with_itself(module, ours):
    module("rounds").check_agreement([ours, ours])


def test_a_step_with_another_learning_rate_is_found(module, ours, small, monkeypatch):
    contenders = module("contenders")
    monkeypatch.setattr(contenders, "LEARNING_RATE", 1.1e-3)
    wrong = ours._replace(start=contenders.xpnn_plain(small))
    started = wrong.start()  # its Adam takes the rate here
    monkeypatch.undo()
    with pytest.raises(module("rounds").Disagreement, match="the loss after 1 steps"):
        module("rounds").check_agreement([ours, wrong._replace(start=lambda: started)])


def test_a_loss_that_is_off_by_more_than_the_tolerance_is_found(module, ours):
    off = changed(ours, lambda start: (lambda step: lambda: step() + 2e-4)(start().step))
    with pytest.raises(module("rounds").Disagreement, match="another, plain: the loss after 0 steps"):
        module("rounds").check_agreement([ours, off])


def test_a_nan_is_found(module, ours):
    nan = changed(ours, lambda start: lambda: math.nan)
    with pytest.raises(module("rounds").Disagreement):
        module("rounds").check_agreement([ours, nan])


def test_a_loss_that_does_not_fall_is_found(module, ours):
    still = changed(ours, lambda start: lambda: 0.5)
    still = still._replace(contender=still.contender._replace(agreeing=0))
    with pytest.raises(module("rounds").Disagreement, match="does not fall"):
        module("rounds").check_agreement([ours, still])


def test_a_disagreement_ends_the_process_with_one_line(module, monkeypatch):
    rounds = module("rounds")

    def disagrees(network, **options):
        raise rounds.Disagreement("one of them is wrong")

    monkeypatch.setattr(rounds, "measure", disagrees)
    with pytest.raises(SystemExit, match="benchmarks: one of them is wrong"):
        rounds.main(['{"network": "30-32-16-1", "rounds": 1, "seconds": 0.001, "pause": 0}'])


# Contenders


def test_a_library_that_is_not_installed_is_shown_and_no_error(module, small, monkeypatch):
    def missing(network):
        raise ModuleNotFoundError("No module named 'peer'", name="peer")

    rounds, steps = module("rounds"), module("steps")
    xpnn, *_, products = module("contenders").CONTENDERS
    peer = xpnn._replace(library="Peer", way="eager", make=missing)
    monkeypatch.setattr(rounds, "CONTENDERS", [xpnn, peer, products])
    measured = rounds.measure(small, rounds=2, seconds=0.0001, pause=0.0)
    assert [sorted(contender) for contender in measured] == [
        ["library", "rounds", "way"],
        ["library", "missing", "way"],
        ["library", "rounds", "way"],
    ]
    steps._compare(measured)
    table = steps.table({"network": small.name, "batch": 32, "threads": 1, "contenders": measured})
    assert "not installed: peer" in table


def test_with_dropout_xpnn_agrees_with_itself_and_others_are_left_out(module, small):
    contenders, rounds = module("contenders"), module("rounds")
    network = small._replace(dropout=0.5)
    plain, compiled = (rounds.Started(c, c.make(network)) for c in contenders.CONTENDERS[:2])
    rounds.check_agreement([plain, compiled], random=True)
    assert abs(rounds._losses(plain.start())[0] - rounds._losses(contenders.xpnn_plain(small)())[0]) > 1e-4
    other = changed(plain, lambda start: iter([1.0, 0.9, 0.8, 0.7, 0.6, 0.5]).__next__)
    rounds.check_agreement([plain, other], random=True)
    with pytest.raises(rounds.Disagreement):
        rounds.check_agreement([plain, other])
    for contender in contenders.CONTENDERS:
        if contender.library in ("JAX with Optax", "scikit-learn"):
            with pytest.raises(contenders.LeftOut):
                contender.make(network)


def test_an_xpnn_that_cannot_be_imported_is_an_error(module, small, monkeypatch):
    def missing(network):
        raise ModuleNotFoundError("No module named 'array_api_compat'", name="array_api_compat")

    rounds = module("rounds")
    monkeypatch.setattr(rounds, "CONTENDERS", [module("contenders").CONTENDERS[0]._replace(make=missing)])
    with pytest.raises(ModuleNotFoundError):
        rounds.measure(small, rounds=1, seconds=0.0001, pause=0.0)


def test_ratios_are_taken_round_by_round_and_the_fastest_way_is_marked(module):
    contenders = [
        {"library": "xpnn", "way": "plain", "rounds": [1.0, 2.0, 4.0]},
        {"library": "Peer", "way": "slow", "rounds": [9.0, 9.0, 9.0]},
        {"library": "Peer", "way": "fast", "rounds": [3.0, 2.0, 2.0]},
    ]
    module("steps")._compare(contenders)
    assert contenders[2]["microseconds"]["median"] == 2.0
    assert contenders[2]["ratio"] == {"median": 1.0, "q1": 0.75, "q3": 2.0}  # of 3, 1 and 0.5
    assert [contender["fastest"] for contender in contenders] == [True, False, True]


def test_contenders_take_turns_that_start_anew_and_a_call_counts_for_all_its_steps(module, ours, monkeypatch):
    rounds = module("rounds")
    clock, starts = [0.0], []

    def contender(name, seconds_a_call, steps_a_call):
        def step():
            clock[0] += seconds_a_call

        def start():
            starts.append((name, clock[0]))
            return module("contenders").Run(step, steps_a_call=steps_a_call)

        return rounds.Started(ours.contender._replace(library=name), start)

    monkeypatch.setattr(rounds.time, "perf_counter", lambda: clock[0])
    started = [contender("one", 1.0, 1), contender("two", 0.5, 4)]
    measured = rounds.microseconds(started, rounds=2, seconds=4.0)
    assert measured == {"one, plain": [1_000_000.0] * 2, "two, plain": [125_000.0] * 2}
    assert [name for name, _ in starts] == ["one", "two", "one", "two", "two", "one"]  # the first two to see how fast
    assert starts[3][1] - starts[2][1] == 1.0 * (4 + 3)  # 4 calls in 4 s, and 2 + 4 // 4 before, to warm up
    assert starts[5][1] - starts[4][1] == 0.5 * (8 + 4)


def test_the_floor_makes_every_product_of_forward_and_backward(module, small, monkeypatch):
    contenders = module("contenders")
    step, shapes = contenders.products_only(small)().step, []
    monkeypatch.setattr(contenders.np, "dot", lambda a, b, out: shapes.append((*a.shape, b.shape[1])))
    step()
    forward = [(32, 30, 32), (32, 32, 16), (32, 16, 1)]
    weights = [(32, 32, 30), (16, 32, 32), (1, 32, 16)]
    inputs = [(32, 16, 32), (32, 1, 16)]  # that of the first layer is not needed
    assert sorted(shapes) == sorted(forward + weights + inputs)


def test_threads_are_fixed_before_a_library_is_loaded(module):
    steps = module("steps")
    one, two = steps._environment(1), steps._environment(2)
    assert [one[name] for name in steps.BLAS_THREADS] == ["1"] * 3
    assert [two[name] for name in steps.BLAS_THREADS] == ["2"] * 3
    assert "intra_op_parallelism_threads=1" in one["XLA_FLAGS"]
    assert two.get("XLA_FLAGS") == os.environ.get("XLA_FLAGS")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX, if another test has loaded it
def test_a_process_is_bound_to_as_many_cores_as_threads(module):
    show = "import os; print(len(os.sched_getaffinity(0)))"
    shown = subprocess.check_output([sys.executable, "-c", show], preexec_fn=module("steps")._pinned_to(1))
    assert int(shown) == 1


# Operations


def test_operations_are_timed_without_the_tape_around_them(module, monkeypatch):
    operations = module("operations")
    monkeypatch.setattr(operations, "COUNT", 3)
    result = operations.measured(rounds=2)
    assert [found["name"] for found in result["operations"]] == list(operations.OPERATIONS)
    assert all(found["other"]["median"] > 0 for found in result["operations"])
    shown = operations.table(result)
    assert "  multiply " in shown
    assert "autograd" in shown


def test_every_operation_gets_a_gradient_on_the_way_back(module, monkeypatch):
    operations = module("operations")
    monkeypatch.setattr(operations, "COUNT", 2)
    walked = []
    walk = operations.Tape.gradients

    def counting(tape, y, dy, wanted):
        notes = list(tape.nodes)
        walked.append(
            sum(all(v < 0 or callable(way) for v, way in zip(note[1], note[3], strict=False)) for note in notes)
        )
        return walk(tape, y, dy, wanted)

    monkeypatch.setattr(operations.Tape, "gradients", counting)
    operations._walked("multiply")
    operations._walked("")
    assert walked == [3, 1]  # two products and the end; the end alone
