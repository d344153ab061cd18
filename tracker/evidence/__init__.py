"""evidence.db: records as PubMed has them, what was derived from them, and what each run found."""
