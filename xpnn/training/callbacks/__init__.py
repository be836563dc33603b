"""What looks on while a model is trained, and may end it."""

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.early_stopping import EarlyStopping

__all__ = ["Callback", "EarlyStopping"]
