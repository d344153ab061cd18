"""What we make of a record: labels, notices and changes, as pure functions over an Article."""

from tracker.article import Article
from tracker.reading.design import read_design
from tracker.reading.labels import Label


def read_labels(article: Article) -> tuple[Label, ...]:
    """Every label that can be read from the record, in the order of the readers. Never raises."""
    return read_design(article)
