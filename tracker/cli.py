"""The commands: each parses, calls one function, and says what happened."""

import click


@click.group()
def main() -> None:
    """Keep watch over PubMed for open clinical questions."""
