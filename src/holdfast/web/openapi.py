"""OpenAPI 3.1 from a dialect's route table; schemas come from the types themselves."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from holdfast.web.dialect import Dialect, Parameter, Response, Route, Schema

REF: Final = "#/components/schemas/{name}"

_FIELD: Final = re.compile(r"\{([A-Za-z0-9_]+)(?::[^}]*)?\}")


def describe(dialect: Dialect, url: str = "") -> dict[str, Any]:
    """The document of one dialect, served at `url` or wherever it is read from.

    Literal schemas (dicts) are taken as they are; all else is for msgspec.
    """
    schemas = _Schemas(dialect)
    paths: dict[str, dict[str, Any]] = {}
    for route in dialect.routes:
        operation = _operation(dialect, route, schemas)
        paths.setdefault(_FIELD.sub(r"{\1}", route.path), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": dialect.title, "version": dialect.version, "description": dialect.description},
        "servers": [{"url": url.rstrip("/") + mount or "/"} for mount in dialect.mounts],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """All types of a dialect, described together so that each is written once."""

    def __init__(self, dialect: Dialect) -> None:
        types: list[Schema] = []
        for schema in _all_schemas(dialect):
            if schema is not None and not isinstance(schema, dict) and schema not in types:
                types.append(schema)
        described, components = msgspec.json.schema_components(types, ref_template=REF)
        self._described = list(zip(types, described, strict=True))
        self.components: dict[str, Any] = dict(components)

    def of(self, schema: Schema) -> dict[str, Any]:
        """The schema to write in place."""
        if schema is None:
            return {}
        if isinstance(schema, dict):
            return schema
        return next(described for known, described in self._described if known == schema)


def _all_schemas(dialect: Dialect) -> Iterator[Schema]:
    yield str
    yield dialect.failure
    for route in dialect.routes:
        operation = route.operation
        yield from (parameter.schema for parameter in operation.parameters)
        yield from operation.body.values()
        for response in operation.responses.values():
            yield from response.content.values()
            yield from response.headers.values()


def _operation(dialect: Dialect, route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation = route.operation
    described = {parameter.name for parameter in operation.parameters if parameter.where == "path"}
    fields = [Parameter(name, where="path") for name in _FIELD.findall(route.path) if name not in described]
    document: dict[str, Any] = {
        "operationId": operation.id or _operation_id(dialect, route),
        "summary": route.summary,
        "responses": _responses(dialect, operation.responses, schemas),
        "security": [] if route.public else [{"bearer": []}],
    }
    if operation.description:
        document["description"] = operation.description
    if operation.tags:
        document["tags"] = list(operation.tags)
    if parameters := [_parameter(parameter, schemas) for parameter in (*fields, *operation.parameters)]:
        document["parameters"] = parameters
    if operation.body:
        document["requestBody"] = {"required": operation.body_required, "content": _content(operation.body, schemas)}
    return document


def _operation_id(dialect: Dialect, route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path)
    return "_".join([dialect.name, route.method.lower(), *words])


def _parameter(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required or parameter.where == "path",
        "schema": schemas.of(parameter.schema),
    }
    if parameter.description:
        document["description"] = parameter.description
    return document


def _responses(dialect: Dialect, responses: Mapping[int, Response], schemas: _Schemas) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    for status, response in sorted(responses.items()):
        document: dict[str, Any] = {"description": response.description}
        if response.content:
            document["content"] = _content(response.content, schemas)
        if response.headers:
            headers = response.headers.items()
            document["headers"] = {name: {"schema": schemas.of(schema)} for name, schema in headers}
        documents[str(status)] = document
    failure: dict[str, Any] = {"description": "A failure"}
    if dialect.failure is not None:
        failure["content"] = {dialect.failure_media_type: {"schema": schemas.of(dialect.failure)}}
    documents["default"] = failure
    return documents


def _content(content: Mapping[str, Schema], schemas: _Schemas) -> dict[str, Any]:
    return {kind: {"schema": schemas.of(schema)} if schema is not None else {} for kind, schema in content.items()}
