"""The part of a service's configuration that is about watching over it."""

import ipaddress

from pydantic import Field, field_validator

from skysift.core.config import Config

__all__ = ["OperationsOptions", "address_of"]

MIB = 2**20
_PORTS = 65_536


class OperationsOptions(Config):
    """What is measured, what counts as healthy, and where both can be read.

    Examples
    --------
    >>> OperationsOptions(listen="9464").address
    ('127.0.0.1', 9464)
    >>> OperationsOptions().address is None
    True
    """

    listen: str = Field(
        "",
        description="Where /metrics and /healthz are answered: a port on this machine alone, or "
        "address:port. Nowhere if empty.",
    )
    deadline: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="From the arrival of a record to its published answer [s]: later is missed.",
    )
    recent: int = Field(
        5000, ge=100, le=100_000, description="Percentiles are of so many answered records."
    )
    stall: float = Field(
        600.0,
        gt=0,
        le=86_400,
        description="Not alive if the service has not come round for so long [s].",
    )
    oldest: float = Field(
        600.0, gt=0, allow_inf_nan=False, description="A record may be pending for so long [s]."
    )
    room: int = Field(
        1024 * MIB, ge=0, description="What has to be free on the disk of the sink [byte]."
    )
    stale_after: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="A bundle that was made longer ago is refused [day].",
    )
    bundle_hash: str = Field(
        "",
        pattern=r"^([0-9a-f]{12,64})?$",
        description="The hash that the bundle must have, or its beginning; any other is refused.",
    )

    @field_validator("listen", mode="before")
    @classmethod
    def _a_port(cls, given: object) -> object:
        """Take a port as the number that it is, e.g. of --set operations.listen=9464."""
        return str(given) if type(given) is int else given

    @field_validator("listen")
    @classmethod
    def _an_address(cls, text: str) -> str:
        if text:
            address_of(text)
        return text

    @property
    def address(self) -> tuple[str, int] | None:
        """Where to listen; None for nowhere."""
        return address_of(self.listen) if self.listen else None


def address_of(text: str) -> tuple[str, int]:
    """Return address and port; a port alone is one on this machine.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> address_of("[::1]:9464"), address_of("0.0.0.0:80")
    (('::1', 9464), ('0.0.0.0', 80))
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) < _PORTS):
        raise ValueError(f"'{text}' is not of the form address:port")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(
            f"'{host}' is no address of the Internet Protocol; give numbers, not a name"
        ) from None
    return host, int(port)
