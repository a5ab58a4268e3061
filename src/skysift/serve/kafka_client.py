"""Settings of the Kafka client: from the configuration, a file and the environment."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skysift.core.errors import ConfigError
from skysift.core.extras import import_extra
from skysift.serve.secret_file import check_private, is_secret

__all__ = ["PREFIX", "client", "client_settings"]

PREFIX = "SKYSIFT_KAFKA_"
"""Of environment variables: ``SKYSIFT_KAFKA_SASL_PASSWORD`` is ``sasl.password``."""

_SILENT = logging.getLogger("skysift.serve.kafka_client")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False  # it may name what is secret; what matters comes as an event


def client() -> Any:
    """Return the module ``confluent_kafka``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return import_extra("confluent_kafka", extra="kafka")


def client_settings(
    servers: str,
    settings: Mapping[str, Any],
    properties: Path | None,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Return settings, those of the environment before those of the file.

    Raises
    ------
    ConfigError
        If the file cannot be read. No value of it is ever repeated.
    UsageError
        If there is a secret in it and others can open it.

    Examples
    --------
    >>> client_settings("one:9092", {}, None, {"SKYSIFT_KAFKA_SASL_USERNAME": "ada"})
    {'bootstrap.servers': 'one:9092', 'sasl.username': 'ada'}
    """
    found = {"bootstrap.servers": servers, **settings}
    if properties is not None:
        found |= _read(properties)
    for name, value in environment.items():
        if name.startswith(PREFIX):
            found[name.removeprefix(PREFIX).lower().replace("_", ".")] = value
    return found


def silent(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with which the client writes nothing to the standard error."""
    return {**settings, "logger": _SILENT}


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as opened:
            found = _settings(opened.read().decode("utf-8"), path)
            if any(map(is_secret, found)):
                check_private(opened, path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "The settings of the Kafka client cannot be read.",
            "Give lines key=value.",
            path=path,
        ) from error
    return found


def _settings(text: str, path: Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, separator, value = stripped.partition("=")
        if not separator:
            raise ConfigError("A line is not key=value.", "Mend it.", path=path, row=number)
        found[key.strip()] = value.strip()
    return found
