"""The section ``[alerts]`` of a service: what is worth an alert, what forbids one, who is told."""

import os
import re
from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from skysift.core.config import Config
from skysift.core.errors import ConfigError

__all__ = [
    "HARMLESS_FLAGS",
    "AlertOptions",
    "Format",
    "KafkaOptions",
    "RuleOptions",
    "Tense",
    "WebhookOptions",
]

Format = Literal["json", "xml", "reg"]
"""GCN notice, VOEvent, DS9 regions."""

Tense = Literal["live", "test", "injection"]

HARMLESS_FLAGS = (
    "blended",
    "edge",
    "extended",
    "late",
    "low-counts",
    "narrow",
    "no-response",
    "partial",
    "pointing-moves",
)
"""Flags that say what a candidate or window is like, not that its data are bad. How much good time
a partial window has is asked for by itself."""

UNSET_AUTHORITY = "skysift.invalid"
_HOUR = 3600.0
_DAY = 86400.0
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _plain(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("use letters, digits and _ . - only, and begin with a letter or digit")
    return name


PlainName = Annotated[str, AfterValidator(_plain)]


class RuleOptions(Config):
    """What makes a row worth an alert, for tasks whose answers have no false-alarm rate."""

    column: str = Field(description="A number of the answer, e.g. 'p_streak'.")
    above: float = Field(allow_inf_nan=False, description="An alert is due above this value.")


class _Destination(Config):
    format: Format = Field("json", description="GCN notice, VOEvent or DS9 regions.")
    timeout: float = Field(
        10.0, gt=0, le=300, allow_inf_nan=False, description="Time that one attempt may take [s]."
    )
    backoff: float = Field(
        2.0, gt=0, le=3600, description="From the first failure to the next attempt [s]; doubled."
    )
    backoff_most: float = Field(
        900.0, gt=0, le=86_400, description="Longest time between attempts [s]."
    )
    give_up: float = Field(
        _DAY, gt=0, allow_inf_nan=False, description="A message is given up after so long [s]."
    )


class WebhookOptions(_Destination):
    """A server that is told by HTTP POST."""

    url: str = Field(
        description="Its https address, http only of private ones; '$NAME' where it is a secret "
        "itself and stands in the environment variable NAME."
    )
    secret: str = Field(
        "", description="Environment variable with the secret that messages are signed with."
    )
    private: bool = Field(
        False, description="The server may have a loopback, private or link-local address."
    )

    @model_validator(mode="after")
    def _usable(self) -> "WebhookOptions":
        if not self.url.startswith("$"):
            self.require_usable(self.url)
        elif not _VARIABLE.fullmatch(self.url[1:]):
            raise ValueError(f"'{self.url[1:]}' is no name of an environment variable")
        return self

    def require_usable(self, url: str) -> None:
        """Check an address.

        Raises
        ------
        ValueError
            If messages are not to be sent there; the address is not in the message.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("this is no http or https address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address with a password ends up in logs; sign with a secret")
        if parts.scheme == "http" and not self.private:
            raise ValueError("over http anybody can read and change what is sent; use https")
        if any(not "!" <= letter <= "~" for letter in url):
            raise ValueError("an address has no blanks, and only letters of ASCII")

    @property
    def address(self) -> str:
        """The address, from the environment if it stands there.

        Raises
        ------
        ValueError
            If it cannot be used.
        """
        if not self.url.startswith("$"):
            return self.url
        found = os.environ.get(self.url[1:], "")
        if not found:
            raise ValueError(f"the variable {self.url[1:]} is not set")
        self.require_usable(found)
        return found

    @property
    def lacking(self) -> str:
        """What the environment lacks for it, empty if nothing."""
        try:
            _ = self.address
        except ValueError as error:
            return str(error)
        return _unset([self.secret] if self.secret else [])


class KafkaOptions(_Destination):
    """A topic of a Kafka cluster."""

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    settings: dict[str, str] = Field(
        description="Settings of librdkafka, 'bootstrap.servers' at least; nothing secret."
    )
    secrets: dict[str, str] = Field(
        default_factory=dict,
        description="Settings whose values are in environment variables, e.g. "
        "{'sasl.password' = 'KAFKA_PASSWORD'}.",
    )

    @model_validator(mode="after")
    def _no_secrets(self) -> "KafkaOptions":
        for key in self.settings:
            if "password" in key or "secret" in key:
                raise ValueError(f"'{key}' goes to an environment variable, named in 'secrets'")
        return self

    @property
    def lacking(self) -> str:
        """What the environment lacks for it, empty if nothing."""
        return _unset(self.secrets.values())


def _unset(variables: Iterable[str]) -> str:
    """Return in words which variable of the environment is not set, empty if all are."""
    return next(
        (f"the variable {one} is not set" for one in variables if not os.environ.get(one)), ""
    )


class AlertOptions(Config):
    """Alerts of a service; nothing is live unless it is said.

    Examples
    --------
    >>> AlertOptions().tense
    'test'
    """

    far: float = Field(
        1 / (30 * _DAY),
        gt=0,
        allow_inf_nan=False,
        description="Highest false-alarm rate of an alert [Hz]; one in thirty days if left out.",
    )
    rule: RuleOptions | None = Field(
        None, description="For tasks without a false-alarm rate: instead of 'far'."
    )
    tense: Literal["live", "test"] = Field(
        "test", description="'live' for the world; receivers do not act on 'test'."
    )

    # --- who speaks -----------------------------------------------------------------------------
    name: PlainName = Field("alerts", description="Of the stream, in the identifiers of VOEvents.")
    authority: PlainName = Field(
        UNSET_AUTHORITY, description="IVOA authority, e.g. 'org.example.telescope'."
    )
    mission: str = Field("", description="Of the GCN notice; the observatory.")
    instrument: str = Field("", description="Of the GCN notice.")
    contact: str = Field("", description="Name and address of who answers for the alerts.")
    messenger: Literal["EM", "GW", "Neutrino"] = "EM"
    schema_url: str = Field(
        "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/core/Alert.schema.json",
        description="What '$schema' of a notice says; that of the mission once it has one.",
    )

    # --- one alert for one source ---------------------------------------------------------------
    memory: float = Field(
        _DAY,
        gt=0,
        allow_inf_nan=False,
        description="A source that was not seen for so long is new when it comes back [s].",
    )
    match_radius: float = Field(
        2.0,
        gt=0,
        le=3600,
        description="Rows without an error ellipse are of one source if they are so near [arcsec].",
    )
    update_error: float = Field(
        2.0, gt=1, description="An update is due when the error shrinks by this factor."
    )
    update_far: float = Field(
        10.0, gt=1, description="And when the false-alarm rate falls by this one."
    )
    certain: float = Field(
        1e-12,
        gt=0,
        allow_inf_nan=False,
        description="Below this false-alarm rate nothing becomes more certain [Hz].",
    )
    per_hour: int = Field(
        20,
        ge=1,
        description="Most alerts in an hour, and as many updates; more are held back.",
    )

    # --- what forbids an alert ------------------------------------------------------------------
    flags: tuple[str, ...] = Field(
        HARMLESS_FLAGS, description="Flags that a candidate may have; any other is a veto."
    )
    gti_fraction: float = Field(
        0.5, ge=0, le=1, description="Least share of a window that is good time; 0: not asked."
    )
    max_age: float = Field(
        _HOUR, gt=0, description="Oldest end of the data [s]; inf for archives and simulations."
    )
    clock_tolerance: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="How far data may be ahead of our clock [s]."
    )
    test_inputs: tuple[str, ...] = Field(
        ("test*", "*[!a-z]test*", "*simulat*"),
        description="Names of files, windows or sources of test data: no live alert.",
    )
    injections: tuple[str, ...] = Field(
        ("*inject*",), description="Names of injected signals: their tense is 'injection'."
    )
    keep: float = Field(
        90 * _DAY, gt=0, description="Reasons why there was no alert are kept so long [s]."
    )

    # --- who is told, beside the files ----------------------------------------------------------
    webhooks: dict[PlainName, WebhookOptions] = Field(default_factory=dict)
    kafka: dict[PlainName, KafkaOptions] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _named_if_live(self) -> "AlertOptions":
        if self.tense == "live":
            needed = {"mission": self.mission, "instrument": self.instrument}
            needed |= {"contact": self.contact}
            missing = [name for name, value in needed.items() if not value]
            if self.authority == UNSET_AUTHORITY:
                missing.append("authority")
            if missing:
                raise ValueError(f"live alerts say who speaks: give {', '.join(missing)}")
        return self

    @property
    def destinations(self) -> dict[str, WebhookOptions | KafkaOptions]:
        """Who is told, by the names that the ledger knows them by."""
        found: dict[str, WebhookOptions | KafkaOptions] = {}
        found |= {f"webhook:{name}": options for name, options in self.webhooks.items()}
        found |= {f"kafka:{name}": options for name, options in self.kafka.items()}
        return found

    def require_environment(self) -> None:
        """Check that the environment has the secrets that destinations need.

        Raises
        ------
        ConfigError
            If one is not there; neither it nor an address is in the message.
        """
        for name, destination in self.destinations.items():
            if destination.lacking:
                raise ConfigError(
                    f"Nobody at {name} can be told of alerts: {destination.lacking}.",
                    "Set it where the service is started, or leave this destination out.",
                )
