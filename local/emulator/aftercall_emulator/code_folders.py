"""Unzipped code, one folder for each archive however many functions carry it.

All functions of a build unit share one archive. LocalStack unzips it again for each of them, which
for fourteen functions wrote a gigabyte and took most of a deployment's time. A folder is named by
its archive's SHA-256 and never changes, as /var/task never does on AWS, so that sharing is safe;
folders go when the emulator's temporary folder does. LocalStack's own executor, whose functions are
containers, copies the code from there.
"""

import base64
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from localstack import config
from localstack.runtime import hooks

from aftercall_emulator.settings import EXECUTOR_NAME

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import S3Code


@hooks.on_infra_start()
def share_unzipped_code() -> None:
    """Give LocalStack's own executor these folders in place of one for each function."""
    if config.LAMBDA_RUNTIME_EXECUTOR == EXECUTOR_NAME:
        return
    from localstack.services.lambda_.invocation.lambda_models import S3Code

    folders = CodeFolders(Path(tempfile.gettempdir()) / "lambda" / "code")
    S3Code.get_unzipped_code_location = lambda code: folders.of(code)
    S3Code.prepare_for_execution = lambda code: folders.of(code)
    S3Code.destroy_cached = lambda _: None  # Others may run from it.


class CodeFolders:
    """Gives each archive its folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def of(self, code: "S3Code") -> Path:
        """The folder of an archive, unzipped at its first use."""
        folder = self._root / base64.b64decode(code.code_sha256).hex()
        with self._lock:
            if not folder.exists():
                self._root.mkdir(parents=True, exist_ok=True)
                unfinished = Path(tempfile.mkdtemp(dir=self._root))
                _unzip(code, unfinished)
                unfinished.rename(folder)
        return folder


def _unzip(code: "S3Code", folder: Path) -> None:
    with tempfile.TemporaryFile() as archive:
        code._download_archive_to_file(archive)
        with ZipFile(archive) as zipped:
            zipped.extractall(folder)
    folder.chmod(0o755)
