"""Where things are and how to reach them: the environment, in one typed place with embedded defaults.

Every setting is `LATENTWATCH_<NAME>`; `LATENTWATCH_<NAME>_FILE` names a file that holds the value instead, so that
secrets stay out of the environment. A value given both ways is refused rather than guessed.
"""

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from latentwatch.domain.bounded_yaml import load_yaml
from latentwatch.domain.errors import InvalidInput
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.kafka.access import KafkaAccess

PREFIX = "LATENTWATCH_"


class InvalidSettings(InvalidInput):
    """A setting cannot be used; names the variable and the fix."""


class Settings(BaseSettings):
    """All settings. Without any, everything runs in the working directory: SQLite, a folder, the loopback address."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    database: str = Field(default="sqlite:///latentwatch.db", repr=False)
    """SQLAlchemy URL: `sqlite:///file.db` or `postgresql+psycopg://user:password@host:5432/name`."""
    bundles: str = "bundles"
    """Folder or fsspec URL (`s3://bucket/models`) of the model bundles."""
    kafka: str = "127.0.0.1:9092"
    """Kafka's bootstrap servers, comma between them."""
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How Kafka is spoken to: TLS with ssl, a user and a password with sasl."""
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How the password is proven; PLAIN sends it, so only within TLS."""
    kafka_user: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca: str = ""
    """Path of the certificates (PEM) to trust for Kafka; the system's without it."""
    kafka_certificate: str = ""
    """Path of our own certificate (PEM), where Kafka asks for one."""
    kafka_key: str = ""
    """Path of that certificate's key (PEM), where the certificate's file does not hold it."""
    kafka_key_password: SecretStr = SecretStr("")
    kafka_client: Literal["kafka-python", "confluent"] | None = None
    """Which client reads Kafka, whatever the monitors say; confluent comes with the extra of that name."""
    registry: str = ""
    """Address of the schema registry, for Avro: `http://host:8081`."""
    registry_user: str = ""
    registry_password: SecretStr = SecretStr("")
    registry_token: SecretStr = SecretStr("")
    """Bearer token for the schema registry, instead of user and password."""
    registry_ca: str = ""
    """Path of the certificates (PEM) to trust for the schema registry; the system's without it."""
    spark: str = "local[*]"
    """Spark's master, such as `spark://host:7077`; under spark-submit, what that was told holds instead."""
    spark_jars: str = ""
    """Folder of Spark's Kafka connector and what it needs; without it Spark fetches them from Maven Central."""
    mlflow: str | None = None
    """MLflow tracking address; unset, training logs nowhere but the database."""
    monitors: str = "monitors"
    """Folder of the monitor files that the DAGs retrain."""
    work: str = ".latentwatch"
    """Folder for what retraining keeps between its steps."""
    keep_runs: int = Field(default=2, ge=1)
    """How many of a monitor's judged runs keep their folder there."""
    host: str = "127.0.0.1"
    """Address the review app listens on; other than loopback needs a password or a token."""
    port: int = Field(default=8484, ge=0, le=65_535)
    """Port of the review app; 0 picks a free one."""
    link: str | None = None
    """Where people reach the review app, for the links in notifications, such as `https://watch.example.org`."""
    password: SecretStr | None = None
    """Password people enter in the review app."""
    token: SecretStr | None = None
    """Bearer token for programs that use the API."""
    trusted_proxies: str = ""
    """Addresses or networks, comma between them, of the proxies before the review app whose forwarded headers are believed."""
    channels: dict[str, SecretStr] = Field(default_factory=dict)
    """Notification channels by name, each an Apprise URL; JSON here, JSON or YAML in the file."""
    data: str = "../shared/data"
    """Folder of the public benchmark data."""
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    """Port on which a scorer serves Prometheus metrics; 0 serves none."""
    metrics_host: str = "0.0.0.0"
    """Address the metrics are served on; they hold counts and times, no record."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("kafka_ca", "kafka_certificate", "kafka_key", "registry_ca")
    @classmethod
    def _paths(cls, value: str) -> str:
        if "-----BEGIN" in value:
            raise ValueError("is the path of a PEM file, not what it holds; drop the _FILE behind the variable's name")
        if value and not os.access(value, os.R_OK):
            raise ValueError(f"{value} cannot be read; check the path and its permissions")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ipaddress.ip_network(part)
            except ValueError:
                raise ValueError(
                    f"{part!r} is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/8"
                ) from None
        return value

    def proxies(self) -> tuple[str, ...]:
        """The trusted proxies one by one."""
        return tuple(filter(None, map(str.strip, self.trusted_proxies.split(","))))

    @model_validator(mode="after")
    def _access_is_complete(self) -> Self:
        self.kafka_access()
        self.registry_access()
        return self

    def kafka_access(self) -> KafkaAccess:
        """How to reach Kafka."""
        return KafkaAccess(
            self.kafka,
            security=self.kafka_security,
            mechanism=self.kafka_mechanism,
            user=self.kafka_user,
            password=self.kafka_password.get_secret_value(),
            ca=self.kafka_ca,
            certificate=self.kafka_certificate,
            key=self.kafka_key,
            key_password=self.kafka_key_password.get_secret_value(),
        )

    def registry_access(self) -> RegistryAccess:
        """How to reach the schema registry."""
        return RegistryAccess(
            self.registry,
            user=self.registry_user,
            password=self.registry_password.get_secret_value(),
            token=self.registry_token.get_secret_value(),
            ca=self.registry_ca,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FromFiles(settings_cls)


class _FromFiles(PydanticBaseSettingsSource):
    """Values from the files that `LATENTWATCH_<NAME>_FILE` variables name."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise InvalidSettings(f"{variable} and {variable}_FILE are both set; unset one of them")
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(
                f"{variable}_FILE={path}: cannot be read ({error}); check the path and its permissions"
            ) from None
        return (_mapping(text, f"{variable}_FILE={path}") if field_name == "channels" else text), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _mapping(text: str, where: str) -> dict[str, str]:
    try:
        _, value = load_yaml(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict):
        raise InvalidSettings(f"{where}: is not a mapping; write one 'name: apprise-url' a line")
    return {str(name): str(url) for name, url in value.items()}


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises InvalidSettings with one line per wrong variable."""
    try:
        return Settings(**overrides)
    except InvalidSettings:
        raise
    except InvalidInput as error:  # settings that contradict each other
        raise InvalidSettings(str(error)) from None
    except ValidationError as error:
        raise InvalidSettings("\n".join(_explain(problem) for problem in error.errors())) from None
    except ValueError:  # pydantic-settings wraps JSON it cannot parse; one setting alone is a mapping
        raise InvalidSettings(
            f'{PREFIX}CHANNELS: is not JSON; write {{"oncall": "mailto://…"}}, or name a file with {PREFIX}CHANNELS_FILE'
        ) from None


def _explain(problem: Any) -> str:
    variable = PREFIX + "_".join(str(part).upper() for part in problem["loc"][:1])
    return f"{variable}: {problem['msg'].removeprefix('Value error, ')}"


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variables with our prefix that are no setting, each with the likeliest one meant."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    known += [f"{name}_FILE" for name in known]
    strays = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, n=1)), None) for name in strays}
