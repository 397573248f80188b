"""What a simulator has on disk."""

import pytest

from local.providers.store import Store


class Broken(Exception):
    pass


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.add_space("ann", "ann")
    return made


def put(store, path, content):
    with store.arriving([content]) as blob:
        return store.put("ann", path, blob, {}, lambda _: None)[0]


def content(store, path):
    _, file = store.opened("ann", path)
    with file:
        return file.read()


def blobs(tmp_path):
    return [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]


def test_a_transaction_that_fails_leaves_files_and_their_contents(store, tmp_path):
    put(store, "file", b"content")

    def broken():
        with store.transaction():
            store.delete("ann", "file")
            raise Broken

    with pytest.raises(Broken):
        broken()
    assert content(store, "file") == b"content"
    put(store, "other", b"more")
    assert content(store, "file") == b"content"


def test_content_is_kept_once_and_as_long_as_somebody_has_it(store, tmp_path):
    for path in ("a", "b"):
        put(store, path, b"content")
    assert len(blobs(tmp_path)) == 1

    put(store, "a", b"other")
    assert (content(store, "a"), content(store, "b")) == (b"other", b"content")
    store.delete("ann", "b")
    assert len(blobs(tmp_path)) == 1
    store.delete("ann", "a")
    assert blobs(tmp_path) == []


def test_who_reads_a_file_goes_on_reading_while_it_is_replaced(store):
    put(store, "file", b"content")
    _, file = store.opened("ann", "file")

    put(store, "file", b"other")

    with file:
        assert file.read() == b"content"


def test_a_file_that_is_replaced_keeps_its_id_and_gets_another_tag(store):
    first, second = put(store, "file", b"content"), put(store, "file", b"content")

    assert first.id == second.id
    assert first.etag != second.etag


def test_content_that_is_put_nowhere_is_gone(store, tmp_path):
    with pytest.raises(Broken), store.arriving([b"content"]):
        raise Broken

    assert list((tmp_path / "arriving").iterdir()) == blobs(tmp_path) == []
