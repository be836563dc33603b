"""Trees: taken apart and built again, by whatever nest of models, dictionaries, lists and tuples they are."""

from typing import NamedTuple

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnn import nn
from xpnn.arrays.tree import flatten, named_leaves, tree_map


class Batch(NamedTuple):
    x: object
    t: object


class Pair:
    """Not a tuple, but takes part by `tree_flatten`."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def tree_flatten(self):
        return [self.first, self.second], lambda leaves: Pair(*leaves)


TREES = st.recursive(
    st.integers() | st.none(),
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.lists(parts, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), parts, max_size=3),
        st.builds(Batch, parts, parts),
    ),
    max_leaves=12,
)


def kinds(tree):
    """The nest without its numbers."""
    if isinstance(tree, dict):
        return {key: kinds(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree), [kinds(part) for part in tree]
    return tree is None


@given(TREES)
def test_a_tree_taken_apart_builds_itself(tree):
    leaves, rebuild = flatten(tree)
    assert rebuild(leaves) == tree
    assert kinds(rebuild(leaves)) == kinds(tree)
    assert kinds(rebuild([leaf + 1 for leaf in leaves])) == kinds(tree)
    assert all(type(leaf) is int for leaf in leaves)
    assert [leaf for _, leaf in named_leaves(tree)] == leaves


def test_leaves_come_in_order_of_the_tree_and_are_the_objects_themselves():
    first, second, third = numpy.ones(2), numpy.zeros(()), object()
    leaves, _ = flatten({"b": first, "a": [second, (third,)]})
    assert [id(leaf) for leaf in leaves] == [id(first), id(second), id(third)]


def test_named_tuples_come_back_as_named_tuples():
    leaves, rebuild = flatten(Batch(x=1, t=[2, 3]))
    again = rebuild([leaf * 10 for leaf in leaves])
    assert type(again) is Batch
    assert (again.x, again.t) == (10, [20, 30])


def test_a_class_takes_part_by_tree_flatten():
    again = tree_map(lambda leaf: -leaf, {"pair": Pair(1, 2)})["pair"]
    assert (type(again), again.first, again.second) == (Pair, -1, -2)


@pytest.mark.parametrize("tree", [None, [], (), {}, [None, {}, ()]])
def test_trees_without_leaves(tree):
    leaves, rebuild = flatten(tree)
    assert leaves == []
    assert rebuild([]) == tree
    assert tree_map(lambda leaf: 1 / 0, tree) == tree
    assert named_leaves(tree) == []


def test_a_rebuilt_tree_shares_no_container_with_the_first():
    tree = {"a": [1, 2], "b": {"c": 3}}
    leaves, rebuild = flatten(tree)
    again = rebuild(leaves)
    again["a"].append(4)
    again["b"]["d"] = 5
    assert tree == {"a": [1, 2], "b": {"c": 3}}
    assert rebuild([0, 0, 0]) == {"a": [0, 0], "b": {"c": 0}}


def test_maps_go_over_several_trees_of_one_shape():
    assert tree_map(lambda a, b, c: a + b * c, [1, {"x": 2}], [10, {"x": 20}], [2, {"x": 3}]) == [21, {"x": 62}]


@pytest.mark.parametrize("other", [[1], [1, 2, 3], {}, None])
def test_maps_refuse_trees_of_different_sizes(other):
    with pytest.raises(ValueError, match=r"expected trees of one shape, got trees with \[2, \d\] leaves"):
        tree_map(lambda a, b: a + b, [1, 2], other)


def test_a_model_maps_to_a_model_and_itself_stays():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).initialize(seed=0)
    before = model[0].weight.copy()
    doubled = tree_map(lambda p: 2 * p, {"model": model})["model"]
    assert type(doubled) is nn.Sequential
    numpy.testing.assert_array_equal(doubled[0].weight, 2 * before)
    numpy.testing.assert_array_equal(model[0].weight, before)


def test_paths_name_positions_keys_fields_and_parameters():
    model = nn.Sequential(nn.Linear(2, 1))
    names = [name for name, _ in named_leaves({"model": model, "rest": [1.0, Batch(2.0, (3.0,))], 7: 4.0})]
    assert names == ["model.0.weight", "model.0.bias", "rest.0", "rest.1.0", "rest.1.1.0", "7"]
    assert [name for name, _ in named_leaves(1.0)] == [""]
    assert [name for name, _ in named_leaves(model)] == ["0.weight", "0.bias"]


def test_paths_stand_beside_the_leaves_of_a_model_with_a_shared_layer():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert [id(leaf) for _, leaf in named_leaves(model)] == [id(leaf) for leaf in flatten(model)[0]]


def test_a_deep_tree_is_no_problem():
    tree = 1
    for _ in range(200):
        tree = [tree]
    leaves, rebuild = flatten(tree)
    assert leaves == [1]
    assert rebuild([1]) == tree
