"""evidence-tracker: PubMed evidence on open questions about ketamine for depression."""

from importlib.metadata import version

__version__ = version("evidence-tracker")
