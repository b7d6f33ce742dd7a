"""Make docs/configuration.md from the schema (`make docs`)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workflow_scripts.support.configuration import load_schema

SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
INTRODUCTION = """\
# Configuration

Made from `schemas/config.schema.yaml` by `make docs`; do not edit by hand.

An experiment is one YAML file: `config.yaml`, or any other given with `--configfile`, which then replaces `config.yaml` as a
whole. It is checked before any job starts. Every key has its type, default and meaning below; keys without a default are
required. Write numbers with a decimal point (`1.0e-3`, not `1e-3`, which YAML reads as text).
"""


def main() -> None:
    """Print the page."""
    print(configuration_page(load_schema(SCHEMA)), end="")


def configuration_page(schema: Mapping[str, Any]) -> str:
    """One section for each block of keys, in the order of the schema."""
    lines = [INTRODUCTION, "## Top level", "", *table(schema, schema)]
    for name, block in schema["properties"].items():
        block = resolve(block, schema)
        named = isinstance(block.get("additionalProperties"), dict)
        inner = resolve(block["additionalProperties"] if named else block.get("items") or block.get("then") or block, schema)
        if "properties" in inner:
            place = f"{name}.<name>" if named else f"{name}[]" if "items" in block else name
            lines += ["", f"## `{place}`", "", block["description"], "", *table(inner, schema)]
    return "\n".join(lines) + "\n"


def table(block: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Rows of key, what is allowed, default and meaning."""
    yield "| key | allowed | default | meaning |"
    yield "|---|---|---|---|"
    for key, entry in keys(block):
        entry = resolve(entry, schema)
        default = f"`{json.dumps(entry['default'], ensure_ascii=False)}`" if "default" in entry else ""
        yield f"| `{key}` | {allowed(entry, schema)} | {default} | {entry['description']} |"


def keys(block: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Keys of a block, those that depend on another key's value after the others."""
    known: set[str] = set()
    for branch in [block, block.get("then", {}), *(part["then"] for part in block.get("allOf", []))]:
        for key, entry in branch.get("properties", {}).items():
            if "description" in entry or "$ref" in entry:
                if branch is block or key not in known or "default" in entry:
                    yield key, entry
                known.add(key)


def resolve(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference into `$defs`; what stands beside it wins."""
    target = entry.get("$ref", "").removeprefix("#/$defs/")
    return {**schema["$defs"][target], **entry} if target else dict(entry)


def allowed(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    kinds = [entry["type"]] if isinstance(entry["type"], str) else entry["type"]
    words = {"object": "a block", "array": "a list", "string": "text", "null": "`null`", "boolean": "`true` or `false`"}
    text = " or ".join(words.get(kind, kind) for kind in kinds)
    if entry["type"] == ["object", "boolean"]:
        text = "a block or `false`"
    if "array" in kinds and "items" in entry:
        items = resolve(entry["items"], schema)
        text += " of blocks" if items.get("type") == "object" else f" of: {allowed(items, schema)}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {entry[bound]}" for bound, sign in bounds.items() if bound in entry]
    return ", ".join([text, *limits])


if __name__ == "__main__":
    main()
