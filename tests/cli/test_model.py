"""Models in files: as they were, and refused in one line and little memory if the file says what cannot be."""

import copy
import itertools
import tracemalloc

import numpy
import pytest

from xpnn.cli.model import TableModel
from xpnn.cli.network import Design, TableNetwork, design_for
from xpnn.tables.preprocessing import Preprocessing
from xpnn.tables.table import Table
from xpnn.tables.target import Target
from xpnn.training.checkpoint import load, save
from xpnn.training.layout import CheckpointError

ROWS = 60
FRAME = {
    "size": [float(n * n % 23) for n in range(ROWS)],
    "town": [f"t{n % 12}" for n in range(ROWS)],
    "day": [f"2020-0{1 + n % 9}-1{n % 7}" for n in range(ROWS)],
    "paid": [n % 3 == 0 for n in range(ROWS)],
}


@pytest.fixture(scope="module")
def model():
    preprocessing = Preprocessing().fit(FRAME)
    target = Target().fit(["a", "b", "c"] * 20)
    design = design_for(preprocessing.transform(FRAME), hidden=(8, 4), outputs=target.outputs, dropout=0.1)
    about = {"data": {"sha256": "0"}}
    return TableModel(preprocessing, target, design, TableNetwork(design).initialize(seed=0), about)


@pytest.fixture
def parts(model, tmp_path):
    """Arrays and metadata of its file."""
    model.save(tmp_path / "model.safetensors")
    return load(tmp_path / "model.safetensors")


def test_a_file_gives_the_same_predictions(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    again = TableModel.load(tmp_path / "model.safetensors")
    rows = Table(FRAME)
    one, other = (each.predict(each.preprocessing.transform(rows)) for each in (model, again))
    assert numpy.array_equal(one.outputs, other.outputs)
    assert again.ways() == {
        "target": "words", "size": "numbers", "town": "words", "day": "words", "paid": "words",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("waves", "categories", "hidden", "dropout"),
    [*itertools.product([0, 2], [(), (5, 12)], [(), (8,), (8, 4)], [0.0, 0.1])],
)
def test_the_shapes_of_a_design_are_those_of_its_network(waves, categories, hidden, dropout):
    design = Design((0, 2, 1), waves, categories, hidden, 3, dropout)
    found = {name: array.shape for name, array in TableNetwork(design).state_dict().items()}
    assert design.shapes() == found
    assert Design.from_json(design.as_json()) == design


def changed(*path, to):
    """A change of the metadata at one place."""

    def change(arrays, data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = to

    return change


def without(name):
    return lambda arrays, data: arrays.pop(name)


HOSTILE = {
    "a network that is a list": changed("network", to=[1]),
    "an order of words": changed("network", "order", to=["a"]),
    "columns that are not there": changed("network", "order", to=[*range(99)]),
    "a column twice": lambda arrays, data: data["network"]["order"].__setitem__(0, data["network"]["order"][1]),
    "a negative width": changed("network", "hidden", to=[-5]),
    "a width that is true": changed("network", "hidden", to=[True, 4]),
    "no outputs": changed("network", "outputs", to=0),
    "dropout of all": changed("network", "dropout", to=1),
    "more waves than columns": changed("network", "waves", to=99),
    "other categories": changed("network", "categories", to=[4]),
    "a wide network": changed("network", "hidden", to=[12_000, 12_000]),
    "many categories": changed("network", "categories", to=[10**9]),
    "many waves": changed("network", "wave_count", to=10**9),
    "a deep network": changed("network", "hidden", to=[1] * 10_000),
    "fewer weights": without("network.dense.0.weight"),
    "an array more": lambda arrays, data: arrays.__setitem__("network.more", numpy.zeros(2)),
    "encoders of text": changed("preprocessing", "encoders", to=["x"]),
    "a list in place of a level": changed("preprocessing", "encoders", 1, "levels", to=[["t"]]),
    "an unknown form": changed("preprocessing", "encoders", 1, "form", to="tree"),
    "unknown parts of dates": changed("preprocessing", "encoders", 2, "parts", to=["era"]),
    "kinds that are a number": changed("preprocessing", "options", "kinds", to=5),
    "no summary": changed("preprocessing", "summary", to=5),
    "another summary": changed("preprocessing", "summary", to=[]),
    "no numbers": lambda arrays, data: arrays.__setitem__("preprocessing.numbers", numpy.zeros((0, 5))),
    "short numbers": lambda arrays, data: arrays.__setitem__("preprocessing.numbers", numpy.zeros((2, 2))),
    "no labels": changed("target", "labels", to=None),
    "labels that are objects": changed("target", "labels", "dtype", to="|O"),
    "labels that are records": changed("target", "labels", "dtype", to="i4,i4"),
    "labels in rows": changed("target", "labels", to={"dtype": "<i8", "classes": [[1], [2], [3]]}),
    "labels out of range": changed("target", "labels", to={"dtype": "|i1", "classes": [1, 2, 300]}),
    "very long labels": changed("target", "labels", "classes", to=["a" * 10**5, *map(str, range(10**4))]),
    "two classes of three": changed("target", "labels", "classes", to=["a", "b"]),
    "a target without task": changed("target", "options", "task", to="auto"),
    "a target called 5": changed("target", "options", "name", to=5),
    "nothing about it": lambda arrays, data: data.pop("about"),
    "a list about it": changed("about", to=[1]),
    "a list about its data": changed("about", "data", to=[1]),
    "format true": changed("format", to=True),
    "format -3": changed("format", to=-3),
    "format 1.0": changed("format", to=1.0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_cannot_be_is_refused_in_little_memory(name, parts, tmp_path):
    arrays, data = copy.deepcopy(parts[0]), copy.deepcopy(parts[1])
    HOSTILE[name](arrays, data)
    path = tmp_path / "hostile.safetensors"
    save(path, arrays, data)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="holds no"):
            TableModel.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6, f"{peak / 1e6:.0f} MB"


def test_labels_take_the_room_that_they_need(parts, tmp_path):
    changed("target", "labels", "dtype", to="<U100000000")(*parts)
    save(tmp_path / "model.safetensors", *parts)
    assert TableModel.load(tmp_path / "model.safetensors").target.classes.dtype == "<U1"
