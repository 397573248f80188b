"""Code is unzipped once for each archive."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import BadZipFile

import pytest
from aftercall_emulator import code_folders
from aftercall_emulator.code_folders import CodeFolders, share_unzipped_code
from localstack.services.lambda_.invocation.lambda_models import S3Code

from tests.emulator.support import any_archive


def any_code(tmp_path: Path, text: str):
    folder = tmp_path / text
    folder.mkdir()
    (folder / "app.py").write_text(text)
    return any_archive(folder)


def test_functions_with_the_same_archive_share_one_folder(tmp_path):
    folders = CodeFolders(tmp_path / "code")
    code = any_code(tmp_path, "one")

    first, second = folders.of(code), folders.of(code)

    assert first == second
    assert (first / "app.py").read_text() == "one"


def test_another_archive_has_another_folder(tmp_path):
    folders = CodeFolders(tmp_path / "code")

    first = folders.of(any_code(tmp_path, "one"))
    second = folders.of(any_code(tmp_path, "two"))

    assert [(path / "app.py").read_text() for path in (first, second)] == ["one", "two"]


def test_functions_made_at_the_same_time_find_a_whole_folder(tmp_path):
    folders = CodeFolders(tmp_path / "code")
    code = any_code(tmp_path, "one")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: (folders.of(code) / "app.py").read_text(), range(8)))

    assert found == ["one"] * 8
    assert len(list((tmp_path / "code").iterdir())) == 1


def test_a_download_that_breaks_off_leaves_no_folder_to_be_taken_for_whole(tmp_path):
    folders = CodeFolders(tmp_path / "code")
    code = any_code(tmp_path, "one")
    whole = code._download_archive_to_file
    code._download_archive_to_file = lambda target: target.write(b"PK")

    with pytest.raises(BadZipFile):
        folders.of(code)
    code._download_archive_to_file = whole

    assert (folders.of(code) / "app.py").read_text() == "one"


def test_localstacks_own_executor_shares_them_too(tmp_path, monkeypatch):
    for name in ("get_unzipped_code_location", "prepare_for_execution", "destroy_cached"):
        monkeypatch.setattr(S3Code, name, getattr(S3Code, name))
    monkeypatch.setattr(code_folders.config, "LAMBDA_RUNTIME_EXECUTOR", "docker")
    monkeypatch.setattr(code_folders.tempfile, "gettempdir", lambda: str(tmp_path))
    archive = any_code(tmp_path, "one")
    functions = [
        S3Code(
            id=name,
            account_id="000000000000",
            s3_bucket="any-bucket",
            s3_key="any-key",
            s3_object_version=None,
            code_sha256=archive.code_sha256,
            code_size=1,
        )
        for name in ("first", "second")
    ]
    monkeypatch.setattr(
        S3Code, "_download_archive_to_file", lambda _, file: archive._download_archive_to_file(file)
    )

    share_unzipped_code()
    for function in functions:
        function.prepare_for_execution()
    functions[0].destroy_cached()

    first, second = (function.get_unzipped_code_location() for function in functions)
    assert first == second
    assert (second / "app.py").read_text() == "one"
