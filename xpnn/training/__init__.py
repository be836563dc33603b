"""Batches, metrics, the training loop and files."""

from xpnn.training import callbacks, metrics
from xpnn.training.checkpoint import load, save
from xpnn.training.checkpoints import Checkpoints
from xpnn.training.collating import padded
from xpnn.training.data import batch_indices
from xpnn.training.files import write_whole
from xpnn.training.history import History
from xpnn.training.layout import CheckpointError
from xpnn.training.loader import Loader
from xpnn.training.range_test import RangeTest, learning_rate_range_test
from xpnn.training.sources import Samples
from xpnn.training.splits import k_fold, split
from xpnn.training.trainer import Trainer

__all__ = [
    "CheckpointError",
    "Checkpoints",
    "History",
    "Loader",
    "RangeTest",
    "Samples",
    "Trainer",
    "batch_indices",
    "callbacks",
    "k_fold",
    "learning_rate_range_test",
    "load",
    "metrics",
    "padded",
    "save",
    "split",
    "write_whole",
]
