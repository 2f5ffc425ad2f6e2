"""The store on PostgreSQL while the connection and the server fail: nothing lost, nothing doubled, and said aloud."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine, func, make_url, select, text

from deploy.services.postgres import PostgresServer
from latentwatch.alerts.database import migrate, open_database, wait_for_database
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import FlaggedRecordRow, MinuteCountRow, OffsetRow
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import PartitionLost, Unavailable
from latentwatch.domain.outcome import OffsetMove, Outcome
from tests.alerts.build import MONITOR, SOURCE, count, flagged, outcome
from tests.services.proxy import Proxy

BATCH = outcome(0, 10, [flagged(1), flagged(2)], counts=[count(0, 10, beyond=2)])


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a migrated database that this module's tests share, reached directly."""
    with fresh_database() as url:
        engine = open_database(url)
        migrate(engine)
        engine.dispose()
        yield url


@pytest.fixture
def direct(database: str) -> Iterator[Engine]:
    """A way around the proxy, into an empty database."""
    engine = open_database(database)
    with transaction(engine) as session:
        for table in ("flagged_records", "alerts", "minute_counts", "offsets"):
            session.execute(text(f"DELETE FROM {table}"))
    yield engine
    engine.dispose()


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    """What stands between the store and its database."""
    url = make_url(database)
    with Proxy(url.host or "127.0.0.1", url.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def store(database: str, direct: Engine, proxy: Proxy) -> Iterator[AlertStore]:
    """A store behind the proxy, with one partition claimed."""
    engine = open_database(
        make_url(database).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    )
    store = AlertStore(engine, MONITOR)
    store.claim(SOURCE, 0, 0)
    yield store
    engine.dispose()


def written(engine: Engine) -> tuple[int, int, int]:
    """The stored offset, how many flagged records there are, and how many records were counted."""
    with reading(engine) as session:
        return (
            session.scalars(select(OffsetRow.next_offset).where(OffsetRow.partition == 0)).one(),
            session.scalar(select(func.count()).select_from(FlaggedRecordRow)) or 0,
            int(session.scalar(select(func.sum(MinuteCountRow.scored))) or 0),
        )


def test_a_connection_cut_before_commit_leaves_nothing(store: AlertStore, direct: Engine, proxy: Proxy) -> None:
    """The whole batch is rolled back and said to be unavailable; given again, it is written once."""
    proxy.drop_request(b"COMMIT")
    with pytest.raises(Unavailable):
        store.commit(BATCH)
    assert proxy.struck()
    assert written(direct) == (0, 0, 0)
    assert len(store.commit(BATCH).alerts_opened) == 1
    assert written(direct) == (10, 2, 10)


def test_a_lost_acknowledgement_doubles_nothing(store: AlertStore, direct: Engine, proxy: Proxy) -> None:
    """The batch is in the database although its writer never heard so; the position tells, and a repetition is refused."""
    proxy.lose_reply_to(b"COMMIT")
    with pytest.raises(Unavailable):
        store.commit(BATCH)
    assert proxy.struck()
    assert store.positions(SOURCE) == {0: 10}
    with pytest.raises(PartitionLost):
        store.commit(BATCH)
    assert written(direct) == (10, 2, 10)


@pytest.mark.parametrize("step", [b"UPDATE offsets", b"INSERT INTO alerts", b"COPY flagged_records"])
def test_a_connection_cut_anywhere_leaves_nothing(store: AlertStore, direct: Engine, proxy: Proxy, step: bytes) -> None:
    """Whichever statement is the last to arrive, half a batch is never seen."""
    proxy.lose_reply_to(step)
    with pytest.raises(Unavailable):
        store.commit(BATCH)
    assert proxy.struck()
    assert written(direct) == (0, 0, 0)
    store.commit(BATCH)
    assert written(direct) == (10, 2, 10)


def test_idle_connections_that_were_cut_are_replaced_unseen(store: AlertStore, direct: Engine, proxy: Proxy) -> None:
    """A connection that broke while nobody used it costs no batch."""
    assert proxy.cut() > 0
    store.commit(BATCH)
    assert written(direct) == (10, 2, 10)


def test_a_database_that_is_away_is_waited_for(store: AlertStore, direct: Engine, proxy: Proxy) -> None:
    """While connections are refused every call says so; afterwards the work goes on."""
    proxy.refuse()
    for call in (lambda: store.positions(SOURCE), lambda: store.claim(SOURCE, 1, 0), lambda: store.commit(BATCH)):
        with pytest.raises(Unavailable):
            call()
    proxy.accept()
    store.commit(BATCH)
    assert written(direct) == (10, 2, 10)


def test_a_slow_database_only_takes_longer(store: AlertStore, direct: Engine, proxy: Proxy) -> None:
    """Latency changes nothing but time."""
    proxy.delay(0.01)
    store.commit(BATCH)
    assert written(direct) == (10, 2, 10)


def test_a_killed_session_is_a_passing_fault(store: AlertStore, direct: Engine) -> None:
    """When an administrator ends the scorer's session in the middle of a batch, the batch is given again."""
    blocker = direct.connect()
    blocker.execute(select(OffsetRow).with_for_update())
    with ThreadPoolExecutor(1) as pool:
        commit = pool.submit(store.commit, BATCH)
        with reading(direct) as session:
            end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while not session.execute(end).all():
                session.rollback()
        with pytest.raises(Unavailable):
            commit.result()
    blocker.close()
    store.commit(BATCH)
    assert written(direct) == (10, 2, 10)


def test_a_deadlock_is_a_passing_fault(store: AlertStore, direct: Engine) -> None:
    """When the store is in a deadlock, whoever the server picks is told to try again, and can."""
    store.claim(SOURCE, 1, 0)
    both = outcome(0, 0, moves=(OffsetMove(0, 0, 10), OffsetMove(1, 0, 10)))
    lock = "SELECT 1 FROM offsets WHERE partition = {} FOR UPDATE"

    def collide(store_waits: Callable[[], None]) -> None:
        with transaction(direct) as session:
            session.execute(text(lock.format(1)))
            store_waits()
            session.execute(text(lock.format(0)))

    def until_blocked() -> None:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with reading(direct) as session:
            while not session.execute(waiting).scalar():
                session.rollback()

    with ThreadPoolExecutor(1) as pool:
        started = threading.Event()

        def begin() -> None:
            started.set()
            until_blocked()

        def commit() -> None:
            started.wait()
            store.commit(both)

        task = pool.submit(commit)
        victims = [failure for failure in (_failure(lambda: collide(begin)), _failure(task.result)) if failure]
    assert len(victims) == 1
    assert "deadlock" in str(victims[0])
    if store.positions(SOURCE) == {0: 0, 1: 0}:
        store.commit(both)
    assert store.positions(SOURCE) == {0: 10, 1: 10}


def _failure(call: Callable[[], object]) -> Unavailable | None:
    try:
        call()
    except Unavailable as error:
        return error
    return None


def test_of_two_scorers_of_one_partition_one_is_refused(store: AlertStore, direct: Engine) -> None:
    """The same batch from several processes at once is written by exactly one of them."""
    stores = [store, *(AlertStore(direct, MONITOR) for _ in range(3))]

    def attempt(each: AlertStore) -> str:
        try:
            each.commit(BATCH)
        except PartitionLost:
            return "lost"
        return "written"

    with ThreadPoolExecutor(len(stores)) as pool:
        assert sorted(pool.map(attempt, stores)) == ["lost", "lost", "lost", "written"]
    assert written(direct) == (10, 2, 10)


def test_of_scorers_that_begin_at_once_one_says_where(direct: Engine) -> None:
    """Each saw other ends of the topic, the last a partition more; the starts stored are those of one of them, whole."""
    starts = [{0: at, 1: at, 2: at} for at in (10, 11, 12)] + [{0: 13, 1: 13, 2: 13, 3: 13}]
    with ThreadPoolExecutor(len(starts)) as pool:
        found = list(pool.map(lambda mine: AlertStore(direct, MONITOR).begin("topic", mine), starts))
    assert found[0] in starts
    assert all(each == found[0] for each in found)


def test_two_scorers_share_an_entity_s_alert(store: AlertStore, direct: Engine) -> None:
    """Records of one entity that come through several partitions at once make one alert, complete."""
    partitions = range(4)
    for partition in partitions:
        store.claim(SOURCE, partition, 0)
    engine_stores = [AlertStore(direct, MONITOR, durable=False) for _ in partitions]

    def score(partition: int) -> None:
        for step in range(5):
            records = [flagged(step, float(step), partition=partition)]
            engine_stores[partition].commit(outcome(step, step + 1, records, partition=partition))

    with ThreadPoolExecutor(len(partitions)) as pool:
        list(pool.map(score, partitions))
    with reading(direct) as session:
        assert session.execute(text("SELECT entity, records FROM alerts")).all() == [("rig-1", 20)]


def test_a_killed_server_loses_no_commit(start_postgres: Callable[[], PostgresServer]) -> None:
    """What was acknowledged before a crash of the server is there after it, and the store goes on by itself."""
    server = start_postgres()
    engine = open_database(server.create_database("crash"))
    migrate(engine)
    store = AlertStore(engine, MONITOR)
    store.claim(SOURCE, 0, 0)
    store.commit(BATCH)
    server.kill()
    following: Outcome = outcome(10, 20, [flagged(11)], counts=[count(0, 10)])
    with pytest.raises(Unavailable):
        store.commit(following)
    server.start()
    wait_for_database(engine, SystemClock(), lambda reason, pause: None, patience_seconds=60)
    assert written(engine) == (10, 2, 10)
    store.commit(following)
    assert written(engine) == (20, 3, 20)
    engine.dispose()
