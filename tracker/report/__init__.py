"""Reports on a question: its evidence table, as a page shows it and as files hold it."""
