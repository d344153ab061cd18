"""evidence-tracker: PubMed evidence on open questions about ketamine for depression."""
