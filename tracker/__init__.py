"""evidence-tracker: PubMed evidence on open clinical questions."""

from importlib.metadata import version

__version__ = version("evidence-tracker")
