"""The threads of matrix products: one inside, as many as before outside, whoever is inside at once."""

import numpy
import pytest

from xpnn.training.threads import few_threads

threadpoolctl = pytest.importorskip("threadpoolctl")
numpy.ones((2, 2)) @ numpy.ones((2, 2))  # which loads the library of products


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if not threads():
        pytest.skip("threadpoolctl does not know the library of NumPy's products")
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        yield


def threads():
    """The numbers of threads of the libraries of products."""
    return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}


def test_one_inside_and_as_many_as_before_outside():
    with few_threads(256, 128 * 128):
        assert threads() == {1}
    assert threads() == {2}
    with pytest.raises(RuntimeError, match="stop"), few_threads(256, 128 * 128):
        raise RuntimeError("stop")
    assert threads() == {2}


def test_large_layers_and_the_environment_keep_theirs(monkeypatch):
    with few_threads(8192, 1024 * 1024):
        assert threads() == {2}
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with few_threads(256, 128 * 128):
        assert threads() == {2}


def test_the_last_to_leave_sets_it_back():
    first, second = few_threads(256, 128 * 128), few_threads(256, 128 * 128)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == {2}
