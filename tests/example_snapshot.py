"""Makes docs/example-snapshot.zip, a snapshot of the tests' records: ``python -m tests.example_snapshot``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.helpers_site import filled

TARGET = Path(__file__).parents[1] / "docs" / "example-snapshot.zip"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = filled(Path(folder))
        done = desk.run("snapshot", "kept", "--json")
        assert done.code == 0, done.err
        made = desk.home / done.json["snapshot"]
        shutil.make_archive(str(TARGET.with_suffix("")), "zip", made.parent, made.name)


if __name__ == "__main__":
    main()
