"""Cached parsers give the same paths, and give them once."""

import jsonpath_ng.ext.parser
import jsonpath_ng.parser
import pytest
from aftercall_emulator.jsonpath_cache import cached_parse
from jsonpath_ng.exceptions import JsonPathParserError

DOCUMENT = {"calls": [{"id": "a", "length": 3}, {"id": "b", "length": 9}], "odd key": 1}


@pytest.mark.parametrize(
    "expression",
    [
        "$",
        "$.calls[0].id",
        "$.calls[*].id",
        "$['odd key']",
        "$..length",
        "$.calls[?(@.length > 5)]",
    ],
)
def test_finds_what_an_uncached_parser_finds(expression):
    parse = cached_parse(jsonpath_ng.ext.parser.ExtendedJsonPathParser())

    found = [match.value for match in parse(expression).find(DOCUMENT)]

    expected = jsonpath_ng.ext.parser.ExtendedJsonPathParser().parse(expression).find(DOCUMENT)
    assert found == [match.value for match in expected]
    assert found


def test_parses_an_expression_once_and_goes_on_after_a_wrong_one():
    parse = cached_parse(jsonpath_ng.parser.JsonPathParser())

    first = parse("$.calls")
    with pytest.raises(JsonPathParserError):
        parse("$.[")

    assert parse("$.calls") is first
    assert [match.value for match in parse("$.calls[1].id").find(DOCUMENT)] == ["b"]
