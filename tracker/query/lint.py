"""Checks of a query that need no network: what PubMed would silently read as something else."""

from __future__ import annotations

from tracker.query.errors import UnsupportedQuery
from tracker.query.matching import compile_query
from tracker.query.syntax import Finding, Node, Parser, Range, Term, codes, terms
from tracker.query.vocabulary import MeshTree, default_tree


def lint(text: str, tree: MeshTree | None = None) -> list[Finding]:
    """Everything that is wrong with a query, or worth knowing, in text order.

    Takes any text and never raises. ``tree`` holds the headings known offline.
    """
    tree = tree or default_tree()
    parser = Parser(text)
    node = parser.run()
    if node is not None and not any(codes()[finding.code].fatal for finding in parser.findings):
        _offline(parser, node, tree)
    return sorted(parser.findings, key=lambda finding: (finding.start, finding.code))


def unknown_headings(node: Node, tree: MeshTree | None = None) -> list[str]:
    """The MeSH headings of a query that are not in the tree, which match without their narrower headings."""
    tree = tree or default_tree()
    headings = (_heading(term) for term in terms(node) if _is_heading(term))
    return list(dict.fromkeys(heading for heading in headings if not tree.knows(heading)))


def _offline(parser: Parser, node: Node, tree: MeshTree) -> None:
    for term in terms(node):
        if _is_heading(term) and not tree.knows(_heading(term)):
            parser.find("Q017", term.start, term.end, f'"{_heading(term)}" is not a heading known here')
        try:
            compile_query(term, tree)
        except UnsupportedQuery as error:
            parser.find("Q019", term.start, term.end, str(error))


def _is_heading(term: Term | Range) -> bool:
    return isinstance(term, Term) and term.field.key in ("mh", "majr") and not term.truncated


def _heading(term: Term | Range) -> str:
    return term.text.partition("/")[0].strip() if isinstance(term, Term) else ""
