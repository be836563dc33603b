"""Batches, metrics, the training loop and files."""

from xpnn.training import metrics
from xpnn.training.checkpoint import load, save
from xpnn.training.checkpoints import Checkpoints
from xpnn.training.collating import padded
from xpnn.training.data import batch_indices
from xpnn.training.files import write_whole
from xpnn.training.history import History
from xpnn.training.layout import CheckpointError
from xpnn.training.loader import Loader
from xpnn.training.sources import Samples
from xpnn.training.splits import k_fold, split
from xpnn.training.trainer import Trainer

__all__ = [
    "CheckpointError",
    "Checkpoints",
    "History",
    "Loader",
    "Samples",
    "Trainer",
    "batch_indices",
    "k_fold",
    "load",
    "metrics",
    "padded",
    "save",
    "split",
    "write_whole",
]
