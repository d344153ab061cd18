"""What we make of a record: labels by rule, and how the paper stands. Nothing here knows a database."""

from tracker.reading.engine import read as read_labels
from tracker.reading.labels import Label

__all__ = ["Label", "read_labels"]
