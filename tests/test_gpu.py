"""What only a GPU can show: the numbers of the CPU along a whole training, the same bits where bits are promised, and
what happens where something goes wrong. The common table and the tests of each part run on it too (`nox -s gpu`).
"""

import copy
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.training import Trainer, load, save

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[1]
STEPS = 200


@pytest.fixture
def cuda():
    return xpnn.device("cuda")


@pytest.fixture
def memory(cuda):
    """CuPy's pool of memory, limited in the test and free again afterwards."""
    pool = cuda.xp.get_default_memory_pool()
    pool.free_all_blocks()
    yield pool
    pool.set_limit(size=0)
    pool.free_all_blocks()


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def losses(model, loss, x, t, place, dtype, **options):
    """The loss of each of 200 steps of Adam on batches of 32, drawn as the Trainer draws them."""
    model = copy.deepcopy(model).initialize(3).to(place, dtype=dtype)
    optimizer = optim.Adam(model, learning_rate=0.003)
    both = xpnn.value_and_grad(lambda model, x, t: loss(model(x), t, **options))
    found, epoch = [], 0
    while len(found) < STEPS:
        for rows in xpnn.training.data.batch_indices(len(x), 32, seed=1, epoch=epoch):
            batch = (place.asarray(part[rows], dtype=dtype if part.dtype.kind == "f" else None) for part in (x, t))
            value, gradients = both(model, *batch)
            optimizer.step(gradients)
            found.append(float(value))
        epoch += 1
    return numpy.asarray(found[:STEPS])


def networks():
    generator = numpy.random.default_rng(0)
    x = generator.standard_normal((500, 20))
    labels = x[:, :5].argmax(axis=1)
    shares = (x[:, :1] > 0).astype("float64")
    dense = [nn.Linear(20, 32), nn.Tanh(), nn.Dropout(0.2), nn.Linear(32, 5)]
    yield "cross-entropy, tanh, dropout", nn.Sequential(*dense), nn.cross_entropy, x, labels
    dense = [nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 16), nn.GELU(), nn.Linear(16, 1)]
    yield "binary cross-entropy, relu, gelu", nn.Sequential(*dense), nn.binary_cross_entropy_with_logits, x, shares


# Rounding differs between the libraries (other orders of sums, another exp), and training multiplies what differs: in
# float64 from 1e-16 to about 1e-13, in float32 from 1e-7 to about 1e-6 (measured, float32 against float64 on a CPU).
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-4)])
@pytest.mark.parametrize("network", list(networks()), ids=lambda network: network[0])
def test_losses_agree_with_the_cpu_along_200_steps(cuda, network, dtype, tolerance):
    _, model, loss, x, t = network
    ours, theirs = (losses(model, loss, x, t, place, dtype) for place in (xpnn.device("cpu"), cuda))
    assert ours[-1] < 0.9 * ours[0]
    numpy.testing.assert_allclose(theirs, ours, rtol=tolerance)


def test_the_example_reports_the_losses_of_the_cpu(cuda):
    one = example("binary_classification")
    columns, x, t = one.read_patients()
    found = []
    for place in (xpnn.device("cpu"), cuda):
        model = one.network(len(columns), [32, 16]).initialize(0)
        model[0].measure(x)
        trainer = Trainer(model.to(place), nn.binary_cross_entropy_with_logits, optim.AdamW(model), seed=0)
        found.append(trainer.fit(x, t, epochs=14)["loss"])  # 14 epochs of 18 batches: 252 steps
    numpy.testing.assert_allclose(found[1], found[0], rtol=1e-4)  # as above, float32


def test_weights_batches_and_masks_are_those_of_the_cpu_bit_for_bit(cuda):
    cpu = xpnn.device("cpu")
    layers = [nn.Linear(30, 32), nn.Dropout(0.3), nn.Linear(32, 7)]
    there, here = (nn.Sequential(*layers).initialize(5).to(place).state_dict() for place in (cuda, cpu))
    for name in here:
        numpy.testing.assert_array_equal(cuda.to_host(there[name]), here[name])
    masks = []
    for place in (cpu, cuda):
        layer = nn.Dropout(0.3).initialize(5).to(place).train()
        masks.append([place.to_host(layer(place.asarray(numpy.ones((33, 17)), dtype="float32"))) for _ in range(3)])
    numpy.testing.assert_array_equal(*masks)
    assert not numpy.array_equal(masks[0][0], masks[0][1])
    order = list(xpnn.training.data.batch_indices(100, 32, seed=4, epoch=2))
    x = numpy.arange(100.0)
    for rows in order:
        numpy.testing.assert_array_equal(cuda.to_host(cuda.xp.take(cuda.asarray(x), cuda.asarray(rows))), x[rows])


def test_a_model_of_the_gpu_goes_on_on_the_cpu_and_back(cuda, tmp_path):
    x = numpy.random.default_rng(0).standard_normal((64, 4))
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).initialize(0)
    trainer = Trainer(model.to(cuda), nn.squared_error, optim.Adam(model), seed=0)
    trainer.fit(x, x[:, :1], epochs=2)
    save(tmp_path / "model.safetensors", model.state_dict(), {})
    arrays, _ = load(tmp_path / "model.safetensors")
    again = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).load_state_dict(arrays)
    numpy.testing.assert_allclose(
        again(x.astype("float32")), trainer.predict(x.astype("float32")), rtol=1e-5, atol=1e-6
    )
    back = again.to(cuda).state_dict()
    for name, array in model.state_dict().items():
        numpy.testing.assert_array_equal(cuda.to_host(back[name]), cuda.to_host(array))


def test_out_of_memory_is_one_error_and_the_model_is_as_before(cuda, memory):
    x = numpy.random.default_rng(0).standard_normal((20_000, 100)).astype("float32")
    model = nn.Sequential(nn.Linear(100, 2000), nn.ReLU(), nn.Linear(2000, 1)).initialize(0).to(cuda)
    trainer = Trainer(model, nn.squared_error, optim.Adam(model))
    before = {name: cuda.to_host(array) for name, array in model.state_dict().items()}
    memory.set_limit(size=memory.used_bytes() + 48 * 2**20)  # the data are 8 MB, a hidden layer of the batch 80 MB
    with pytest.raises(MemoryError, match="Out of memory") as caught:
        trainer.fit(x, x[:, :1], epochs=1, batch_size=10_000)
    assert "A smaller batch_size" in "".join(caught.value.__notes__)
    memory.set_limit(size=0)
    for name, array in model.state_dict().items():
        numpy.testing.assert_array_equal(cuda.to_host(array), before[name])
    trainer.fit(x, x[:, :1], epochs=1, batch_size=1000)  # and the smaller batch trains


def test_labels_out_of_range_are_refused_before_training(cuda):
    model = nn.Linear(4, 3).initialize(0).to(cuda)
    trainer = Trainer(model, nn.cross_entropy, optim.Adam(model))
    before = cuda.to_host(model.weight)
    for wrong in (3, -1):
        with pytest.raises(ValueError, match="expected labels from 0 to 2 for 3 outputs"):
            trainer.fit(numpy.ones((5, 4)), numpy.asarray([0, 1, 2, wrong, 0]))
    numpy.testing.assert_array_equal(cuda.to_host(model.weight), before)


def test_arrays_of_the_host_and_the_gpu_do_not_mix(cuda):
    model = nn.Linear(4, 3).initialize(0).to(cuda)
    with pytest.raises(TypeError, match="arrays of one library"):
        model(numpy.ones((2, 4), dtype="float32"))


def without_visible_gpu(*words):
    """A program in a process that the driver shows no GPU."""
    return subprocess.run(
        [sys.executable, *words], env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize("options", [["--device=cuda"], ["--device=cuda", "--no-fallback"]])
def test_a_hidden_gpu_is_explained_by_examples(options):
    done = without_visible_gpu("examples/binary_classification.py", "--epochs=2", *options)
    assert "NVIDIA's driver shows this process no GPU (CUDA_VISIBLE_DEVICES='') [no-visible-device]" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == (3 if "--no-fallback" in options else 0)


def test_a_hidden_gpu_is_explained_by_doctor():
    done = without_visible_gpu("-m", "xpnn", "doctor")
    assert done.returncode == 0
    assert "shows this process no GPU (CUDA_VISIBLE_DEVICES='') [no-visible-device]" in done.stdout
    assert "unset the environment variable CUDA_VISIBLE_DEVICES" in done.stdout


# CuPy 14 warns that it sees some waits only; those it sees are the copies to the host that a step could make
@pytest.mark.filterwarnings("ignore:cupyx.allow_synchronize")
def test_a_training_step_does_not_wait_for_the_gpu(cuda):
    cupyx = pytest.importorskip("cupyx")
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3)).initialize(0).to(cuda).train()
    optimizer = optim.Adam(model)
    both = xpnn.value_and_grad(lambda model, x, t: nn.cross_entropy(model(x), t))
    x, t = cuda.asarray(numpy.ones((6, 4)), dtype="float32"), cuda.asarray(numpy.asarray([0, 1, 2, 0, 1, 2]))
    with cupyx.allow_synchronize(False):  # CuPy raises DeviceSynchronized where the host would wait
        for _ in range(3):
            _, gradients = both(model, x, t)
            gradients, _ = optim.clip_by_global_norm(gradients, 1.0, nonfinite="propagate")
            optimizer.step(gradients)
        with pytest.raises(cupyx.DeviceSynchronized):
            float(gradients[0].weight[0, 0])
