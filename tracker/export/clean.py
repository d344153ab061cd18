"""Text made safe for a format, and nothing more: no record may break or abuse a format."""

from __future__ import annotations

import re

# What XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets), including lone surrogates.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# Everything at which some reader, above all Python's str.splitlines, would begin a new line.
# From the first space of a run, as a long run would otherwise be searched from each of its spaces.
_BREAKS = re.compile(r"(?<! ) *[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029][\s]*")
_FORMULA = re.compile(r"[\s\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
# What Excel converts, in one country or another: dates with a month in them, leading zeros, powers of ten.
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH_NAME = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_CONVERTED = re.compile(
    rf"{_MONTH}[-/.](?:\d\d?|\d{{4}})|{_DAY}[-/.]{_MONTH}|\d{{4}}[-/.]{_MONTH}"
    rf"|{_DAY}[-/. ]?{_MONTH_NAME}|{_MONTH_NAME}[-/. ]?\d{{1,4}}|0\d+|\d+(?:\.\d+)?e\d+",
    re.I,
)


def printable(text: str) -> str:
    """The text without the characters that XML forbids and those that only control a terminal."""
    return _FORBIDDEN.sub("", text)


def one_line(text: str) -> str:
    """Printable text, with every line break and the space around it folded into one space."""
    return printable(_BREAKS.sub(" ", text)).strip()


def cell(text: str) -> str:
    """Printable text that no spreadsheet takes for a formula: what could begin one gets an apostrophe before it.

    As OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection); full-width signs count as well.
    """
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) else text


def kept_text(text: str) -> str:
    """Text that no spreadsheet takes for a date or number in CSV: what looks like one gets an apostrophe before it.

    Quotation marks do not stop Excel, which turns pages 5-12 into the fifth of December.
    """
    return f"'{text}" if _CONVERTED.fullmatch(text) else text


def guarded(text: str) -> str:
    """As ``cell``, not a formula to a spreadsheet, but nothing is dropped, and ``unguarded`` gives the text back."""
    return f"'{text}" if _needs_guard(text) else text


def unguarded(text: str) -> str:
    """The text that ``guarded`` was given."""
    return text[1:] if text.startswith("'") and _needs_guard(text) else text


def _needs_guard(text: str) -> bool:
    # Leading apostrophes are skipped, so that an added one can always be told from those of the text.
    return bool(_FORMULA.match(printable(text).lstrip("'")))
