"""The shapes of a topic's files, and what stands in the place of one that is missing: words that fit any topic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from tracker.datafile import Part

LONGEST_NAME = 60
COLOUR = r"^#[0-9a-f]{6}$"

Words = Annotated[str, Field(min_length=1)]


class QuestionGroup(Part):
    """Questions that the home page shows together: those whose files name the group."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = Field(
        description="As questions' files name it"
    )
    title: Words = Field(description="The heading above its questions")
    cards: bool = Field(
        default=False, description="Whether each is a card with its newest papers, or a row with its numbers"
    )


class Site(Part):
    """What the site says of itself."""

    name: Words = Field(default="Evidence tracker", description="At the top and in the title of every page")
    title: Words = Field(
        default="Open questions and the evidence", description="The title of the home page, for browsers"
    )
    heading: Words = Field(default="Open questions", description="The heading of the home page")
    lead: Words = Field(
        default=(
            "We search PubMed for research on open clinical questions and show what is new, corrected or withdrawn. "
            "Being listed here does not mean that a study is sound or that a treatment works; this is not medical "
            "advice."
        ),
        description="The first paragraph of the home page",
    )
    description: Words = Field(
        default="PubMed research on open clinical questions: what is new, corrected or withdrawn.",
        description="What search engines show of a page",
    )
    footer: Words = Field(
        default=(
            "Not medical advice. Being listed here does not mean that a study is sound or that a treatment works."
        ),
        description="The first paragraph at the foot of every page",
    )
    not_quoted: list[Words] = Field(
        default=[],
        description=(
            "Beginnings of words: mails link to a finding that holds one, or is about a question that does, and do not "
            "quote it"
        ),
    )
    synonym_example: Words | None = Field(
        default=None, description="One of the synonyms, as the page of a search names it"
    )
    groups: list[QuestionGroup] = Field(
        default=[],
        description="Groups of questions in the order of the home page; questions of none come last, as cards",
    )


class Synonyms(Part):
    """Words that readers use for one another: a search for any of a line finds all of it."""

    synonyms: list[Annotated[list[Words], Field(min_length=2)]] = Field(default=[])


class Branch(RootModel[dict[Words, "Branch | None"]]):
    """Headings, each with its narrower ones."""


class Headings(Part):
    """The MeSH headings that strategies name, so that they can be judged without PubMed."""

    headings: dict[Words, Branch | None] = Field(default={})


class Labels(Part):
    """Which label values are never one total."""

    never_summed: dict[Words, list[Words]] = Field(
        default={}, description="Label group: its values in the order in which pages name them"
    )


class TagEntry(Part):
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    description: str = ""
    colour: str | None = Field(default=None, pattern=COLOUR)
    retired: bool = False
    merged_into: str | None = None


class GroupEntry(Part):
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    description: str = ""
    colour: str | None = Field(default=None, pattern=COLOUR)
    choice: Literal["single", "multiple"] = "multiple"
    tags: list[TagEntry] = Field(default=[])


class Vocabulary(Part):
    """Tags in groups: those to start with, or those that ``tracker tag vocabulary`` carries."""

    groups: list[GroupEntry]

    @property
    def repeated(self) -> list[tuple[int, int]]:
        """Where a name stands that another tag has already: the numbers of the group and of the tag in it."""
        places = [
            (tag.name.casefold(), (number, place))
            for number, group in enumerate(self.groups)
            for place, tag in enumerate(group.tags)
        ]
        first = dict(reversed(places))
        return [place for name, place in places if first[name] != place]


class WordLists(Part):
    """Lists of words that the patterns of rules name in braces: names of the drug, of conditions, of scales."""

    words: dict[Annotated[str, Field(pattern=r"^[a-z_]+$")], Annotated[list[Words], Field(min_length=1)]] = (
        Field(default={}, description="List: its words, or patterns of them; a space stands for one space")
    )


Terms = dict[Words, Words] | list[Words]
Values = Literal["any"] | list[Words]


class RuleEntry(Part):
    """One way to tell a value: by terms of a field, by a pattern in a text, or from another group's value."""

    name: Words
    value: Words
    types: Terms | None = Field(default=None, description="Publication types, UIs with names")
    mesh: Terms | None = Field(default=None, description="MeSH headings, UIs with names")
    links: Terms | None = Field(default=None, description="NLM's RefTypes of links to other papers")
    substances: Terms | None = Field(default=None, description="Substances, UIs with names")
    keywords: Terms | None = Field(default=None, description="Keywords")
    banks: Terms | None = Field(default=None, description="Data banks where trials are registered")
    title: Words | None = Field(default=None, description="Pattern for titles")
    abstract: Words | None = Field(default=None, description="Pattern for a sentence of the abstract")
    text: Words | None = Field(default=None, description="Pattern for a title or a sentence of the abstract")
    conflict: Words | None = Field(default=None, description="Pattern for the conflict of interest statement")
    affiliation: Words | None = Field(default=None, description="Pattern for affiliations")
    grant: Words | None = Field(default=None, description="Pattern for a grant's agency")
    taken: dict[Words, list[Words]] | None = Field(
        default=None, alias="from", description="Another group, and its values that come to this one"
    )
    also: Terms | None = Field(
        default=None, description="Terms of the same field one of which must be present as well"
    )
    unless: Terms | None = Field(default=None, description="Terms of the same field that must be absent")
    exception: Words | None = Field(
        default=None, alias="except", description="Pattern that spoils a match in its sentence"
    )
    words: list[Words] | None = Field(
        default=None,
        description="Lower-case beginnings of words (`=word`: a whole word), one of which every match holds",
    )
    beside: list[Words] | None = Field(
        default=None, description="More of them, one of which a sentence with a match holds as well"
    )
    sections: list[Literal["title", "background", "aim", "methods", "results", "conclusions"]] | None = Field(
        default=None,
        description="Where the sentence may stand; everywhere but background, where this is missing",
    )
    negated: bool = Field(default=False, description="Whether words that deny may stand before the match")
    every: bool = Field(
        default=False, description="Whether each of a record's affiliations (or grants) must fit"
    )
    needs: dict[Words, Values] = Field(
        default={}, description="Groups, and values one of which the record was read as"
    )
    without: dict[Words, Values] = Field(
        default={}, description="Groups, and values none of which the record was read as"
    )
    confidence: Literal["high", "medium"] | None = None
    weak: bool = Field(
        default=False, description="Whether it counts only where the weights of all words agree (ranking.py)"
    )
    examples: list[Words] = Field(default=[], description="Texts that fit")
    not_examples: list[Words] = Field(default=[], description="Texts that do not")
    source: Words | None = None

    @property
    def patterns(self) -> dict[str, str]:
        """Each pattern by the name of its field."""
        fields = ("title", "abstract", "text", "conflict", "affiliation", "grant")
        given = {field: getattr(self, field) for field in fields} | {"except": self.exception}
        return {field: pattern for field, pattern in given.items() if pattern}


class RuleFile(Part):
    """The rules of one group of labels, in order: of a group with one value a record, the first that fits gives it."""

    version: int = Field(ge=1, description="Raise it with every change")
    sources: dict[Words, Words] = Field(
        default={}, description="Where rules come from, by the name that they give"
    )
    quotes: Literal["words", "sentence"] = Field(
        default="words", description="What a label quotes: the words that fit, or their sentence"
    )
    sections: list[Literal["title", "background", "aim", "methods", "results", "conclusions"]] | None = None
    needs: dict[Words, Values] = Field(default={}, description="What every rule of the file needs")
    without: dict[Words, Values] = Field(default={}, description="What bars every rule of the file")
    rules: list[RuleEntry]
