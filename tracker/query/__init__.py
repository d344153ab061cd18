"""PubMed's query syntax: read it, check it, and judge an article by it without the network.

node = parse('aspirin[tiab] AND headache[mh]')
matches(node, article)      # True or False
lint('aspirin[tiba]')      # [Finding(code="Q003", ...)]
str(node)                   # ("aspirin"[Title/Abstract] AND "headache"[MeSH Terms])
"""

from tracker.query.dropped import Loss, losses
from tracker.query.errors import QueryError, UnsupportedQuery
from tracker.query.lint import lint, unknown_headings
from tracker.query.matching import Index, compile_query, matches
from tracker.query.syntax import Finding, Node, Operation, Range, Term, codes, parse, terms
from tracker.query.vocabulary import Field, MeshTree, default_tree, load_tree

__all__ = [
    "Field",
    "Finding",
    "Index",
    "Loss",
    "MeshTree",
    "Node",
    "Operation",
    "QueryError",
    "Range",
    "Term",
    "UnsupportedQuery",
    "codes",
    "compile_query",
    "default_tree",
    "lint",
    "load_tree",
    "losses",
    "matches",
    "parse",
    "terms",
    "unknown_headings",
]
