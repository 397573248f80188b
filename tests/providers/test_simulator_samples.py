"""Requests and answers as the providers document them, asked of the simulators.

A sample (`samples/<provider>/<name>.json`) has a `request`, the `response` that is documented, and
in `before` the requests that set the scene. What those are answered with has other values than the
sample: `gives` says where each value of the sample is to be found, step by step into the answer's
JSON; a first step `header:<name>` leads to a header, and a last one `address` takes the host away.
`settings` and `limits` change the simulator's profile, `account` the account.

Compared are the status, and that all that is documented is there and of its type; words that mean
something to a client are compared as they are.
"""

import json
import re
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import requests

from local.providers import box, drive, dropbox, graph
from tests.providers.simulators import TOKENS, access_token, simulator, unlimited

_SAMPLES = sorted((Path(__file__).parent / "samples").glob("*/*.json"))
_WORDS = {".tag", "type", "code", "error", "error_description", "correct_offset"}
_WORDS |= {"reason", "domain", "location", "mimeType", "trashed", "driveType", "roles"}
_WORDS |= {"md5Checksum", "sha1Checksum", "sha256Checksum", "sha1Hash", "sha256Hash"}
_WORDS |= {
    "quickXorHash",
    "childCount",
    "name",
    "size",
    "content_hash",
    "sha1",
    "has_more",
    "total_count",
    "path_display",
}
_KEPT = ("chunk_minimum", "part_size", "processing_seconds")
_PROVIDERS = ("dropbox", "box", "drive", "graph")


@pytest.fixture(scope="module")
def providers(tmp_path_factory):
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(simulator(name, tmp_path_factory.mktemp(name)))
            for name in _PROVIDERS
        }
        yield running, {name: one.limits() for name, one in running.items()}


class Replay:
    """A sample's requests, asked of a simulator with the values that this has given."""

    def __init__(self, running, account):
        self.running = running
        self.values = {"ACCESS_TOKEN": access_token(running, account)}

    def ask(self, request):
        method, path, headers, body = self._filled(
            [request["method"], request["path"], request["headers"], request["body"]]
        )
        text = body if isinstance(body, str) else json.dumps(body)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.running.url}{path}",
                headers=headers,
                data=text.encode(),
                timeout=30,
                allow_redirects=False,
            )
        for value, place in request.get("gives", {}).items():
            self.values[value] = _found(answer, place)
        return answer

    def _filled(self, document):
        text = json.dumps(document)
        for ours, theirs in self.values.items():
            text = text.replace(ours, theirs)
        return json.loads(text)


def _found(answer, place):
    """What an answer says at a place."""
    first = str(place[0])
    if first.startswith("header:"):
        found, place = answer.headers[first.removeprefix("header:")], place[1:]
    else:
        found = answer.json()
    for step in place:
        if step == "address":
            parts = urlsplit(found)
            found = f"{parts.path}?{parts.query}"
        else:
            found = found[step]
    return found


def check(documented, actual, where="response"):
    """Whether all that is documented is there, and of its type."""
    if documented is None:
        return
    if isinstance(documented, bool) or not isinstance(documented, int | float):
        assert type(actual) is type(documented), where
    else:
        assert isinstance(actual, int | float), where
    if isinstance(documented, dict):
        assert actual.keys() >= documented.keys(), where
        words = documented.get("type") != "user"  # Their names are their own.
        for name, value in documented.items():
            check(value, actual[name], f"{where}.{name}")
            if words and name in _WORDS and not isinstance(value, dict | list):
                assert actual[name] == value, f"{where}.{name}"
    elif isinstance(documented, list):
        assert len(actual) == len(documented), where
        for number, value in enumerate(documented):
            check(value, actual[number], f"{where}[{number}]")


def check_summary(documented, actual):
    """Dropbox's summaries end in dots at random."""
    if isinstance(documented, dict) and "error_summary" in documented:
        said, told = documented["error_summary"], actual["error_summary"]
        assert told.rpartition("/")[0] == said.rpartition("/")[0]


def check_headers(documented, actual):
    for name, value in documented.items():
        told = actual[name]
        if name == "Content-Type":
            assert told.partition(";")[0] == value.partition(";")[0]
        elif name == "Dropbox-API-Result":
            check(json.loads(value), json.loads(told))
        elif name in ("Range", "Content-Range", "RateLimit-Limit", "RateLimit-Remaining"):
            assert told == value
        elif name in ("Retry-After", "RateLimit-Reset"):
            assert 1 <= int(told) <= int(value)


@pytest.mark.parametrize("path", _SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_answers_as_it_is_documented(providers, path):
    sample, provider = json.loads(path.read_text()), path.parent.name
    running, usual = providers[0][provider], providers[1][provider]
    kept = {name: usual[name] for name in _KEPT}
    running.set_limits({"limits": unlimited(running), **kept, **sample.get("settings", {})})
    running.add_account(path.stem, **TOKENS, refresh_token="REFRESH_TOKEN")
    replay = Replay(running, path.stem)
    running.add_account(path.stem, **TOKENS, **sample.get("account", {}))
    running.set_limits({"limits": sample.get("limits", [])})
    for request in sample["before"]:
        before = replay.ask(request)
        assert before.status_code < 400, before.text

    answer = replay.ask(sample["request"])

    response = sample["response"]
    assert answer.status_code == response["status"], answer.text
    check_headers(response["headers"], answer.headers)
    documented = response["body"]
    if not isinstance(documented, str):
        check(documented, answer.json())
        check_summary(documented, answer.json())
    elif answer.headers.get("Content-Type", "").startswith("text/plain"):
        assert answer.text.startswith(documented)
    else:
        assert answer.text == documented


def test_there_are_samples_of_every_endpoint():
    samples = [json.loads(path.read_text()) for path in _SAMPLES]
    asked = {
        (one["request"]["method"], one["request"]["path"].partition("?")[0]) for one in samples
    }
    functions = {path.removeprefix("/2/") for _, path in asked}
    assert functions >= set(dropbox._ROUTES)
    for name, route in box._ROUTES.items():
        if name not in ("download", "delete_folder"):
            matching = [path for method, path in asked if method == route.method]
            assert any(route.path.fullmatch(quote(path)) for path in matching), name
    for method, path in drive._ROUTES:
        below = re.compile(re.escape(path).replace(r"\*", "[^/]+"))
        assert any(below.fullmatch(one) for said, one in asked if said == method), path
    for method, action in graph._KINDS:
        paths = [one for said, one in asked if said == method and one.startswith("/v1.0/")]
        assert any(one.endswith(action) for one in paths), (method, action)
