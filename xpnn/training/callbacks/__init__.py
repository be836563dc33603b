"""What looks on while a model is trained, and may end it."""

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.csv_log import CSVLog
from xpnn.training.callbacks.early_stopping import EarlyStopping
from xpnn.training.callbacks.plots import Plots, plot_history
from xpnn.training.callbacks.progress import ProgressBar
from xpnn.training.callbacks.table import PrintTable
from xpnn.training.callbacks.tensorboard import TensorBoardLog

__all__ = [
    "CSVLog",
    "Callback",
    "EarlyStopping",
    "Plots",
    "PrintTable",
    "ProgressBar",
    "TensorBoardLog",
    "plot_history",
]
