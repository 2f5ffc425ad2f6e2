"""The registry's client against a small registry: asked once, patient with what passes, clear about what does not."""

from collections.abc import Iterator

import pytest

from deploy.services.process import free_port
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, Unavailable
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.decoding.schema_registry import HttpSchemaRegistry, UnknownSchema
from tests.streams.registry_server import RegistryServer

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "double"}]}


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    """A registry with schema 7."""
    with RegistryServer().running() as running:
        running.register(7, SCHEMA, subject="plant/pump")
        yield running


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands."""
    return ManualClock()


@pytest.fixture
def registry(server: RegistryServer, clock: ManualClock) -> Iterator[HttpSchemaRegistry]:
    """Its client."""
    client = HttpSchemaRegistry(RegistryAccess(server.url + "/"), clock)
    yield client
    client.close()


def test_a_schema_is_asked_for_once(server: RegistryServer, registry: HttpSchemaRegistry) -> None:
    """An id means one schema for ever."""
    assert registry.schema(7).schema == registry.schema(7).schema == SCHEMA
    assert server.requests == ["/schemas/ids/7"]


def test_an_unknown_id_is_not_asked_for_with_every_message(
    server: RegistryServer, registry: HttpSchemaRegistry, clock: ManualClock
) -> None:
    """A stream of bad ids does not become a stream of requests; a schema registered late is found all the same."""
    for _ in range(3):
        with pytest.raises(UnknownSchema, match="no Avro schema 8"):
            registry.schema(8)
    assert server.requests == ["/schemas/ids/8"]
    server.register(8, SCHEMA)
    clock.sleep(31.0)
    assert registry.schema(8).schema == SCHEMA


def test_a_schema_brings_what_it_refers_to(server: RegistryServer, registry: HttpSchemaRegistry) -> None:
    """Named types of other subjects come along, also of those that these refer to."""
    unit = {"type": "enum", "name": "Unit", "symbols": ["BAR", "PSI"]}
    value = {"type": "record", "name": "Value", "fields": [{"name": "unit", "type": "Unit"}]}
    whole = {"type": "record", "name": "Whole", "fields": [{"name": "value", "type": "Value"}]}
    server.register(1, unit, subject="units of measure")
    server.register(2, value, "value", [{"name": "Unit", "subject": "units of measure", "version": 1}])
    server.register(3, whole, "whole", [{"name": "Value", "subject": "value", "version": 1}])
    assert set(registry.schema(3).references) == {"Unit", "Value"}


@pytest.mark.parametrize(
    ("schema", "kind", "reason"),
    [
        ("syntax = 'proto3'", "PROTOBUF", "of type PROTOBUF, not Avro"),
        ("{", "AVRO", "is not JSON"),
        ("[" * 3_000 + "]" * 3_000, "AVRO", "nested too deeply"),
    ],
)
def test_a_schema_of_another_kind_is_no_schema_of_ours(
    server: RegistryServer, registry: HttpSchemaRegistry, schema: str, kind: str, reason: str
) -> None:
    """Said in words, because the dead letters will repeat it."""
    server.register(9, schema, kind=kind)
    with pytest.raises(UnknownSchema, match=reason):
        registry.schema(9)


def test_a_registry_that_fails_is_away(server: RegistryServer, registry: HttpSchemaRegistry) -> None:
    """An error of the server's is never taken for an answer, and passes."""
    server.failing = 1
    with pytest.raises(Unavailable, match="HTTP 503"):
        registry.schema(7)
    assert registry.schema(7).schema == SCHEMA


def test_something_else_at_the_address_is_no_answer(server: RegistryServer) -> None:
    """A 404 that is not the registry's own says nothing about a schema."""
    client = HttpSchemaRegistry(RegistryAccess(f"{server.url}/wrong/path"))
    with pytest.raises(Unavailable, match="no answer of a registry"):
        client.schema(7)
    client.close()


def test_nobody_at_the_address() -> None:
    """Unavailable, with the address and what to do."""
    client = HttpSchemaRegistry(RegistryAccess(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:\d+ does not answer.*correct its address"):
        client.schema(7)
    client.close()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"user": "watch", "password": "secret"}, {"user": "watch", "password": "secret"}),
        ({"token": "secret"}, {"token": "secret"}),
    ],
)
def test_credentials(given: dict[str, str], wanted: dict[str, str]) -> None:
    """User and password or a token are shown; without them the registry's refusal is one error that waiting cannot mend."""
    with RegistryServer(**wanted).running() as server:
        server.register(7, SCHEMA)
        client, stranger = (
            HttpSchemaRegistry(RegistryAccess(server.url, **given)),
            HttpSchemaRegistry(RegistryAccess(server.url, user="watch", password="wrong")),
        )
        client.check()
        assert client.schema(7).schema == SCHEMA
        with pytest.raises(InvalidInput, match=r"refuses us \(HTTP 401\); correct LATENTWATCH_REGISTRY_USER"):
            stranger.schema(7)
        client.close()
        stranger.close()


def test_contradicting_credentials_are_refused() -> None:
    """It is never guessed which one counts."""
    with pytest.raises(InvalidInput, match="unset one of them"):
        RegistryAccess("http://registry", user="a", password="b", token="c")
    with pytest.raises(InvalidInput, match="belong together"):
        RegistryAccess("http://registry", user="a")


def test_an_address_without_a_scheme_is_refused() -> None:
    """Said at the first use, with how an address looks."""
    client = HttpSchemaRegistry(RegistryAccess("registry:8081"))
    with pytest.raises(InvalidInput, match="write http://host:8081"):
        client.schema(7)
    client.close()
