"""``python -m tracker`` is ``tracker``."""

from tracker.cli import main

# The workers of a load import this file again, under another name.
if __name__ == "__main__":
    main(prog_name="tracker")
