"""Calls every operation of a generated client with each documented response.

The transport answers with the examples of the document. Usage: check_python_client.py DOCUMENT PACKAGE_FOLDER
"""

import datetime
import importlib
import inspect
import json
import pathlib
import re
import sys
import uuid

import httpx

METHODS_WITH_BODY = ("post",)


def snake_case(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("-", "_")).lower()


class Document:
    def __init__(self, path):
        self.content = json.loads(pathlib.Path(path).read_text())
        self.schemas = self.content["components"]["schemas"]

    def operations(self):
        for path, item in self.content["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield method, path, operation, item.get("parameters", []) + operation.get("parameters", [])

    def body(self, content):
        """Media type, component and example of a body."""
        for media_type, body in content.items():
            component = body.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1]
            return media_type, component, self.schemas.get(component, {}).get("examples", [{}])[0]
        return None, "", None


def argument_of(name, example):
    if name == "event_id":
        return uuid.UUID(example)
    if name in ("date", "from_", "to"):
        return datetime.date.fromisoformat(example)
    return example


def arguments_of(function, document, method, operation, parameters, models):
    examples = {snake_case(parameter["name"]): parameter["example"] for parameter in parameters}
    arguments = {}
    for name in inspect.signature(function).parameters:
        if name == "body" and method in METHODS_WITH_BODY:
            _, component, example = document.body(operation["requestBody"]["content"])
            arguments[name] = getattr(models, component).from_dict(example)
        elif name not in ("client", "body"):
            arguments[name] = argument_of(name, examples[name.rstrip("_")])
    return arguments


def transport_for(status, media_type, example):
    def answer(_request):
        if media_type is None:
            return httpx.Response(status)
        if "json" in media_type:
            return httpx.Response(status, json=example)
        return httpx.Response(status, content=b"text")

    return httpx.MockTransport(answer)


def main(document_path, package_folder):
    document, folder = Document(document_path), pathlib.Path(package_folder).resolve()
    sys.path.insert(0, str(folder.parent))
    client_module = importlib.import_module(f"{folder.name}.client")
    models = importlib.import_module(f"{folder.name}.models")
    calls, failures = 0, []
    for method, path, operation, parameters in document.operations():
        tag, name = operation["tags"][0].lower(), snake_case(operation["operationId"])
        function = importlib.import_module(f"{folder.name}.api.{tag}.{name}").sync_detailed
        arguments = arguments_of(function, document, method, operation, parameters, models)
        for status, response in operation["responses"].items():
            call = f"{method.upper()} {path} {status}"
            media_type, component, example = document.body(response.get("content", {}))
            transport = transport_for(int(status.replace("XX", "00")), media_type, example)
            settings = {
                "base_url": "http://x",
                "httpx_args": {"transport": transport},
                "raise_on_unexpected_status": True,
            }
            if operation["security"]:
                client = client_module.AuthenticatedClient(token="x", **settings)
            else:
                client = client_module.Client(**settings)
            calls += 1
            try:
                parsed = function(client=client, **arguments).parsed
            except Exception as error:
                failures.append(f"{call}: {error!r}")
                continue
            if media_type is not None and parsed is None:
                failures.append(f"{call}: the body was not parsed")
            elif component and type(parsed).__name__ != component:
                failures.append(f"{call}: {type(parsed).__name__} instead of {component}")
    print(f"{calls} calls, {len(failures)} failures", *failures, sep="\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
