"""annotations.db: who people are, and what they say about papers."""
