"""Reads Bicep for the tests: literals become Python values, everything else stays source text, as an ``Expression``."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


class Expression(str):
    """Bicep source that only a deployment can evaluate."""

    __slots__ = ()


class Bicep:
    def __init__(self, path: Path) -> None:
        self.path, self.text = path, path.read_text()
        self.root = Parser(Language(tree_sitter_bicep.language())).parse(self.text.encode()).root_node
        self.variables: dict[str, Any] = {}
        self.params: dict[str, tuple[str, Any]] = {}
        """Name → (decorators, default); the default of a required one is None."""
        self.outputs: dict[str, tuple[str, str]] = {}
        """Name → (decorators, source)."""
        decorators = ""
        for node in self.root.named_children:
            if node.type == "decorators":
                decorators = source(node)
                continue
            if node.type == "variable_declaration":
                self.variables[source(node.named_children[0])] = value_of(node.named_children[-1])
            elif node.type == "parameter_declaration":
                default = value_of(node.named_children[-1]) if any(child.type == "=" for child in node.children) else None
                self.params[source(node.named_children[0])] = (decorators, default)
            elif node.type == "output_declaration":
                self.outputs[source(node.named_children[0])] = (decorators, source(node.named_children[-1]))
            decorators = ""

    def resources(self, wanted: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """(type without version, body) of each resource that is not ``existing``; of nested ones the type is relative."""
        for node in walk(self.root):
            if node.type != "resource_declaration" or any(child.type == "existing" for child in node.children):
                continue
            kind = next(source(child) for child in node.named_children if child.type == "string").strip("'").partition("@")[0]
            body = next((found for found in walk(node) if found.type == "object"), None)
            if kind.startswith(wanted) and body is not None:
                yield kind, value_of(body)

    def syntax_errors(self) -> list[str]:
        return [f"{self.path.name}:{node.start_point[0] + 1}" for node in walk(self.root) if node.type == "ERROR" or node.is_missing]


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def source(node: Node) -> str:
    return (node.text or b"").decode()


def value_of(node: Node) -> Any:
    if node.type == "string" and not any(child.type == "interpolation" for child in node.children):
        text = source(node)
        return text[3:-3].removeprefix("\n") if text.startswith("'''") else re.sub(r"\\(.)", r"\1", text[1:-1])
    if node.type == "array":
        return [value_of(child) for child in node.named_children if child.type != "comment"]
    if node.type == "object":
        pairs = [child.named_children for child in node.named_children if child.type == "object_property"]
        return {source(pair[0]).strip("'"): value_of(pair[-1]) for pair in pairs if pair[0].type != "resource_declaration"}
    if node.type == "number":
        return int(source(node))
    if node.type == "boolean":
        return source(node) == "true"
    return Expression(source(node))


@cache
def read(name: str) -> Bicep:
    """``main``, ``events`` or a module, such as ``modules/app``."""
    return Bicep(INFRA / f"{name}.bicep")


def every() -> list[Bicep]:
    return [read(str(path.relative_to(INFRA).with_suffix(""))) for path in sorted(INFRA.rglob("*.bicep"))]
