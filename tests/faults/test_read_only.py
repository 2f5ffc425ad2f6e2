"""A database that takes no writes for a while: a standby before it is promoted, as in every failover."""

import psycopg

from deploy.services.postgres import PostgresServer
from tests.faults.scene import Scene


def test_database_read_only_until_it_is_promoted(on_server: Scene, server: PostgresServer) -> None:
    """Scorers wait while PostgreSQL answers but takes no writes, keep their partitions, and go on when it does."""
    on_server.produce(600)
    scorer = on_server.start(slow=0.02)
    on_server.wait_for(100)
    server.stop()
    (server.data / "standby.signal").touch()
    server.start()
    on_server.produce(100)
    on_server.wait_to_read("read-only", scorer)
    assert on_server.progress() < on_server.produced
    with psycopg.connect(server.url("faults").replace("+psycopg", ""), autocommit=True) as administrator:
        administrator.execute("SELECT pg_promote()")
    on_server.settle(same_as_undisturbed="gain-1.0")
