"""The shapes of a topic's files, and what stands in the place of one that is missing: words that fit any topic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from tracker.datafile import Part

LONGEST_NAME = 60
COLOUR = r"^#[0-9a-f]{6}$"

Words = Annotated[str, Field(min_length=1)]


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
    synonym_example: Words | None = Field(
        default=None, description="One of the synonyms, as the page of a search names it"
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
