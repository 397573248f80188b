"""Which AWS actions a function can reach, read from its source.

From `handler` on, and from every function that a decorator such as `@api.get(...)` registers, each
function of the project that is named is followed into its module; what is called on a client of
`shared.clients` is an AWS call, and each call needs actions. A class that is named counts with all
its methods. That is coarse, and errs on the side of too many.
"""

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FUNCTIONS = Path(__file__).parents[2] / "functions"
CLIENTS = "shared.clients"

_SERVICES = {"s3_links": "s3", "sms": "sns", "stepfunctions": "states"}
_ACTIONS = {
    ("s3", "copy"): {
        "s3:GetObject",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:PutObject",
        "s3:PutObjectTagging",
    },
    ("s3", "head_object"): {"s3:GetObject"},
    ("s3", "list_objects_v2"): {"s3:ListBucket"},
    ("s3_links", "generate_presigned_url"): {"s3:GetObject"},
}
TRANSACTED = ("ConditionCheck", "Delete", "Put", "Update")
"""What an item of a transaction may do; each is an action of its own, with `Item` behind it."""
_VERSIONED = {
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
}


@dataclass
class Module:
    """A module's top-level definitions, tables of functions among them, and where its imported
    names come from.
    """

    name: str
    tree: ast.Module
    definitions: dict[str, ast.AST] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)


def actions_of(module_name: str) -> set[str]:
    """The actions that the Lambda function in a module needs."""
    needed: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(module_name, name) for name in ("handler", "", *_registered(module_name))]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        node = _node(*place)
        if node is None:
            continue
        needed |= aws_calls(node)
        waiting += _named(load(place[0]), node)
    return needed


@cache
def load(name: str) -> Module:
    """Parse a module of functions/."""
    module = Module(name, ast.parse(path_of(name).read_text()))
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            module.definitions[node.name] = node
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            module.definitions |= {one.id: node for one in targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.module and path_of(node.module).exists():
            for alias in node.names:
                module.imported[alias.asname or alias.name] = (node.module, alias.name)
    return module


def path_of(name: str) -> Path:
    return FUNCTIONS / (name.replace(".", "/") + ".py")


def reachable_modules(name: str) -> set[str]:
    """A module and all modules of the project that importing it imports."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += {source for source, _ in load(current).imported.values()}
    return found


def _registered(module_name: str) -> list[str]:
    """Functions that nobody names: a decorator that is called on an object takes them."""
    return [
        name
        for name, node in load(module_name).definitions.items()
        if any(
            isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
            for decorator in getattr(node, "decorator_list", [])
        )
    ]


def _node(module_name: str, definition: str) -> ast.AST | None:
    """A definition, or with no name what the module does when it is imported."""
    module = load(module_name)
    if definition:
        return module.definitions.get(definition)
    body = [n for n in module.tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return ast.Module(body, [])


def _named(module: Module, node: ast.AST) -> list[tuple[str, str]]:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    local = [(module.name, name) for name in names & set(module.definitions)]
    return local + [
        module.imported[name]
        for name in names & set(module.imported)
        if module.imported[name][0] != CLIENTS
    ]


def aws_calls(node: ast.AST) -> set[str]:
    """The actions that the calls in a piece of code need."""
    actions: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            actions |= _transacted(part)
        elif isinstance(part, ast.Constant) and part.value == "NoSuchKey":
            actions.add("s3:ListBucket")  # Without it an object that is gone is a denied one.
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            client = part.func.value
            if isinstance(client, ast.Call) and isinstance(client.func, ast.Name):
                actions |= _actions(client.func.id, part.func.attr, part)
    return actions


def _transacted(part: ast.Dict) -> set[str]:
    """What an item of a transaction does, wherever it is made: `{"Put": ...}` and the like."""
    keys = [key.value for key in part.keys if isinstance(key, ast.Constant)]
    return {f"dynamodb:{key}Item" for key in keys if len(part.keys) == 1 and key in TRANSACTED}


def _actions(client: str, method: str, call: ast.Call) -> set[str]:
    if client not in load(CLIENTS).definitions:
        return set()
    if method == "get_paginator":
        [operation] = call.args
        assert isinstance(operation, ast.Constant)
        method = str(operation.value)
    if method == "transact_write_items":
        return set()  # Its permissions are those of the operations in it.
    service = _SERVICES.get(client, client)
    pascal = "".join(word.title() for word in method.split("_"))
    found = _ACTIONS.get((client, method), {f"{service}:{pascal}"})
    if any(_names_version(keyword) for keyword in call.keywords):
        found = found | {_VERSIONED[action] for action in found}
        if "s3:GetObject" in found:  # A version that is gone is to be told from a denied one.
            found = found | {"s3:ListBucket", "s3:ListBucketVersions"}
    return found


def _names_version(keyword: ast.keyword) -> bool:
    value = keyword.value
    return (
        keyword.arg is None
        and isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "version_argument"
    )
