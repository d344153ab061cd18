"""What is read from both databases together: lists of articles, what a page shows of each, and what is new."""
