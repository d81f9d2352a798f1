"""What outlives a process: the runs, their curves and their weights. Loads without torch and without streamlit."""

from core.store.database import StoreError
from core.store.models import Checkpoint, MetricPoint, Run, Status
from core.store.store import Store

__all__ = ["Checkpoint", "MetricPoint", "Run", "Status", "Store", "StoreError"]
