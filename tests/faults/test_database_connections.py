"""Between scorer and database: restarts, silence, deadlock, a full disk, a locked file, and a database that is too slow."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url, text

from deploy.services.postgres import PostgresServer
from latentwatch.alerts.session import transaction
from tests.faults.scene import Scene
from tests.faults.workload import PARTITIONS, record
from tests.services.proxy import Proxy

pytestmark = pytest.mark.long

BUNDLE = "gain-1.0"
AWAY, STILL_AWAY, BACK = "database away", "database still away", "database back"
MEGABYTE = 1 << 20
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    """What stands between the scorers and PostgreSQL."""
    url = make_url(postgres_url)
    with Proxy(url.host or "127.0.0.1", url.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def address(postgres_url: str, proxy: Proxy) -> str:
    """The database as scorers reach it, through the proxy."""
    return make_url(postgres_url).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


@pytest.fixture
def on_postgres(stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], postgres_url: str) -> Scene:
    """A scene on PostgreSQL, reached directly."""
    return stage(kafka_address, topic(partitions=PARTITIONS), postgres_url)


@pytest.fixture
def on_sqlite(stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], tmp_path: Path) -> Scene:
    """A scene on SQLite."""
    return stage(kafka_address, topic(partitions=PARTITIONS), f"sqlite:///{tmp_path / 'faults.db'}")


def test_database_restarted(on_server: Scene, server: PostgresServer) -> None:
    """PostgreSQL ends in good order under load and comes back; the scorers keep their partitions and go on."""
    scorers = [on_server.start(slow=0.02) for _ in range(2)]
    for scorer in scorers:  # each must have something to commit
        on_server.wait_to_read("partition taken up", scorer)
    on_server.produce(600)
    on_server.wait_for(200)
    server.stop()
    for scorer in scorers:
        on_server.wait_to_read(AWAY, scorer)
    server.start()
    on_server.produce(200)
    on_server.settle(same_as_undisturbed=BUNDLE)


def test_slow_database(on_postgres: Scene, proxy: Proxy, address: str) -> None:
    """Every statement takes longer by a tenth of a second: slower, and nothing else."""
    proxy.delay(0.02)
    on_postgres.produce(300)
    on_postgres.start(database=address)
    on_postgres.settle(same_as_undisturbed=BUNDLE)


def test_half_open_connection_to_the_database(on_postgres: Scene, proxy: Proxy, address: str) -> None:
    """A COMMIT on a connection that has gone silent, and is reset at last, is found out about and not repeated."""
    scorer = on_postgres.start(database=address, records=50)
    on_postgres.produce(300)
    on_postgres.wait_for(100)
    proxy.stall()
    on_postgres.produce(300)
    on_postgres.clock.sleep(1.0)  # a commit is on its way by now, or is not: both must end well
    proxy.flow()
    proxy.cut()
    on_postgres.settle(same_as_undisturbed=BUNDLE)
    assert scorer.said("partition taken up") >= PARTITIONS


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "unanswered"])
def test_database_silent_for_ever(on_postgres: Scene, proxy: Proxy, address: str, heard: bool) -> None:
    """A COMMIT that is never answered, whether it arrived or not: found out in time, not repeated, partitions kept."""
    scorer = on_postgres.start(database=address, options={"max_poll_interval_ms": 4_000}, answer_seconds=5.0)
    on_postgres.produce(200)
    on_postgres.wait_for(200)
    before = members(on_postgres)
    proxy.strand_at(b"COMMIT", heard=heard)
    on_postgres.produce(200)
    on_postgres.wait_to_read(BACK, scorer)
    assert (scorer.said("database slow"), scorer.said("no answer within 5 s")) == (1, 1)
    assert members(on_postgres) == before
    on_postgres.settle(same_as_undisturbed=BUNDLE)


def test_connection_reset_within_a_batch(on_postgres: Scene, proxy: Proxy, address: str) -> None:
    """A batch of which the database has got a part when the connection breaks is written whole, once, afterwards."""
    on_postgres.produce(100)
    scorer = on_postgres.start(database=address, records=50)
    on_postgres.wait_for(100)
    for number, statement in enumerate((b"UPDATE offsets", b"flagged_records", b"minute_counts"), 1):
        proxy.lose_reply_to(statement)
        on_postgres.produce(100)
        on_postgres.wait_to_read(BACK, scorer, number)
    on_postgres.settle(same_as_undisturbed=BUNDLE)


def test_deadlock(on_postgres: Scene) -> None:
    """A scorer that the server picks as the victim of a deadlock writes its batch again."""
    scorer = on_postgres.start()
    on_postgres.produce(100)
    on_postgres.wait_for(100)
    lock = "SELECT 1 FROM offsets WHERE partition = {} FOR UPDATE"
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with transaction(on_postgres.engine) as rival:
        rival.execute(text("SET LOCAL deadlock_timeout = '10min'"))  # so that it is the other one who notices
        rival.execute(text("SET LOCAL lock_timeout = '10min'"))
        rival.execute(text(lock.format(PARTITIONS - 1)))
        on_postgres.produce(100)
        on_postgres.wait_until(lambda: on_postgres.ask(waiting)[0][0] > 0, "no scorer waits")
        rival.execute(text(lock.format(0)))
    on_postgres.settle(same_as_undisturbed=BUNDLE)
    assert scorer.said("deadlock detected")


def test_disk_full_under_postgresql(on_server: Scene, server: PostgresServer) -> None:
    """While the disk that holds flagged records is full the stream waits; when there is room, it goes on."""
    scorer = on_server.start()
    on_server.produce(100)
    on_server.wait_for(100)
    with small_disk() as disk:
        free = fill(on_server, server, disk) if disk else pretend_full(on_server)
        on_server.produce(300)
        on_server.wait_to_read(STILL_AWAY, scorer, 2)
        assert scorer.said("No space left on device")
        free()
        on_server.settle(same_as_undisturbed=BUNDLE)


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A file system of 8 MB; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="latentwatch-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(scene: Scene, server: PostgresServer, disk: Path) -> Callable[[], None]:
    """Move the flagged records to the disk and leave no room on it; what is returned makes room."""
    owner = server.data.stat()
    os.chown(disk, owner.st_uid, owner.st_gid)
    with scene.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.execute(text(f"CREATE TABLESPACE small LOCATION '{disk}'"))
        session.execute(text("ALTER TABLE flagged_records SET TABLESPACE small"))
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free))
    return filler.unlink


def pretend_full(scene: Scene) -> Callable[[], None]:
    """Have the server report what it would of a full disk; what is returned ends it."""
    with transaction(scene.engine) as session:
        session.execute(
            text(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        session.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON flagged_records EXECUTE FUNCTION full_disk()"))

    def end() -> None:
        with transaction(scene.engine) as session:
            session.execute(text("DROP FUNCTION full_disk CASCADE"))

    return end


def test_disk_full_under_sqlite(on_sqlite: Scene) -> None:
    """While files cannot grow the stream waits; when they can, it goes on."""
    scorer = on_sqlite.start()
    on_sqlite.produce(100)
    on_sqlite.wait_for(100)
    resource.prlimit(scorer.pid, resource.RLIMIT_FSIZE, (10_000, UNLIMITED))
    on_sqlite.produce(300)
    on_sqlite.wait_to_read(STILL_AWAY, scorer, 2)
    resource.prlimit(scorer.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    on_sqlite.settle(same_as_undisturbed=BUNDLE)


def test_sqlite_locked(on_sqlite: Scene) -> None:
    """While another process holds the write lock the stream waits; when it is free, it goes on."""
    scorer = on_sqlite.start(lock_wait_ms=100)
    on_sqlite.produce(100)
    on_sqlite.wait_for(100)
    with transaction(on_sqlite.engine) as session:
        session.execute(text("UPDATE offsets SET updated = updated"))
        on_sqlite.produce(300)
        on_sqlite.wait_to_read(STILL_AWAY, scorer, 2)
        assert scorer.said("database is locked")
    on_sqlite.settle(same_as_undisturbed=BUNDLE)


def test_database_slower_than_the_stream(on_postgres: Scene, proxy: Proxy, address: str) -> None:
    """A scorer whose database takes nothing past its poll interval keeps its partitions and does not pile up records."""
    options = {"max_poll_interval_ms": 4_000, "fetch_max_bytes": 4 * MEGABYTE}
    scorer = on_postgres.start(database=address, options=options)
    on_postgres.produce(200)
    on_postgres.wait_for(200)
    who = members(on_postgres)
    before = psutil.Process(scorer.pid).memory_info().rss
    proxy.refuse()
    on_postgres.send(
        (number % PARTITIONS, record(number, rig=20 + number % PARTITIONS, note="n" * 20_000))
        for number in range(4_000)
    )
    on_postgres.wait_to_read(STILL_AWAY, scorer, 6)
    assert members(on_postgres) == who
    assert psutil.Process(scorer.pid).memory_info().rss - before < 48 * MEGABYTE
    proxy.accept()
    on_postgres.settle(same_as_undisturbed=BUNDLE)
    assert scorer.said(BACK) == 1


def members(scene: Scene) -> set[str]:
    """Who is in the group; a member that did not poll for too long comes back as another."""
    return {member["member_id"] for member in scene.group()["members"]}
