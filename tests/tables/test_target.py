"""Targets: what losses take, the way back from outputs, errors with rows, states that come back to the last bit."""

import json

import numpy
import pytest
from table_frames import LIBRARIES, frame_of

from xpnn import nn
from xpnn.tables import Table, Target
from xpnn.training import load, save

RNG = numpy.random.default_rng(4)
NUMBERS = RNG.lognormal(3, 1, 40)
TARGETS = {
    "regression": NUMBERS.tolist(),
    "binary": RNG.choice(["no", "yes"], 40).tolist(),
    "booleans": [bool(n) for n in RNG.integers(0, 2, 40)],
    "multiclass": RNG.integers(3, 7, 40).tolist(),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets_are_what_losses_take(case):
    target = Target().fit(TARGETS[case])
    t = target.transform(TARGETS[case])
    y = RNG.standard_normal((40, target.outputs)).astype("float32")
    loss = {"regression": nn.squared_error, "multiclass": nn.cross_entropy}.get(
        target.task, nn.binary_cross_entropy_with_logits
    )
    assert t.dtype == ("int64" if target.task == "multiclass" else "float32")
    assert numpy.isfinite(loss(y, t))


def test_regression_is_standardised_and_comes_back():
    judge = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    target = Target().fit(NUMBERS)
    t = target.transform(NUMBERS)
    assert (target.task, target.outputs, target.classes.tolist()) == ("regression", 1, [])
    numpy.testing.assert_allclose(t, judge.fit_transform(NUMBERS[:, None]), rtol=1e-6, atol=1e-6)  # of float32
    numpy.testing.assert_allclose(target.inverse(t), NUMBERS, rtol=1e-6, atol=1e-5)
    assert target.inverse(t).dtype == numpy.float64
    assert numpy.array_equal(target.inverse(t), target.inverse(t[:, 0]))
    far = numpy.asarray([[-100.0], [100.0]])
    assert target.inverse(far, clamp=True).tolist() == [NUMBERS.min(), NUMBERS.max()]
    assert target.inverse(far)[0] < NUMBERS.min()
    assert numpy.array_equal(Target(scaling="none").fit(NUMBERS).transform(NUMBERS)[:, 0], NUMBERS.astype("float32"))


def test_classes_come_back_as_they_were():
    for labels in (["no", "yes", "no"], [True, False, True], [-1, 1, 1], [0.5, 0.25, 0.5]):
        target = Target().fit(labels)
        t = target.transform(labels)
        assert t.shape == (3, 1)
        assert target.inverse(2 * t - 1).tolist() == labels
        assert target.codes(labels).tolist() == t[:, 0].tolist()
    labels = ["c", "a", "b", "b"]
    target = Target().fit(labels)
    assert target.outputs == 3
    assert target.transform(labels).tolist() == [2, 0, 1, 1]
    assert target.inverse(numpy.eye(3)[[2, 0, 1, 1]]).tolist() == labels


def test_probabilities():
    special = pytest.importorskip("scipy.special")
    y = RNG.standard_normal((5, 3)) * 100
    numpy.testing.assert_allclose(
        Target().fit(["a", "b", "c"]).probabilities(y), special.softmax(y, axis=1), rtol=1e-12
    )
    binary = Target().fit([0, 1])
    expected = numpy.stack([special.expit(-y[:, 0]), special.expit(y[:, 0])], axis=1)
    numpy.testing.assert_allclose(binary.probabilities(y[:, :1]), expected, rtol=1e-12)
    assert numpy.array_equal(binary.probabilities(y[:, 0]), binary.probabilities(y[:, :1]))


def test_outputs_of_any_device(elsewhere):
    target = Target().fit(["a", "b", "c"])
    y = numpy.asarray([[0.0, 2.0, 1.0]])
    assert target.inverse(elsewhere.asarray(y)).tolist() == ["b"]
    assert numpy.array_equal(target.probabilities(elsewhere.asarray(y)), target.probabilities(y))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("case", TARGETS)
def test_every_library_gives_the_same(library, case):
    column = Table(frame_of(library, {"t": TARGETS[case]})).column("t")
    target, expected = Target().fit(column), Target(name="t").fit(TARGETS[case])
    assert json.dumps(target.state()[1]) == json.dumps(expected.state()[1])
    assert numpy.array_equal(target.transform(column), expected.transform(TARGETS[case]))


@pytest.mark.parametrize("case", TARGETS)
def test_a_state_in_a_file_gives_the_same_to_the_last_bit(case, tmp_path):
    target = Target().fit(TARGETS[case])
    save(tmp_path / "target", *target.state())
    again = Target.from_state(*load(tmp_path / "target"))
    y = RNG.standard_normal((9, target.outputs)) * 3
    assert numpy.array_equal(again.transform(TARGETS[case]), target.transform(TARGETS[case]))
    assert numpy.array_equal(again.inverse(y), target.inverse(y))
    assert numpy.array_equal(again.inverse(y, clamp=True), target.inverse(y, clamp=True))
    assert again.inverse(y).dtype == target.inverse(y).dtype
    assert (again.task, again.outputs, again.reason, again.name) == (
        target.task,
        target.outputs,
        target.reason,
        "target",
    )
    assert json.dumps(again.state()[1]) == json.dumps(target.state()[1])


def test_an_ordered_category_keeps_its_order():
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    series = polars.Series("t", ["low", "high", "middle"], dtype=polars.Enum(["low", "middle", "high", "never"]))
    assert Target().fit(series).classes.tolist() == ["low", "middle", "high"]


def test_a_missing_target_is_named_and_can_be_left_out():
    table = Table({"t": [1.5, None, 2.0, None]})
    for act in (Target().fit, Target().fit([1.5, 2.0, 3.0]).transform):
        with pytest.raises(
            ValueError, match=r"'t' is missing in 2 of 4 rows, first in row 1: leave them out, table\.take"
        ):
            act(table.column("t"))
    whole = table.take(~table.column("t").missing)
    assert Target(task="regression").fit(whole.column("t")).transform(whole.column("t")).shape == (2, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "target 'target' has no rows"),
        ([1.5, numpy.inf], "target 'target' expected finite numbers, got inf in row 1"),
        ([1.5, 2.5, -1e200], "target 'target' expected numbers up to 1e.150, .* got -1e.200 in row 2"),
        ([2**60, 2**60 + 1, 5], r"whole numbers of 2\^53 or more: give labels as text"),
    ],
)
def test_targets_that_cannot_be_learned(values, message):
    with pytest.raises(ValueError, match=message):
        Target().fit(values)


def test_new_targets_of_another_kind():
    target = Target().fit([1.5, 2.5, 3.5])
    with pytest.raises(ValueError, match="column 'target' expected a number, got 'x' in row 1"):
        target.transform(["1", "x"])
    with pytest.raises(ValueError, match="expected finite numbers, got inf in row 0"):
        target.transform([numpy.inf])
    with pytest.raises(ValueError, match="target 'target' expected one of 'a', 'b', got 'c' in row 1"):
        Target().fit(["a", "b"]).transform(["b", "c"])


def test_wrong_uses():
    target = Target().fit([1.5, 2.5, 3.5])
    for name in ("codes", "probabilities"):
        with pytest.raises(ValueError, match=f"{name} is for classes, and 'target' is a regression target"):
            getattr(target, name)([1.5])
    with pytest.raises(ValueError, match=r"expected outputs of shape \(n, 1\), got \(4, 2\)"):
        target.inverse(numpy.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"expected outputs of shape \(n, 3\), got \(3,\)"):
        Target().fit(["a", "b", "c"]).inverse(numpy.zeros(3))
    for options, message in (
        ({"task": "ranking"}, "task to be 'auto' or one of .*, got 'ranking'"),
        ({"scaling": "robust"}, "scaling to be 'standard' or 'none', got 'robust'"),
    ):
        with pytest.raises(ValueError, match=message):
            Target(**options)
    for act in (lambda t: t.transform([1]), lambda t: t.inverse([1]), lambda t: t.state(), lambda t: t.outputs):
        with pytest.raises(RuntimeError, match="needs what fit learns"):
            act(Target())
    with pytest.raises(TypeError):
        target.inverse([1.0])


def test_fit_again_finds_the_task_again():
    target = Target().fit(["a", "b"])
    assert target.fit([1.5, 2.5, 3.5]).task == "regression"
    assert target.fit(["a", "b", "c"]).task == "multiclass"


def test_a_fit_that_fails_changes_nothing():
    target = Target(task="regression").fit([1.5, 2.5, 3.5])
    before = json.dumps(target.state()[1])
    for values in ([1, 1], ["1", "inf"], ["1", "x"], [1, None], []):
        with pytest.raises(ValueError):  # noqa: PT011 (each is named elsewhere)
            target.fit(Table({"other": values}).column("other"))
    assert json.dumps(target.state()[1]) == before


def test_states_that_cannot_be_read():
    arrays, data = Target().fit(["a", "b"]).state()
    with pytest.raises(ValueError, match="state of Target has format 2, newer than the 1"):
        Target.from_state(arrays, data | {"format": 2})
    for key in data.keys() - {"format"}:
        with pytest.raises(ValueError, match="this is no state of Target"):
            Target.from_state(arrays, {name: value for name, value in data.items() if name != key})
    with pytest.raises(ValueError, match="this is no state of Target"):
        Target.from_state({}, data)
