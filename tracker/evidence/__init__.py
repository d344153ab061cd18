"""evidence.db: records as PubMed has them, what was derived of them, and what each run found."""
