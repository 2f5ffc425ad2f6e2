"""A real Kafka broker: KRaft, one node that is also its controller."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.services.process import Launch, Running, accepts_connections, find, free_port, start, wait_until
from deploy.services.programs import JAVA, KAFKA_FOLDER, kafka_jars
from latentwatch.domain.errors import Unavailable

# Small on purpose: a broker for one machine that also runs everything else.
HEAP = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
ONE_NODE = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
num.partitions=4
auto.create.topics.enable=false
num.network.threads=1
num.io.threads=2
offsets.topic.num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


@dataclass(frozen=True)
class Listener:
    """One more way in: clients are sent to `advertised_port` (a fault proxy's, say) rather than to `port`."""

    name: str
    port: int
    advertised_port: int
    protocol: str = "PLAINTEXT"


class KafkaBroker:
    """A broker in `folder`. Its data outlives `stop` and `kill`: `start` again goes on with the same topics."""

    def __init__(
        self,
        folder: Path,
        listeners: Sequence[Listener] = (),
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """`listeners` come beside the plain one; `properties` are added to (or replace lines of) server.properties."""
        self.folder = folder
        self._listeners = tuple(listeners)
        self._properties = dict(properties or {})
        self._ports = folder / "ports"
        if not self._ports.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._ports.write_text(f"{free_port()} {free_port()}")
        self.port, self._controller_port = (int(port) for port in self._ports.read_text().split())

    @property
    def address(self) -> str:
        """Bootstrap servers, as LATENTWATCH_KAFKA takes them."""
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> Running | None:
        """The process, if it runs."""
        return find(self._launch())

    def start(self) -> "KafkaBroker":
        """Start and wait until it answers; nothing happens if it already runs. Raises `PartMissing`, `Unavailable`."""
        if self.running:
            return self
        self._format()
        running = start(self._launch(*self._java("kafka.Kafka", "server.properties")))
        wait_until(partial(accepts_connections, self.port), running, seconds=120)
        wait_until(self._answers, running, seconds=60)
        return self

    def stop(self) -> None:
        """An orderly end."""
        if running := self.running:
            running.stop()

    def kill(self) -> None:
        """SIGKILL."""
        if running := self.running:
            running.kill()

    def _answers(self) -> bool:
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=10_000)
        except KafkaError:
            return False
        try:
            admin.list_topics()
        except KafkaError:
            return False
        finally:
            admin.close()
        return True

    def _launch(self, *command: str) -> Launch:
        return Launch("kafka", command, self.folder, {})

    def _java(self, main: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={KAFKA_FOLDER / 'log4j2.properties'}"
        return [str(JAVA.require()), *HEAP, logging, "-cp", f"{kafka_jars()}{os.sep}*", main, *arguments]

    def _format(self) -> None:
        """Write the configuration and, the first time, give the data folder its cluster id."""
        (self.folder / "server.properties").write_text(self._configuration())
        if (self.folder / "data" / "meta.properties").exists():
            return
        tool = partial(self.tool, "kafka.tools.StorageTool")
        cluster = tool("random-uuid").split()[-1]
        tool("format", "--standalone", "-t", cluster, "-c", "server.properties")

    def tool(self, main: str, *arguments: str) -> str:
        """What one of Kafka's own tools prints, run in the broker's folder. Raises `Unavailable` where it fails."""
        result = subprocess.run(
            self._java(main, *arguments), cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        if result.returncode:
            raise Unavailable(
                f"Kafka's {main} failed in {self.folder}: {result.stderr.strip() or result.stdout.strip()}"
            )
        return result.stdout

    def _configuration(self) -> str:
        plain = Listener("PLAINTEXT", self.port, self.port)
        controller = Listener("CONTROLLER", self._controller_port, self._controller_port)
        every = (plain, controller, *self._listeners)
        lines = {
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller.port}",
            "listeners": ",".join(f"{one.name}://127.0.0.1:{one.port}" for one in every),
            "advertised.listeners": ",".join(f"{one.name}://127.0.0.1:{one.advertised_port}" for one in every),
            "listener.security.protocol.map": ",".join(f"{one.name}:{one.protocol}" for one in every),
            "log.dirs": str(self.folder / "data"),
            **self._properties,
        }
        return ONE_NODE + "".join(f"{key}={value}\n" for key, value in lines.items())
