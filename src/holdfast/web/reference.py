"""The reference page: every dialect's OpenAPI document as one HTML page that needs nothing from elsewhere.

The page is written here and works without scripts; the script only filters and switches the colours. Everything
from a document passes `html.escape`.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

import msgspec

from holdfast.web.dialect import Absent, Dialect
from holdfast.web.openapi import describe

_POLICY: Final = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)

PAGE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)

ASSETS: Final[Mapping[str, str]] = {
    "reference.css": "text/css; charset=utf-8",
    "reference.js": "text/javascript; charset=utf-8",
}

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast API reference</title>
<link rel="stylesheet" href="/docs/reference.css">
<script src="/docs/reference.js" defer></script>
</head>
<body>
"""


def asset(name: str) -> bytes | None:
    """One of the page's own files, by its exact name."""
    return files("holdfast.web").joinpath("assets", name).read_bytes() if name in ASSETS else None


def page(dialects: Sequence[Dialect]) -> bytes:
    """The whole page."""
    return "".join([_HEAD, *_header(dialects), "<main>\n", *_bodies(dialects), "</main>\n</body>\n</html>\n"]).encode()


def _bodies(dialects: Sequence[Dialect]) -> Iterator[str]:
    for dialect in dialects:
        yield from _dialect(dialect, describe(dialect))


def _header(dialects: Sequence[Dialect]) -> Iterator[str]:
    yield '<header><h1>Holdfast API reference</h1>\n<p class="controls">'
    yield '<input id="search" type="search" placeholder="Filter by path, method or word" aria-label="Filter" hidden>'
    yield '<button id="theme" type="button" hidden>Light or dark</button></p>\n<nav><ul>\n'
    for dialect in dialects:
        yield f'<li><a href="#{escape(dialect.name)}">{escape(dialect.title)}</a></li>\n'
    yield '</ul></nav></header>\n<p id="nothing" hidden>Nothing matches.</p>\n'


def _dialect(dialect: Dialect, document: Mapping[str, Any]) -> Iterator[str]:
    name = escape(dialect.name)
    yield f'<section id="{name}">\n<h2>{escape(dialect.title)}</h2>\n'
    yield f"<p>{escape(dialect.description)}</p>\n" if dialect.description else ""
    yield f'<p><a href="/openapi/{name}.json">OpenAPI document</a></p>\n'
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield from _operation(method.upper(), path, operation, document)
    if dialect.absent:
        yield "<h3>Not offered</h3>\n<ul>\n"
        yield from map(_absent, dialect.absent)
        yield "</ul>\n"
    yield "</section>\n"


def _absent(absent: Absent) -> str:
    return f"<li><code>{escape(absent.method)} {escape(absent.path)}</code> {escape(absent.why)}</li>\n"


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    summary = escape(operation["summary"])
    yield f'<details class="operation" id="{escape(operation["operationId"])}">\n<summary>'
    yield f'<span class="method {method.lower()}">{method}</span> <code>{escape(path)}</code> '
    yield f'<span class="summary">{summary}</span></summary>\n'
    if "description" in operation:
        yield f"<p>{escape(operation['description'])}</p>\n"
    if not operation["security"]:
        yield "<p>Needs no credential.</p>\n"
    if "parameters" in operation:
        yield from _parameters(operation["parameters"])
    if "requestBody" in operation:
        yield "<h4>Body</h4>\n"
        yield from _content(operation["requestBody"]["content"], document)
    for status, response in operation["responses"].items():
        yield f"<h4>{escape(status)} {escape(response['description'])}</h4>\n"
        yield from _content(response.get("content", {}), document)
    yield "</details>\n"


def _parameters(parameters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<table><thead><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr></thead><tbody>\n"
    for parameter in parameters:
        required = " (required)" if parameter["required"] else ""
        yield f"<tr><td><code>{escape(parameter['name'])}</code>{required}</td><td>{escape(parameter['in'])}</td>"
        yield f"<td>{escape(_kind(parameter['schema']))}</td><td>{escape(parameter.get('description', ''))}</td></tr>\n"
    yield "</tbody></table>\n"


def _content(content: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for media_type, body in content.items():
        schema = _resolved(body.get("schema", {}), document)
        yield f"<p><code>{escape(media_type)}</code> {escape(_kind(body.get('schema', {})))}</p>\n"
        if "properties" in schema:
            required = schema.get("required", ())
            yield "<table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>\n"
            for name, field in schema["properties"].items():
                mark = " (required)" if name in required else ""
                yield f"<tr><td><code>{escape(name)}</code>{mark}</td><td>{escape(_kind(field))}</td>"
                yield f"<td>{escape(str(field.get('description', '')))}</td></tr>\n"
            yield "</tbody></table>\n"
        elif schema:
            yield f"<pre>{escape(msgspec.json.format(msgspec.json.encode(schema)).decode())}</pre>\n"


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"].get(name, schema) if name else schema
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = str(schema.get("type", ""))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
