"""The schema registry's client: writers' Avro schemas by id, over HTTP, remembered for good.

The interface is Confluent's, which Karapace, Apicurio and Redpanda speak as well: `GET /schemas/ids/{id}`.
"""

import json
import ssl
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from fastavro.schema import parse_schema

from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, LatentwatchError, Unavailable
from latentwatch.streams.decoding.registry_access import RegistryAccess

_TIMEOUT_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 30.0
_SCHEMA_NOT_FOUND = 40_403
_PASSING = {408, 425, 429}


class UnknownSchema(LatentwatchError):
    """The registry answers, but has no such schema, or none of Avro: the message can never be read as it is."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema as its writer registered it."""

    schema: Any
    """Parsed JSON."""
    references: dict[str, Any] = field(default_factory=dict)
    """Named types that it takes from other schemas, as fastavro keeps them."""


class SchemaRegistry(Protocol):
    """Where writers' schemas come from."""

    def schema(self, number: int) -> WriterSchema:
        """The schema of an id. Raises UnknownSchema, and Unavailable while the registry is away."""
        ...


class HttpSchemaRegistry:
    """A registry behind an address. Used by one thread. Raises InvalidInput where waiting cannot help."""

    def __init__(self, access: RegistryAccess, clock: Clock | None = None) -> None:
        self._access = access
        self._clock = clock or SystemClock()
        self._known: dict[int, WriterSchema] = {}
        self._unknown: dict[int, tuple[float, str]] = {}
        self._client = self._connect()

    def _connect(self) -> httpx.Client:
        access = self._access
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token}"
        try:
            trust: Any = ssl.create_default_context(cafile=access.ca) if access.ca else True
            return httpx.Client(
                base_url=access.url.rstrip("/") + "/",
                auth=(access.user, access.password) if access.user else None,
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                verify=trust,
            )
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise InvalidInput(
                f"schema registry {access.url}: cannot be used ({error}); correct its settings"
            ) from error

    def schema(self, number: int) -> WriterSchema:
        """The schema of an id; asked for once. An unknown id is asked for again after half a minute."""
        known = self._known.get(number)
        if known is not None:
            return known
        since, reason = self._unknown.get(number, (float("-inf"), ""))
        if self._clock.monotonic() - since < _ASK_AGAIN_SECONDS:
            raise UnknownSchema(reason)
        try:
            answer = self._ask(f"schemas/ids/{number}", f"no Avro schema {number}")
            found = WriterSchema(self._parse(answer, f"schema {number}"), self._references(answer))
        except UnknownSchema as error:
            self._unknown[number] = self._clock.monotonic(), str(error)
            raise
        self._known[number] = found
        self._unknown.pop(number, None)
        return found

    def check(self) -> None:
        """Whether the registry answers. Raises Unavailable or InvalidInput."""
        self._ask("schemas/types", "no list of schema types")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _references(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Named types that a schema takes from other subjects, deepest first."""
        named: dict[str, Any] = {}
        for reference in answer.get("references") or ():
            try:
                subject, version = str(reference["subject"]), int(reference["version"])
            except (KeyError, TypeError, ValueError) as error:
                raise UnknownSchema(f"the registry's references of a schema cannot be read ({error!r})") from error
            where = f"subjects/{httpx.URL(path='/' + subject).raw_path.decode().lstrip('/')}/versions/{version}"
            other = self._ask(where, f"no version {version} of {subject!r}, which the schema refers to,")
            named.update(self._references(other))
            schema = self._parse(other, f"{subject!r} {version}")
            try:
                parse_schema(schema, named_schemas=named)
            except Exception as error:  # whatever a parser of others makes of what others wrote
                raise UnknownSchema(
                    f"{subject!r} {version} is not a valid Avro schema ({type(error).__name__}: {str(error)[:200]})"
                ) from error
        return named

    def _parse(self, answer: dict[str, Any], what: str) -> Any:
        kind = answer.get("schemaType") or "AVRO"
        if kind != "AVRO":
            raise UnknownSchema(f"{what} of the registry is of type {kind}, not Avro")
        try:
            return json.loads(answer["schema"])
        except RecursionError:
            raise UnknownSchema(f"{what} of the registry is nested too deeply") from None
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownSchema(f"{what} of the registry is not JSON ({error})") from error

    def _ask(self, path: str, absent: str) -> dict[str, Any]:
        url = self._access.url
        try:
            response = self._client.get(path)
        except httpx.UnsupportedProtocol as error:
            raise InvalidInput(f"schema registry {url!r}: not an address; write http://host:8081") from error
        except httpx.HTTPError as error:
            raise Unavailable(
                f"schema registry {url} does not answer ({type(error).__name__}: {error}); start it, or correct its address"
            ) from error
        status = response.status_code
        if status in (401, 403):
            raise InvalidInput(
                f"schema registry {url} refuses us (HTTP {status}); correct LATENTWATCH_REGISTRY_USER and"
                " LATENTWATCH_REGISTRY_PASSWORD, or LATENTWATCH_REGISTRY_TOKEN"
            )
        body = _json(response)
        if status == 404 and isinstance(body, dict) and body.get("error_code") in (_SCHEMA_NOT_FOUND, 40_401, 40_402):
            raise UnknownSchema(f"the schema registry has {absent}: was the message written with another registry?")
        if status in _PASSING or status >= 500 or not response.is_success or body is None:
            # Something else at the address, or a proxy while the registry is away: never the fault of a record.
            raise Unavailable(
                f"schema registry {url} answers HTTP {status} to /{path}, which is no answer of a registry; if that"
                " lasts, correct its address"
            )
        return body if isinstance(body, dict) else {"list": body}


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
