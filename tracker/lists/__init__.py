"""What both databases answer together: lists of articles, what a page shows of each, and what is new."""
