"""Lists of articles as files: one module per format, and ``formats`` that names them all."""
