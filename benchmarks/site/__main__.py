"""The command: its options, and what they start."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks import site
from benchmarks.site.comparisons import alone_or_beside, behind_nginx
from benchmarks.site.database import ensure
from benchmarks.site.report import write_json
from benchmarks.site.timing import Effort

DEFAULT_DIR = Path(tempfile.gettempdir()) / "site-bench"

file_option = click.Path(path_type=Path, dir_okay=False)
folder_option = click.Path(path_type=Path, file_okay=False)


@click.command(help=(site.__doc__ or "").split("\n\n", 1)[0])
@click.option("--articles", type=click.IntRange(100, 30_000_000), default=1_000_000, show_default=True)
@click.option("--dir", "folder", type=folder_option, default=DEFAULT_DIR, help="Where the database is kept.")
@click.option("--fresh", is_flag=True, help="Build the database anew.")
@click.option("--build-only", is_flag=True, help="Build the database, and measure nothing.")
@click.option(
    "--only", default="", metavar="PATTERN", help="Only pages whose name this regular expression fits."
)
@click.option("--beside/--alone", default=True, help="Time plain Datasette as well, or not.")
@click.option("--immutable", is_flag=True, help="Time several processes behind nginx instead.")
@click.option("--processes", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--requests", type=click.IntRange(5, 10_000), default=60, help="Of each page, at most.")
@click.option("--seconds", type=float, default=3.0, help="For each page and column, at most.")
@click.option("--json", "json_file", type=file_option, help="Write the figures here as well.")
def main(
    articles: int, folder: Path, fresh: bool, build_only: bool, only: str, beside: bool, immutable: bool,
    processes: int, requests: int, seconds: float, json_file: Path | None,
) -> None:  # fmt: skip
    ensure(folder, articles, fresh=fresh)
    if build_only:
        return
    effort = Effort(warm=5, requests=requests, seconds=seconds)
    if immutable:
        rows = behind_nginx(folder, only, effort, processes)
    else:
        rows = alone_or_beside(folder, only, effort, beside=beside)
    if json_file:
        write_json(json_file, articles, rows)


if __name__ == "__main__":
    main()
