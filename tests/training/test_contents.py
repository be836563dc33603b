"""Data of the same shape that are other data are known by a digest of some rows, in arrays and in loaders."""

import numpy
import pytest
from trained import T, X, assert_same_training, everything, trainer_of

from xpnn.training import Loader
from xpnn.training.contents import digest, some_rows


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 128, 1000, 6401])
def test_some_rows_are_64_at_most_at_equal_distances(rows):
    found = some_rows(numpy.arange(rows))
    assert min(rows, 33) <= len(found) <= 64
    assert len(set(numpy.diff(found).tolist())) <= 1
    assert not rows or found[0] == 0


def test_a_digest_is_one_of_numbers_shapes_and_dtypes():
    arrays = [numpy.zeros(4), numpy.zeros((2, 2)), numpy.zeros(4, dtype="int64"), numpy.ones(4), numpy.zeros(5)]
    assert len({digest([array]) for array in arrays}) == 5
    assert digest([numpy.zeros(4)]) == digest([numpy.zeros(8)[::2]])
    assert digest([numpy.asarray(["a", None])]) == digest([numpy.asarray(["b", None])])  # places in memory say nothing


def held(x=X, t=T, **options):
    return (x, t), {"batch_size": 6, **options}


def loaded(x=X, t=T, **options):
    return (Loader(x, t, batch_size=6, **options),), {}


OTHER = {"x": {"x": X + 1}, "t": {"t": 1 - T}, "weights": {"sample_weight": numpy.linspace(1, 2, 23)}}


@pytest.mark.parametrize("changed", OTHER)
@pytest.mark.parametrize("data", [held, loaded])
def test_an_epoch_is_not_gone_on_with_on_other_data_of_that_shape(data, changed, tmp_path):
    before = {"sample_weight": numpy.ones(23)} if changed == "weights" else {}
    args, options = data(**before)
    trainer, resumed = trainer_of(), trainer_of()
    trainer.fit(*args, steps=2, checkpoint=tmp_path, **options)
    state = everything(resumed)
    args, options = data(**OTHER[changed])
    with pytest.raises(ValueError, match=r"in the middle of an epoch of other data: contents [0-9a-f]{16} \(now"):
        resumed.fit(*args, epochs=2, checkpoint=tmp_path, resume=True, **options)
    for name, array in everything(resumed).items():
        numpy.testing.assert_array_equal(array, state[name], err_msg=name)
    trainer.fit(*args, epochs=1, **options)
    assert trainer.step == 2 + 4  # a whole epoch of the others


@pytest.mark.parametrize("data", [held, loaded])
def test_copies_of_the_data_go_on(data):
    first, whole = trainer_of(), trainer_of()
    args, options = data()
    whole.fit(*args, epochs=2, **options)
    first.fit(*args, steps=2, **options)
    args, options = data(X.copy(), numpy.asfortranarray(T))
    first.fit(*args, epochs=2, **options)
    assert_same_training(first, whole)


def test_of_a_stream_only_the_same_loader_goes_on():
    def stream():
        return Loader(lambda: zip(X, T, strict=True), batch_size=6)

    for again, steps in ((False, 2 + 4), (True, 4)):
        loader, trainer = stream(), trainer_of()
        trainer.fit(loader, steps=2)
        trainer.fit(loader if again else stream(), epochs=1)
        assert trainer.step == steps


def test_contents_are_read_once():
    class Counted:
        shape, dtype, reads = (8, 1), numpy.dtype("float32"), 0

        def __len__(self):
            return 8

        def __getitem__(self, n):
            raise AssertionError("samples may be others each time: they are not asked for")

    assert Loader(Counted()).describe()["contents"] is None
    x = X.copy()
    loader = Loader(x, T)
    before = loader.describe()["contents"]
    x[0] = 7
    assert loader.describe()["contents"] == before
