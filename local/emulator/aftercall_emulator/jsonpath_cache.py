"""Parses each JSONPath once: nine tenths of a Pass state go to rebuilding parser tables.

`jsonpath_ng.parse` makes a new parser, and with it all LALR tables, for every expression. Here one
parser per dialect is kept, and so is the result for every expression seen lately; both are safe to
share, as parsed paths have no state and the parser is used under a lock.
"""

import functools
import sys
import threading
from collections.abc import Callable

import jsonpath_ng.ext.parser
import jsonpath_ng.parser
from jsonpath_ng import JSONPath
from localstack.runtime import hooks

MAX_EXPRESSIONS = 8192

Parse = Callable[[str], JSONPath]


@hooks.on_infra_start()
def cache_jsonpath_parsers() -> None:
    """Replace both `parse` functions, also where a module has imported one by name."""
    _replace(jsonpath_ng.parser.parse, cached_parse(jsonpath_ng.parser.JsonPathParser()))
    _replace(
        jsonpath_ng.ext.parser.parse, cached_parse(jsonpath_ng.ext.parser.ExtendedJsonPathParser())
    )


def cached_parse(parser: jsonpath_ng.parser.JsonPathParser) -> Parse:
    """A `parse` that asks the one parser, and it only for expressions it does not remember."""
    parser_lock = threading.Lock()

    @functools.lru_cache(MAX_EXPRESSIONS)
    def parse(expression: str) -> JSONPath:
        with parser_lock:
            return parser.parse(expression)

    return parse


def _replace(original: Parse, replacement: Parse) -> None:
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get("parse") is original:
            module.parse = replacement
