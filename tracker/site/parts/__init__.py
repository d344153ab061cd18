"""What several pages have in common: filters, charts, panels."""
