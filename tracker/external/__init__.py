"""Records of other databases than PubMed: their files, what a record says, and whether it is stored already.

A record keeps the fields of its file as they are. They are read again whenever our reading improves, as PubMed's are.
"""
