"""Records of our own with structured abstracts, reference lists, registrations and notices, as PubMed sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def paper(
    pmid: int,
    title: str,
    *sections: tuple[str, str],
    types: tuple[str, ...] = (),
    year: int = 2020,
    cites: Sequence[int] | Mapping[int, str] = (),
    trial: str = "",
    notice: tuple[str, int] | None = None,
) -> str:
    """A record with a structured abstract, a registration and a notice; ``cites`` are PMIDs, or citations by PMID."""
    abstract = "".join(
        f'<AbstractText Label="{label}" NlmCategory="{label}">{text}</AbstractText>'
        for label, text in sections
    )
    kinds = "".join(f"<PublicationType>{kind}</PublicationType>" for kind in types or ("Journal Article",))
    banks = (
        f"<DataBankList><DataBank><DataBankName>ClinicalTrials.gov</DataBankName><AccessionNumberList>"
        f"<AccessionNumber>{trial}</AccessionNumber></AccessionNumberList></DataBank></DataBankList>"
        if trial
        else ""
    )
    notices = (
        f'<CommentsCorrectionsList><CommentsCorrections RefType="{notice[0]}"><RefSource>J</RefSource>'
        f"<PMID>{notice[1]}</PMID></CommentsCorrections></CommentsCorrectionsList>"
        if notice
        else ""
    )
    citations = cites if isinstance(cites, Mapping) else dict.fromkeys(cites, "")
    references = "".join(
        f"<Reference><Citation>{words}</Citation>"
        f'<ArticleIdList><ArticleId IdType="pubmed">{cited}</ArticleId></ArticleIdList></Reference>'
        for cited, words in citations.items()
    )
    listed = f"<ReferenceList>{references}</ReferenceList>" if cites else ""
    day = f"<Year>{year}</Year><Month>6</Month><Day>1</Day>"
    history = f'<History><PubMedPubDate PubStatus="entrez">{day}</PubMedPubDate></History>'
    return f"""<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}</PMID>
<Article PubModel="Print"><Journal>
<JournalIssue><PubDate><Year>{year}</Year><Month>Jun</Month></PubDate></JournalIssue><Title>J</Title>
</Journal><ArticleTitle>{title}</ArticleTitle><Abstract>{abstract}</Abstract>
{banks}<PublicationTypeList>{kinds}</PublicationTypeList></Article>{notices}</MedlineCitation>
<PubmedData>{history}<PublicationStatus>ppublish</PublicationStatus>{listed}</PubmedData></PubmedArticle>"""


TRIAL = ("Randomized Controlled Trial", "Journal Article")
REVIEW = ("Systematic Review", "Review", "Journal Article")
RANDOMISED = (
    "METHODS",
    "Eighty patients with depression were randomised to ketamine 0.5 mg/kg intravenously or placebo for 4 weeks.",
)


def finding(text: str) -> tuple[str, str]:
    return ("RESULTS", text)
