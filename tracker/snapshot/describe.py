"""What a snapshot says of itself, to people and machines: README, citation, data package, RO-Crate and checksums.

Sources: CITATION.cff 1.2.0 (doi:10.5281/zenodo.5171937), Data Package 1.0 (specs.frictionlessdata.io), RO-Crate 1.1
(doi:10.5281/zenodo.4541002).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SUMS = "SHA256SUMS"
README = "README.md"
CITATION = "CITATION.cff"
PACKAGE = "datapackage.json"
CRATE = "ro-crate-metadata.json"
# Pages belong together: as a whole, they are one part of the description.
PAGES = ("index.html", "search.html", "questions/", "articles/", "search/", "assets/")


class Described(NamedTuple):
    """A file by its place, what it is and its media type."""

    place: str
    about: str
    media_type: str


class About(NamedTuple):
    """``moment`` is UTC, ``version`` the program's; ``licence`` names the terms, ``source`` where records are from."""

    title: str
    description: str
    moment: str
    version: str
    site: str
    licence: str
    licence_url: str
    source: str
    source_url: str
    questions: Sequence[tuple[str, str, str]]

    @property
    def day(self) -> str:
        return self.moment[:10]


def describe(folder: Path, about: About, files: Sequence[Described]) -> None:
    """Write the descriptions of a folder whose other files are all there; the checksums last."""
    (folder / README).write_text(_readme(about, files), encoding="utf-8")
    (folder / CITATION).write_text(_citation(about), encoding="utf-8")
    _write_json(folder / PACKAGE, _package(folder, about, files))
    _write_crate(folder, about, files)
    (folder / SUMS).write_text("".join(_sums(folder)), encoding="utf-8")


def wrong_sums(folder: Path) -> Iterator[str]:
    """The files that are missing, or are not as the checksums say."""
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        digest, _, place = line.partition("  ")
        path = folder / place
        if not path.is_file() or _sha256(path) != digest:
            yield place


def _readme(about: About, files: Sequence[Described]) -> str:
    rows = "\n".join(
        f"| [{title}](questions/{slug}.html) | {complete} |" for slug, title, complete in about.questions
    )
    listed = "\n".join(f"- [`{file.place}`]({file.place}): {file.about}" for file in files)
    goes_on = f"\nThe site goes on at {about.site}.\n" if about.site else ""
    return f"""# {about.title}: snapshot of {about.day}

{about.description}

This folder was written at {about.moment} by evidence-tracker {about.version}, and never changes. What was published,
corrected or retracted since is not in it.
{goes_on}
**To read it, open `index.html`.** It needs no server and no network. To check that it is whole, run
`sha256sum --check {SUMS}` in it.

| question | complete to |
|---|---|
{rows}

## What is in it

- `index.html`, `questions/`, `articles/`, `search.html`: the records of all questions, to read and to search.
- `evidence.db`: everything that was read from PubMed, with the raw records, as an SQLite database.
- `annotations.db`: what people said and everybody may see, without names, notes and reasons in their own words.
  Reviewers are numbered. `tracker --db-dir COPY serve` shows a copy of both databases that it may write as the site.
{listed}
- `{PACKAGE}`, `{CRATE}`, `{CITATION}`: the same for machines, and how to cite it.

## Terms

Records are from {about.source} ({about.source_url}); abstracts may be under their publishers' copyright.
{about.licence}: {about.licence_url}

Not medical advice. That a paper is listed here does not mean that it is sound, or that a treatment works.
"""


def _citation(about: About) -> str:
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "Please cite this snapshot with its date: what is listed changes.",
        "type": "dataset",
        "title": f"{about.title}: snapshot of {about.day}",
        "authors": [{"name": f"The contributors to {about.title}"}],
        "date-released": about.day,
        "version": about.day,
        "abstract": about.description,
    }
    if about.site:
        content["url"] = about.site
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=110)


# -- Data Package ----------------------------------------------------------------------------------


def _package(folder: Path, about: About, files: Sequence[Described]) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": f"evidence-snapshot-{about.day}",
        "title": f"{about.title}: snapshot of {about.day}",
        "description": about.description,
        "version": about.day,
        "created": about.moment,
        "licenses": [{"name": "other-open", "title": about.licence, "path": about.licence_url}],
        "sources": [{"title": about.source, "path": about.source_url}],
        "resources": [_resource(folder, file) for file in files],
    }


def _resource(folder: Path, file: Described) -> dict[str, Any]:
    path = folder / file.place
    # Without a type, frictionless takes whatever it can open for a table, and guesses what its columns hold.
    resource: dict[str, Any] = {
        "type": "file",
        "name": file.place.lower().replace("/", "-").replace("_", "-"),
        "path": file.place,
        "title": file.about,
        "mediatype": file.media_type.partition(";")[0],
        "bytes": path.stat().st_size,
        "hash": f"sha256:{_sha256(path)}",
    }
    if path.suffix == ".csv":
        resource |= {
            "type": "table",
            "profile": "tabular-data-resource",
            "format": "csv",
            "encoding": "utf-8",
            "schema": {"fields": [{"name": name, "type": "string"} for name in _header(path)]},
        }
    return resource


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


# -- RO-Crate --------------------------------------------------------------------------------------


def _write_crate(folder: Path, about: About, files: Sequence[Described]) -> None:
    # It takes 0.3 s to import, which only this should wait for.
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    crate.name = f"{about.title}: snapshot of {about.day}"
    crate.description = about.description
    crate.datePublished = about.moment
    crate.license = about.licence_url
    crate.root_dataset["version"] = about.day
    source = crate.add(ContextEntity(crate, about.source_url, {"@type": "WebSite", "name": about.source}))
    crate.root_dataset["isBasedOn"] = source
    for file in files:
        path = folder / file.place
        crate.add_file(
            path,
            dest_path=file.place,
            properties={
                "name": file.about,
                "encodingFormat": file.media_type.partition(";")[0],
                "contentSize": str(path.stat().st_size),
                "sha256": _sha256(path),
            },
        )
    _write_json(folder / CRATE, crate.metadata.generate())


# -- checksums -------------------------------------------------------------------------------------


def _sums(folder: Path) -> Iterator[str]:
    """A line a file, as ``sha256sum --check`` reads them."""
    for path in _every(folder):
        if (place := path.relative_to(folder).as_posix()) != SUMS:
            yield f"{_sha256(path)}  {place}\n"


def _every(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
