"""The OpenAPI 3.1 document of the HTTP API, made of the table of operations and the structs that go over the line."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from desk.http.operations import Operation, Parameter

REF = "#/components/schemas/{name}"

Json = dict[str, Any]
"""A piece of the document."""


def document(operations: Sequence[Operation], cookie: str) -> Json:
    """Make the document; paths are relative to where the desk is mounted."""
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    types = [each for operation in operations for each in _structs(operation)]
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline desk",
            "version": "1",
            "description": "The operators' API. Requests that change something must come from a page of the desk.",
        },
        "servers": [{"url": "/desk"}],
        "security": [{"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": cookie}},
        },
    }


def _structs(operation: Operation) -> list[Any]:
    kinds = [operation.body, *operation.answers.values()]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


def _operation(operation: Operation) -> Json:
    names = re.findall(r"{(\w+)}", operation.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    made: Json = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "parameters": parameters + [_parameter(each) for each in operation.query],
        "responses": {str(status): _response(status, kind) for status, kind in operation.answers.items()},
    }
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": _content(operation.body)}
    if operation.public:
        made["security"] = []
    return made


def _parameter(parameter: Parameter) -> Json:
    schema = msgspec.json.schema(parameter.type)
    return {"name": parameter.name, "in": "query", "description": parameter.about, "schema": schema}


def _response(status: int, kind: object) -> Json:
    made: Json = {"description": HTTPStatus(status).phrase}
    if kind is not None:
        made["content"] = _content(kind)
    return made


def _content(kind: object) -> Json:
    if kind is bytes:
        return {"application/octet-stream": {"schema": {}}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REF)
    return {"application/json": {"schema": schema}}
