"""A search that works from disk: which words occur in which records, as script files of which a page loads a few.

A page opened from disk may not fetch, but may add scripts. Records are numbered, newest first; ``records-N.js`` tells
what a list shows of them, ``terms-XX.js`` in which of them each word that begins with XX occurs, ``about.js`` which XX
there are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tracker.article import spelt
from tracker.evidence.rows import Row
from tracker.site.words import outside_words

# Records in one file.
AT_ONCE = 500
LETTERS = 2
_WORD = re.compile(r"[^\W_]+")
_ASCII = re.compile(rf"[a-z0-9]{{{LETTERS}}}")
# Where words go that begin otherwise, or are shorter.
_OTHERS = "others"
_STANDING = (
    ("retracted", "Retracted"),
    ("withdrawn", "Withdrawn"),
    ("expression_of_concern", "Expression of concern"),
    ("corrected", "Corrected"),
)


class Index:
    """Takes records one by one, newest first, and writes the files below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: list[list[Any]] = []
        self._places: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, entry: Row, record: Row) -> None:
        number = len(self._shown)
        self._shown.append(_shown(entry))
        for word in set(_words(_texts(record))):
            self._places[word].append(number)

    def write(self) -> None:
        self._folder.mkdir()
        for start in range(0, len(self._shown), AT_ONCE):
            number = start // AT_ONCE
            self._script(f"records-{number}", "records", number, self._shown[start : start + AT_ONCE])
        terms = sorted(self._by_beginning().items())
        for beginning, words in terms:
            self._script(f"terms-{beginning}", "terms", beginning, words)
        self._script("about", "about", AT_ONCE, [beginning for beginning, _ in terms])

    def _by_beginning(self) -> dict[str, dict[str, list[int]]]:
        found: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)
        for word, places in sorted(self._places.items()):
            found[beginning(word)][word] = list(_steps(places))
        return found

    def _script(self, name: str, function: str, *given: Any) -> None:
        arguments = ",".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in given)
        (self._folder / f"{name}.js").write_text(f"tracker.{function}({arguments});\n", encoding="utf-8")


def beginning(word: str) -> str:
    """The file that a word is in, as ``search.js`` finds it, too."""
    first = word[:LETTERS]
    return first if _ASCII.fullmatch(first) else _OTHERS


def folded(text: str) -> str:
    """Without accents, in small letters."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part)).lower()


def _words(texts: Iterable[str | None]) -> Iterator[str]:
    for text in texts:
        yield from _WORD.findall(folded(text or ""))


def _texts(record: Row) -> Iterator[str | None]:
    for column in ("title", "abstract", "keywords_text", "mesh_text", "authors_text", "journal", "doi"):
        yield record[column]
    yield spelt(record["pmid"])
    for registration in record["registrations"]:
        yield registration["number"]


def _shown(entry: Row) -> list[Any]:
    """Key, title, authors, journal, year and standing."""
    said = [says for flag, says in _STANDING if entry[flag]]
    said += [outside_words(notice) for notice in entry["outside"] if notice.kind != "other"]
    names = (entry["authors_text"] or "").split(", ")
    authors = ", ".join(names[:3]) + (" et al" if len(names) > 3 else "")
    year = (entry["published"] or "")[:4]
    return [
        spelt(entry["pmid"]),
        entry["title"] or "No title",
        authors,
        entry["journal"] or "",
        year,
        "; ".join(said),
    ]


def _steps(places: Iterable[int]) -> Iterator[int]:
    """How far each is from the one before, which takes fewer digits."""
    before = 0
    for place in places:
        yield place - before
        before = place
