"""The way in: NCBI E-utilities and PubMed's file formats. Knows nothing of SQLite."""
