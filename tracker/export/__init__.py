"""Lists of articles as files: one module per format, and ``formats``, which names them all."""
