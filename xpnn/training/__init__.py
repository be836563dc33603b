"""Batches, metrics, the training loop and files."""

from xpnn.training import metrics
from xpnn.training.checkpoint import load, save
from xpnn.training.data import batch_indices, split
from xpnn.training.files import write_whole
from xpnn.training.trainer import History, Trainer

__all__ = ["History", "Trainer", "batch_indices", "load", "metrics", "save", "split", "write_whole"]
