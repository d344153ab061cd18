"""Made-up articles, skewed as real ones are: what stands in how many of them is known, and can be asked for."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from benchmarks.site.answers import Answers
from benchmarks.site.labels import Labels, label
from benchmarks.site.material import Author, Material, Term, parts
from tracker.evidence.articles import TABLES, Row, Rows
from tracker.reading.brief import Brief

SEED = 20_000
SHARES = {"cognition": 0.3, "tolerance": 0.03, "cystitis": 0.003, "psychotherapy": 0.0003}
# Words that the made-up vocabulary does not have, and the part of the articles that they stand in.
ALMOST_ALL, TENTH, HUNDREDTH, RARE = "ketamine", "depression", "bladder", "deschloroketamine"
PLANTED = (
    ("Patients received ketamine.", 0.99),
    ("All of them had depression.", 0.1),
    ("The bladder was examined.", 0.01),
    ("Urine held deschloroketamine.", 0.0001),
    ("Their illness was treatment resistant.", 0.02),
    ("The treatment ended early.", 0.08),
    ("Some strains were resistant.", 0.08),
)
PHRASE = '"treatment resistant"'
TAG = "to read in full"
REVIEWS = "1 (systematic review)"
LEVELS = {
    "systematic review": REVIEWS, "meta-analysis": REVIEWS,
    "randomised controlled trial": "2 (randomised trial)",
    "cohort study": "3 (controlled or followed up, not randomised)",
    "open-label trial": "4 (no comparison, or looking back)", "case series": "4 (no comparison, or looking back)",
    "case report": "4 (no comparison, or looking back)",
    "animal study": "5 (mechanism)", "in vitro study": "5 (mechanism)",
}  # fmt: skip
FIRST_DAY = date(1970, 1, 1)
FIRST_SEARCH = 200  # days ago
# Flag, notice, and the part of the articles.
NOTICES = (
    ("retracted", "RetractionIn", 0.002),
    ("expression_of_concern", "ExpressionOfConcernIn", 0.001),
    ("corrected", "ErratumIn", 0.01),
)
FLAGS = (
    "retracted", "expression_of_concern", "corrected", "updated", "commented", "republished", "is_notice",
)  # fmt: skip
# What is the same in every article.
ALIKE = {
    "status": "MEDLINE",
    "kind": "article",
    "version": 1,
    "publication_model": "Print-Electronic",
    "publication_status": "ppublish",
    "country": "United States",
    "authors_complete": 1,
    **dict.fromkeys(FLAGS, 0),
}

Sections = list[tuple[str, str]]


class Made(NamedTuple):
    """One article: its rows, its standing, its places in questions and what these make of it, and its changes."""

    rows: Rows
    state: Row
    places: list[Row]
    directness: list[Row]
    findings: list[Row]
    changes: list[Row]


class Asked(NamedTuple):
    """A question as far as articles are made for it: the hash of its strategy, and how it is answered."""

    strategy: str
    brief: Brief


class Maker:
    """Articles in the order of their PMIDs; the same ones on any machine on the same day.

    All is drawn from one source of chance: what is drawn in another order makes other articles.
    """

    def __init__(self, articles: int, copies: int, today: date, asked: Mapping[str, Asked]) -> None:
        self.rng = random.Random(SEED)
        self.material = Material(self.rng)
        self.labels = Labels()
        self.articles, self.copies = articles, copies
        self.strategies = {slug: question.strategy for slug, question in asked.items()}
        self.answers = {slug: Answers(slug, question.brief) for slug, question in asked.items()}
        self.days = [(FIRST_DAY + timedelta(day)).isoformat() for day in range((today - FIRST_DAY).days + 1)]
        #: Trials that more reports are to come of: number, how many, the questions that they are in.
        self.trials: list[tuple[str, int, list[str]]] = []
        self.columns = tuple(TABLES["articles"].columns)
        self.checked = f"{today.isoformat()}T03:00:00Z"

    def make(self, n: int) -> Made:
        # The PMIDs after it are left to its copies.
        pmid = 2_000_000 + self.copies * (38 * n + self.rng.randrange(38))
        day = self._day(n)
        slugs = [slug for slug, share in SHARES.items() if self.rng.random() < share]
        design = self.material.designs.draw(self.rng)
        labels = self._labels(design)
        registrations, slugs = self._registrations(n, slugs)
        flags, notices, changes = self._notices(pmid, n, day)
        if design == "narrative review" and self.rng.random() < 0.05:
            labels.append(label("publication", "preprint"))
        sections = self._sections()
        authors = self._authors()
        headings, keywords = self._headings(design), self._keywords()
        published, created = self._published(day), self.days[day]
        abstract = _abstract(sections)
        ids = self._identifiers(pmid, n)
        article = {
            "pmid": pmid,
            "doi": ids.get("doi", ""),
            "pmcid": ids.get("pmc", ""),
            **_lists(authors, headings, keywords),
            **ALIKE,
            **flags,
            **_publication(published),
            **abstract,
            **self._journal(pmid, day),
            **self._title(),
            **self._dates(day),
            "languages": self.material.languages.draw(self.rng),
        }
        rows: Rows = {
            "articles": [tuple([article.get(name, "") for name in self.columns])],
            "authors": _numbered(pmid, [author.row for author in authors]),
            "mesh_headings": _numbered(pmid, [heading.row for heading in headings]),
            "keywords": _numbered(pmid, [keyword.row for keyword in keywords]),
            "publication_types": _numbered(pmid, self._types(design)),
            "identifiers": _numbered(pmid, [(type, value, 1) for type, value in ids.items()]),
            "registrations": _numbered(pmid, registrations),
            "notices": _numbered(pmid, notices),
            "labels": [(pmid, *label) for label in labels],
        }
        if slugs:
            rows["abstract_sections"] = _numbered(
                pmid, [(label, label, text, text) for label, text in sections]
            )
        answers = [self.answers[slug].draw(self.rng, pmid, abstract["abstract"]) for slug in slugs]
        return Made(
            rows,
            self._state(pmid),
            places=[self._place(slug, pmid, day, published, created) for slug in slugs],
            directness=[answer.directness for answer in answers],
            findings=[finding for answer in answers for finding in answer.findings],
            changes=changes,
        )

    def _day(self, n: int) -> int:
        """When it was created: PubMed has grown ever faster."""
        return int((len(self.days) - 1) * ((n + 1) / self.articles) ** 0.6)

    def _labels(self, design: str) -> list[Row]:
        labels = [label("design", design)] if self.rng.random() < 0.95 else []
        if labels and design in LEVELS:
            labels.append(label("evidence_level", LEVELS[design]))
        return labels + self.labels.draw(self.rng)

    def _registrations(self, n: int, slugs: list[str]) -> tuple[list[Row], list[str]]:
        """A trial's number for one in twenty, and where that trial is listed: most have one report, some up to four."""
        if self.rng.random() > 0.05:
            return [], slugs
        if len(self.trials) < 300 or self.rng.random() < 0.5:
            number = self._new_trial(n, slugs)
        else:
            number, slugs = self._known_trial()
        return [parts("registrations", bank="ClinicalTrials.gov", number=number)], slugs

    def _new_trial(self, n: int, slugs: list[str]) -> str:
        number = f"NCT{n + 1:08}"
        if (reports := self.rng.choice((1, 1, 1, 2, 3, 4))) > 1:
            self.trials.append((number, reports - 1, slugs))
        return number

    def _known_trial(self) -> tuple[str, list[str]]:
        at = self.rng.randrange(len(self.trials))
        number, more, slugs = self.trials[at]
        if more > 1:
            self.trials[at] = (number, more - 1, slugs)
        else:
            self.trials[at] = self.trials[-1]
            self.trials.pop()
        return number, slugs

    def _notices(self, pmid: int, n: int, day: int) -> tuple[dict[str, int], list[Row], list[Row]]:
        """Flags, links, and changes: 0.2 % retracted, 0.1 % under concern, 1 % corrected, 4 % of the rest edited."""
        rng, chance = self.rng, self.rng.random()
        for flag, type, part in NOTICES:
            if chance < part:
                when = self.days[min(len(self.days) - 1, day + int(rng.expovariate(1 / 600)))]
                citation = f"Bench J. {when[:4]};{n % 90}:{n % 700}"
                notice = parts("notices", type=type, other_pmid=pmid - 1, citation=citation)
                return {flag: 1}, [notice], [(pmid, flag, "0", "1", f"{when}T03:20:00Z", 1)]
            chance -= part
        field, changes = rng.choice(("title", "mesh_headings", "keywords", "published")), []
        if chance < 0.04:
            when = self.days[-1 - rng.randrange(FIRST_SEARCH)]
            changes = [(pmid, field, f"what it was before {n}", f"what it is {n}", f"{when}T03:20:00Z", 1)]
        return {}, [], changes

    def _sections(self) -> Sections:
        rng = self.rng
        sentences = rng.choices(self.material.sentences, k=rng.randint(8, 18))
        for sentence, part in PLANTED:
            if rng.random() < part:
                sentences.insert(rng.randrange(len(sentences)), sentence)
        if rng.random() < 0.4:
            return [("", " ".join(sentences))]
        step = len(sentences) // 4
        labels = ("BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS")
        ends = (step, 2 * step, 3 * step, len(sentences))
        return [
            (label, " ".join(sentences[start:end]))
            for label, start, end in zip(labels, (0, *ends), ends, strict=False)
        ]

    def _authors(self) -> list[Author]:
        number = self.rng.choice((1, 2, 3, 4, 4, 5, 6, 7, 9, 12))
        return [self.material.authors.draw(self.rng) for _ in range(number)]

    def _headings(self, design: str) -> list[Term]:
        rng, material = self.rng, self.material
        if rng.random() >= 0.85:
            return []
        headings = {material.headings.draw(rng) for _ in range(rng.randint(2, 7))}
        animals = design in ("animal study", "in vitro study")
        return [*sorted(headings), material.animals if animals else material.humans]

    def _keywords(self) -> list[Term]:
        return [self.material.keywords.draw(self.rng) for _ in range(self.rng.randint(0, 6))]

    def _published(self, day: int) -> str:
        rng = self.rng
        if rng.random() < 0.003:
            return ""
        date = self.days[max(0, min(len(self.days) - 1, day + rng.randint(-40, 100)))]
        return date[: rng.choice((4, 7, 7, 7, 7, 10, 10, 10, 10, 10))]

    def _identifiers(self, pmid: int, n: int) -> dict[str, str]:
        has_pmcid, has_doi = self.rng.random() < 1 / 3, self.rng.random() < 0.9
        ids = {"pubmed": str(pmid)}
        if has_doi:
            ids["doi"] = f"10.{1000 + n % 900}/bench.{pmid}"
        if has_pmcid:
            ids["pmc"] = f"PMC{pmid // 4}"
        return ids

    def _journal(self, pmid: int, day: int) -> dict[str, str]:
        journal = self.material.journals.draw(self.rng)
        return {
            "journal": journal.name,
            "iso_abbreviation": journal.abbreviation,
            "nlm_id": f"{journal.number:07}",
            "issn": f"{journal.number:04}-{journal.number % 9999:04}",
            "volume": str(day // 365),
            "issue": str(day % 12 + 1),
            "pages": f"{pmid % 900}-{pmid % 900 + 8}",
        }

    def _title(self) -> dict[str, str]:
        about = ("with ketamine: ", "")[self.rng.random() < 0.5]
        first, second = (self.rng.choice(self.material.titles) for _ in range(2))
        title = f"{first} {about}{second}.".capitalize()
        return {"title": title, "title_html": title}

    def _dates(self, day: int) -> dict[str, str]:
        return dict.fromkeys(("created", "entered", "revised", "completed"), self.days[day])

    def _types(self, design: str) -> list[Row]:
        return [self.material.article_type, *filter(None, [self.material.types.get(design)])]

    def _state(self, pmid: int) -> Row:
        return pmid, f"{pmid:064x}", self.checked, self.checked, self.checked, "pubmed"

    def _place(self, slug: str, pmid: int, day: int, published: str, created: str) -> Row:
        """All that was there before the first search entered by it; the others on the night after they were created."""
        first = len(self.days) - 1 - FIRST_SEARCH
        late = self.rng.random() < 0.01
        entered = max(first, min(day + 1, len(self.days) - 1))
        if late:
            entered = first + self.rng.randrange(FIRST_SEARCH)
        reason = "newly indexed" if late else "first search" if entered == first else "newly published"
        when = f"{self.days[entered]}T03:00:00Z"
        left = f"{self.days[-1 - self.rng.randrange(60)]}T03:00:00Z" if self.rng.random() < 0.005 else None
        return slug, pmid, published, created, when, reason, self.strategies[slug], left, int(not left)


def _numbered(pmid: int, rows: Iterable[Row]) -> list[Row]:
    return [(pmid, at, *row) for at, row in enumerate(rows, 1)]


def _publication(published: str) -> dict[str, str]:
    return {
        "published": published,
        "published_precision": {4: "year", 7: "month", 10: "day"}.get(len(published), ""),
        "published_raw": published.replace("-", " "),
    }


def _lists(authors: list[Author], headings: list[Term], keywords: list[Term]) -> dict[str, str]:
    """As they stand in the article's own row, for searching and reading."""
    return {
        "authors_text": ", ".join([author.display for author in authors]),
        "mesh_text": "; ".join([heading.name for heading in headings]),
        "keywords_text": "; ".join([keyword.name for keyword in keywords]),
    }


def _abstract(sections: Sections) -> dict[str, str]:
    plain = [f"{label}: {text}" if label else text for label, text in sections]
    html = [
        f"<p><strong>{label}</strong> {text}</p>" if label else f"<p>{text}</p>" for label, text in sections
    ]
    return {"abstract": "\n".join(plain), "abstract_html": "".join(html)}
