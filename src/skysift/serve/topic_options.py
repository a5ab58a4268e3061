"""The topic that gets the published rows."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from skysift.core.config import Config
from skysift.serve.source_options import refuse_secrets

__all__ = ["TopicOptions"]


class TopicOptions(Config):
    """A topic of Kafka that gets every row as a JSON object, with the id of its record as key."""

    servers: str = Field(description="Brokers to ask first: HOST:PORT, comma-separated.")
    topic: str = Field(pattern=r"^[\w.-]+$", description="The topic.")
    properties: Path | None = Field(
        None, description="File with lines key=value for the Kafka client, such as its login."
    )
    settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="More keys for the Kafka client that are no secrets."
    )

    @field_validator("settings")
    @classmethod
    def _no_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        return refuse_secrets(value)
