"""Opening only regular files: reading a pipe that nobody writes to would block, and a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """The file's bytes. Raises OSError if it cannot be opened, or is a folder, a pipe, a socket or a device."""
    # Without waiting; Windows has no such pipes, but converts line ends unless told that these are bytes.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(str(path), flags)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def read_regular(path: Path, most: int) -> bytes:
    """The first ``most`` bytes. Raises like ``open_regular``."""
    with open_regular(path) as file:
        return file.read(most)
