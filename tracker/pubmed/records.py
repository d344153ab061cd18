"""A stream of PubMed XML -> the bytes of one record at a time, in constant memory.

Records are cut out as NLM wrote them: these bytes are what is stored, and each is parsed alone, so
that one bad record spoils no other and entities declared elsewhere can never be expanded.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from tracker.article import MAX_PMID, ArticleKey, Pmid
from tracker.errors import UnusableInput
from tracker.regular import open_regular

MAX_RECORD = 32 * 2**20
CHUNK = 2**20

_TOKEN = re.compile(
    rb"\s+|<\?.*?\?>|<!--.*?-->"
    rb"|(?P<doctype><!DOCTYPE\s[^\[>]*(?:(?P<subset>\[)|>))"
    rb"|(?P<open><Pubmed(?:Book)?ArticleSet(?P<attributes>\s[^>]*)?>)"
    rb"|(?P<close></Pubmed(?:Book)?ArticleSet\s*>)"
    rb"|(?P<record><(?P<name>PubmedArticle|PubmedBookArticle|DeleteCitation|DeleteDocument)(?=[\s>]))",
    re.S,
)
_NAMESPACES = re.compile(rb"\sxmlns(?::\w+)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_ENCODING = re.compile(rb"^\s*<\?xml[^>]*\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_PMID = re.compile(rb"<PMID(?:\s[^>]*)?>\s*([0-9]{1,10})\s*</PMID>")
_PMID_LINE = re.compile(rb"^PMID[ \t]*-[ \t]*([0-9]{1,10})\s", re.M | re.I)
_VERSION = re.compile(rb"\sVersion\s*=\s*[\"']([0-9]{1,4})[\"']")
# By their byte order mark, or by the zeros beside the first letter.
_WIDE = (
    ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
    ((b"<\0", b"P\0M\0"), "utf-16-le"),
    ((b"\0<", b"\0P\0M"), "utf-16-be"),
)


class RawRecord(NamedTuple):
    """One record as it came. ``deleted`` lists PMIDs that a DeleteCitation withdraws (then the rest is empty).

    ``versions`` gives the version up to which each of these PMIDs is deleted: a later one stays.
    """

    body: bytes
    deleted: tuple[Pmid, ...] = ()
    versions: tuple[int, ...] = ()

    @property
    def pmid(self) -> Pmid | None:
        """The record's PMID as far as it can be read without parsing (MEDLINE text too), for messages."""
        match = _PMID.search(self.body, 0, 2000) or _PMID_LINE.search(self.body)
        return Pmid(ArticleKey(int(match[1]))) if match and 0 < int(match[1]) <= MAX_PMID else None


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked if it is gzip (recognised by its first bytes, not by its name).

    Raises UnusableInput if it is missing, not a file, empty, not readable, or breaks off inside the gzip.
    """
    try:
        with open_regular(path) as file:
            magic = file.read(2)
            file.seek(0)
            if not magic:
                raise UnusableInput(f"{path}: the file is empty. Get it again.")
            if magic == b"\x1f\x8b":
                with gzip.open(file) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield file
    except FileNotFoundError:
        raise UnusableInput(f"{path}: no such file. Check the name.") from None
    except IsADirectoryError:
        raise UnusableInput(f"{path}: this is a folder. Name the files in it.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnusableInput(f"{path}: the gzip data is damaged or cut off ({error}). Get it again.") from None
    except PermissionError:
        raise UnusableInput(f"{path}: no permission to read it.") from None
    except OSError as error:
        if error.filename != str(path):
            raise
        raise UnusableInput(f"{path}: cannot be read ({error.strerror}).") from None


def split(stream: BinaryIO, name: str = "the answer") -> Iterator[RawRecord]:
    """Every PubmedArticle, PubmedBookArticle and DeleteCitation of a PubmedArticleSet, or of several, in order.

    A single record that is the root of a file counts too. ``name`` is what messages call the stream. Memory
    is bounded by the largest record.

    Raises UnusableInput if it is not PubMed XML, declares entities, holds a record over 32 MB, has
    anything else between records, or is cut off before the set is closed.
    """
    window = _Window(utf8(stream, name))
    namespaces, found, in_set = b"", False, False
    while (token := window.token()) is not None:
        if token["record"]:
            found = True
            body = window.take_through(b"</" + token["name"] + b">", name)
            if token["name"].startswith(b"Delete"):
                withdrawn = list(_PMID.finditer(body))
                yield RawRecord(
                    b"",
                    tuple(Pmid(ArticleKey(int(match[1]))) for match in withdrawn),
                    tuple(map(_version, withdrawn)),
                )
            else:
                yield RawRecord(body.replace(token["record"], token["record"] + namespaces, 1))
            continue
        if token["subset"]:
            raise UnusableInput(
                f"{name}: its DOCTYPE declares entities, which PubMed's files never do. Refused as unsafe."
            )
        if token["open"]:
            found, in_set, namespaces = True, True, b"".join(_NAMESPACES.findall(token["attributes"] or b""))
        elif token["close"]:
            in_set, namespaces = False, b""
        window.drop(token.end())
    rest = window.rest()
    if not found:
        raise UnusableInput(
            f"{name}: this is not PubMed XML (it begins {rest!r}). "
            "Give a file saved from PubMed, an E-utilities answer, or one of NLM's baseline or update files."
        )
    if rest:
        raise UnusableInput(f"{name}: damaged or cut off at byte {window.offset:,} ({rest!r}). Get it again.")
    if in_set:
        raise UnusableInput(f"{name}: cut off: its set of records is never closed. Get it again.")


def _version(pmid: re.Match[bytes]) -> int:
    match = _VERSION.search(pmid[0])
    return int(match[1]) if match else 1


class _Window:
    """The part of the stream that is being looked at, read on as needed."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0
        self._before = 0

    @property
    def offset(self) -> int:
        return self._before + self._at

    def rest(self) -> str:
        return self._data[self._at : self._at + 60].decode("utf-8", "replace")

    def token(self) -> re.Match[bytes] | None:
        """The next token; None at the end, or if what follows cannot make sense however it continues."""
        while (match := _TOKEN.match(self._data, self._at)) is None:
            if len(self._data) - self._at > CHUNK or not self._read_on():
                return None
        return match

    def drop(self, end: int) -> None:
        self._at = end

    def take_through(self, end: bytes, name: str) -> bytes:
        """Everything up to and including ``end``."""
        searched = self._at
        while (start := self._data.find(end, searched)) < 0:
            unread = len(self._data) - self._at
            if unread > MAX_RECORD:
                raise UnusableInput(
                    f"{name}: the record at byte {self.offset:,} is larger than {MAX_RECORD >> 20} MB. Refused."
                )
            if not self._read_on():
                raise UnusableInput(
                    f"{name}: cut off inside the record at byte {self.offset:,}. Get it again."
                )
            searched = max(0, unread - len(end))
        body = self._data[self._at : start + len(end)]
        self._at = start + len(end)
        return body

    def _read_on(self) -> bool:
        chunk = next(self._chunks, b"")
        self._before += self._at
        self._data = self._data[self._at :] + chunk
        self._at = 0
        return bool(chunk)


def utf8(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The stream's chunks as UTF-8, whatever encoding its first bytes show, or its XML declares.

    Raises UnusableInput if that encoding is unknown, or the text is not in it.
    """
    first = stream.read(CHUNK)
    encoding = _encoding(first)
    try:
        decoder = codecs.getincrementaldecoder(encoding)() if encoding else None
    except LookupError:
        raise UnusableInput(f"{name}: its encoding {encoding!r} is unknown. Save it as UTF-8.") from None
    chunk = first.removeprefix(codecs.BOM_UTF8)
    while chunk:
        try:
            yield decoder.decode(chunk).encode() if decoder else chunk
        except UnicodeError as error:
            raise UnusableInput(f"{name}: not valid {encoding} ({error}). Get it again.") from None
        chunk = stream.read(CHUNK)


def _encoding(first: bytes) -> str | None:
    for marks, encoding in _WIDE:
        if first.startswith(marks):
            return encoding
    declared = _ENCODING.match(first)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    return None if name in ("utf-8", "utf8", "us-ascii", "ascii") else name
