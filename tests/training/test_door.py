"""What is done to a model while it is tried or judged, and undone."""

import pytest

from xpnn import nn
from xpnn.training.door import evaluating


class Counting(nn.Module):
    """A module of one's own that does some work whenever it is switched."""

    def __init__(self):
        self.layers, self.switched = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)), 0

    def train(self, mode=True):
        self.__dict__["switched"] += 1
        return super().train(mode)


def modes(model):
    return [module.training for _, module in model.named_modules()]


def fails_in_evaluation(model):
    assert not any(modes(model))
    model.layers[1].train()
    raise RuntimeError


def test_every_module_has_its_own_mode_again_whatever_happens():
    model = Counting()
    model.layers[1].eval()
    before = modes(model)
    assert sorted(set(before)) == [False, True]
    with pytest.raises(RuntimeError), evaluating(model):
        fails_in_evaluation(model)
    assert modes(model) == before


def test_a_model_in_evaluation_is_not_switched_so_that_threads_may_share_it():
    model = Counting().eval()
    switched = model.switched
    with evaluating(model), evaluating(model):
        assert not any(modes(model))
    assert model.switched == switched
    model.train()
    with evaluating(model):
        assert model.switched == switched + 2
