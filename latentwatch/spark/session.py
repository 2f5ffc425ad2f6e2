"""Spark, begun as this installation needs it; under spark-submit, as that was told."""

import os
import shutil
import sys
import warnings
from pathlib import Path

from pyspark.sql import SparkSession

from latentwatch.domain.errors import InvalidInput
from latentwatch.settings import Settings

CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"
"""The newest connector there is; it works with every pyspark 4.2."""
_TRACE = "Traceback (most recent call last):"


def begin_spark(settings: Settings, name: str, *, kafka: bool = False) -> SparkSession:
    """The session to use, with Spark's connector to Kafka where asked for. Raises InvalidInput where it cannot begin."""
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted and not _has_java():
        raise InvalidInput("Spark needs Java 17 or newer; install it (default-jre-headless), or set JAVA_HOME")
    # Nothing here becomes a pandas table: rows travel as Arrow.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    # Workers run what this process runs, or they would miss the detector.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC")
    if not submitted:
        builder = builder.master(settings.spark).config("spark.ui.enabled", "false")
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        if settings.spark.startswith("local"):
            builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        if kafka:
            builder = builder.config(*_connector(settings.spark_jars))
    try:
        spark = builder.getOrCreate()
    except Exception as error:  # Py4J's errors have no common root that says more
        raise InvalidInput(
            f"Spark does not begin at {settings.spark!r} ({reason_of(error)}); correct LATENTWATCH_SPARK, for one machine local[*]"
        ) from error
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def reason_of(error: Exception) -> str:
    """What went wrong, in one line, by an error that came through Java, whose message holds whole traces.

    Of a chain of errors it is the first one's reason: where Python failed on a worker, its own last word, behind the last of
    Python's traces.
    """
    while isinstance(cause := getattr(error, "_cause", None), Exception):  # as pyspark keeps what Java says of it
        error = cause
    text = str(error).strip()
    if _TRACE in text:
        text = text.rpartition(_TRACE)[2]
    elif text.startswith("An error occurred while calling"):
        text = text.partition("\n")[2].removeprefix(": ")
    return next((line for line in text.splitlines() if line and not line[0].isspace()), type(error).__name__)


def _connector(folder: str) -> tuple[str, str]:
    if not folder:
        return "spark.jars.packages", CONNECTOR
    jars = sorted(str(path.resolve()) for path in Path(folder).glob("*.jar"))
    if not any("spark-sql-kafka" in jar for jar in jars):
        raise InvalidInput(
            f"LATENTWATCH_SPARK_JARS={folder}: no spark-sql-kafka jar is there; copy {CONNECTOR} and what it needs,"
            " as deploy/spark/pom.xml does, or unset it"
        )
    return "spark.jars", ",".join(jars)


def _has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return bool(shutil.which("java") or (home and (Path(home) / "bin" / "java").exists()))
