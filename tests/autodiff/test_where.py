"""Messages name the user's line: that of the call, or that of the function."""

import functools

import numpy
import pytest
import scipy.linalg
import sklearn.metrics.pairwise

from xpnn import grad, nn, recompute
from xpnn.autodiff.where import at, line_of, user_line


def of_the_package():
    """A function that is written in the package, as far as its frames say, and notes where it was called from."""
    names = {"user_line": user_line, "places": []}
    exec(compile("def place(x): places.append(user_line()); return x", user_line.__code__.co_filename, "exec"), names)
    return names["place"], names["places"]


def first_line(function):
    return function.__code__.co_firstlineno


def test_the_line_of_the_user_and_not_of_the_package():
    place, places = of_the_package()

    def f(x):
        y = place(x)
        return place(y) * x

    grad(grad(f))(2.0)
    line = first_line(f)
    assert set(places) == {f"test_where.py:{line + 1}", f"test_where.py:{line + 2}"}


def test_frames_of_standard_helpers_are_no_places():
    place, places = of_the_package()

    class Model(nn.Module):
        def forward(self, x):
            return functools.reduce(lambda y, _: place(y), range(2), x)

    Model()(numpy.asarray(1.0))
    assert set(places) == {f"test_where.py:{first_line(Model.forward) + 1}"}


def test_where_other_peoples_code_stands_between_their_line_is_named_too():
    with pytest.raises(TypeError, match=r"\(at test_where\.py:\d+, in numpy/.*\.py:\d+\)"):
        grad(lambda x: numpy.linalg.norm(x))(numpy.ones(2))


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda x: numpy.linalg.norm(x), "use the functions of xp = xpnn.namespace_of"),
        (lambda x: numpy.stack([x, x]), r"xpnn.namespace_of\(x, y\)"),
        (lambda x: scipy.linalg.expm(x[None, :1]), "SCIPY_ARRAY_API=1"),
        (lambda x: sklearn.metrics.pairwise.rbf_kernel(x[None, :]), r"array_api_dispatch=True"),
    ],
)
def test_what_to_do_about_a_conversion_depends_on_who_converts(use, words, monkeypatch):
    monkeypatch.delenv("SCIPY_ARRAY_API", raising=False)
    with pytest.raises(TypeError, match=words):
        grad(lambda x: use(x))(numpy.ones(2))


def test_a_user_who_is_called_by_scikit_learn_converts_by_himself():
    names = {}
    exec(compile("def call(f, x): return f(x)", "/lib/site-packages/sklearn/base.py", "exec"), names)
    with pytest.raises(TypeError, match=r"use the functions of xp = xpnn.namespace_of"):
        names["call"](grad(lambda x: numpy.stack([x, x])), numpy.ones(2))


def test_what_is_added_to_a_message():
    assert (at(""), at("a.py:1")) == ("", " (at a.py:1)")


def test_where_a_function_is_written():
    here = lambda x: x  # noqa: E731
    line = first_line(here)
    assert line_of(here) == line_of(functools.partial(functools.partial(here), 1)) == f"test_where.py:{line}"
    assert line_of(recompute(here)) == f"test_where.py:{line}"
    assert line_of(len) == line_of(grad) == line_of(grad(here)) == line_of(3) == ""

    class Model(nn.Module):
        def forward(self, x):
            return x

    assert line_of(Model()) == f"test_where.py:{first_line(Model.forward)}"
    assert line_of(nn.Linear(1, 1)) == ""
