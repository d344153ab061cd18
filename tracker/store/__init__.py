"""SQLite: schema, records, runs, search. Knows nothing of HTTP or HTML."""
