"""What a Lambda process writes to stdout and stderr, cut by invocation.

A file, not a pipe: a write is in the file before the process can report its result, so whatever an
invocation wrote is there when its result is, no thread has to keep reading, and a process that is
killed loses nothing.
"""

import os
from pathlib import Path

MAX_BYTES_PER_TAKE = 4 * 1024 * 1024
_ROTATE_AT = 1024 * 1024


class ProcessOutput:
    """An append-only file and how far it has been read."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._taken = 0

    def fileno(self) -> int:
        """Where the process shall write."""
        return self._file

    def take(self) -> str:
        """All whole or broken lines since the last call, ended by a line break if there are any."""
        size = os.fstat(self._file).st_size
        text = os.pread(self._file, MAX_BYTES_PER_TAKE, self._taken).decode(errors="replace")
        if size - self._taken > MAX_BYTES_PER_TAKE:
            text += f"\n[{size - self._taken - MAX_BYTES_PER_TAKE} more bytes are not kept]"
        self._taken = size
        if size > _ROTATE_AT:
            os.ftruncate(self._file, 0)
            self._taken = 0
        return text if not text or text.endswith("\n") else text + "\n"

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)
