"""What the name of a number says about which is better."""

import pytest

from xpnn.training import metrics
from xpnn.training.direction import better_when, mode_of

SMALL = [
    "brier_score", "expected_calibration_error", "log_loss", "mean_absolute_error", "mean_squared_error", "perplexity",
    "root_mean_squared_error",
]  # fmt: skip


def test_every_metric_of_ours_that_is_one_number_is_known_by_its_name():
    names = [name for name in metrics.__all__ if name.islower() and name not in ("accumulated", "confusion_matrix")]
    assert {f"val_{name}": better_when(f"val_{name}") for name in names} == {
        f"val_{name}": "min" if name in SMALL else "max" for name in names
    }


@pytest.mark.parametrize(
    ("name", "mode"),
    [("loss", "min"), ("val_RMSE", "min"), ("F1", "max"), ("val_acc", "max"), ("val_hits", None), ("pace", None)],
)
def test_names_people_give(name, mode):
    assert better_when(name) == mode


def test_what_is_said_counts_and_what_is_not_known_is_refused():
    assert mode_of("Someone", "val_loss", "max") == "max"
    with pytest.raises(ValueError, match=r"Someone cannot tell by the name .* 'hits' .* say mode='max' or"):
        mode_of("Someone", "hits", "auto")
    with pytest.raises(ValueError, match="Someone expected mode 'auto', 'min' or 'max', got 'most'"):
        mode_of("Someone", "loss", "most")
