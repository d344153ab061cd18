"""What people wrote about papers, out into files and in from them: our own, and those of other screening tools.

``ours`` is the format that loses nothing; ``rayyan`` and ``asreview`` read what those two export, ``matching`` finds
which stored paper a foreign record is, and ``foreign`` writes what came of it.
"""
