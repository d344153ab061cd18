"""What we make of a record: labels, each with the words that it was read from."""

from __future__ import annotations

from typing import Literal, NamedTuple

Basis = Literal["publication type", "MeSH", "link", "title", "abstract"]
Confidence = Literal["high", "medium"]


class Label(NamedTuple):
    """One thing that was read by machine from one record.

    ``group`` is what it is about (``design``, ``evidence_level``, ...) and ``value`` what was read.
    ``basis`` is where: a field that NLM sets (publication type, MeSH, link), the title or the abstract.
    ``quote`` is the field's value or the words as they stand there. ``rule`` and ``version`` name the
    rule and its file's version. ``confidence`` is ``high`` where indexers or the authors' own title
    say it, ``medium`` where it follows from a sentence of the abstract: words, because the accuracy
    in figures is measured for each group and shown apart.
    """

    group: str
    value: str
    basis: Basis
    quote: str
    rule: str
    version: int
    confidence: Confidence
