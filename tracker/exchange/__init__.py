"""What people wrote about papers, exported to and imported from files: our own, and those of other screening tools.

``ours`` is the format that loses nothing; ``rayyan`` and ``asreview`` read what those two export, ``matching`` finds
which stored paper a foreign record is, and ``foreign`` writes the result.
"""
