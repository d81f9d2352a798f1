"""Persistent storage of runs, their metrics and their weights. Loads without torch and without streamlit."""

from core.store.database import StoreError
from core.store.models import Checkpoint, MetricPoint, Run, Status
from core.store.record import RunRecord, TrainedRecord
from core.store.store import Store

__all__ = ["Checkpoint", "MetricPoint", "Run", "RunRecord", "Status", "Store", "StoreError", "TrainedRecord"]
