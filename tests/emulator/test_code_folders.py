"""Code is unzipped once for each archive."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import BadZipFile

import pytest
from aftercall_emulator.code_folders import CodeFolders

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
