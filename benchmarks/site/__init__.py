"""The site's pages on a million articles: ours and plain Datasette's, side by side, on the same file.

    python -m benchmarks.site [--articles 1000000] [--only 'question|search'] [--json FILE]
    python -m benchmarks.site --immutable [--processes 2]

Builds the database once, in --dir (17 GB for a million), through our own schema: made-up articles of about 2 KB, skewed
as real ones are; four questions that hold 30 %, 3 %, 0.3 % and 0.03 % of them; words that stand in a known part of
them; labels of every group as common as among real records (proportions.yml), answers to each question, lists of
references, and some thousand records that people placed elsewhere. Then starts `tracker serve`, and plain `datasette
serve` with its default settings and without our plugin, and prints milliseconds per page, to the last byte, for one
client and for eight (connections kept alive, no ETag sent back, so every page is made anew). With --immutable: several
processes of `tracker serve --immutable` behind nginx (deploy/nginx.conf), its cache off and on, eight clients.

What is left out: raw records; affiliations and grants; sections of abstracts of articles in no question.
"""
