"""What the API's description says beside its routes: how to log in, and how every refusal looks."""

from typing import Any

from fastapi import FastAPI

from latentwatch.review.login import COOKIE

_METHODS = {"get", "post", "put", "patch", "delete"}
_OPEN = "/api/healthz"
_PROBLEM = {
    "title": "Problem",
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string", "description": "what was wrong, and what to do"}},
}
_REFUSALS = {
    "400": "The Host or Origin header, or the body, cannot be read.",
    "403": "A page of another site sent this.",
    "408": "The body did not arrive in time.",
    "409": "A model's bundle cannot be used.",
    "413": "The body is too large.",
    "421": "Without a password the app answers only to localhost.",
    "503": "The database is away; try again.",
}


def describe(app: FastAPI) -> None:
    """Have `app.openapi()` name the security schemes and the refusals of every operation."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain())
        return plain()

    app.openapi = described  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = _PROBLEM
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "LATENTWATCH_TOKEN"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "of a login at /login"},
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                _complete_operation(path, operation)


def _complete_operation(path: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    refusals = dict(_REFUSALS)
    if path != _OPEN:
        operation["security"] = [{"token": []}, {"session": []}]
        refusals["401"] = "Neither a valid token nor a session."
        refusals["429"] = "Too many wrong tokens from this address; Retry-After says how long to wait."
    if "{" in path:
        refusals["404"] = "There is no such monitor, version, alert, exception, proposal or silence."
    invalid = answers.get("422", {}).get("content", {}).get("application/json", {})
    if "schema" in invalid:
        invalid["schema"] = {"anyOf": [invalid["schema"], _reference()]}
    for status, sentence in refusals.items():
        answers[status] = {"description": sentence, "content": {"application/json": {"schema": _reference()}}}


def _reference() -> dict[str, str]:
    return {"$ref": "#/components/schemas/Problem"}
