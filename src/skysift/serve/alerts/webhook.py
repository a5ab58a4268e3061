"""Messages by HTTP POST, signed as Standard Webhooks 1.0 says (https://www.standardwebhooks.com).

Redirections are not followed, proxies of the environment not used, certificates always verified.
The address that is connected to is the one that was checked, whatever the name resolves to later.
"""

import base64
import binascii
import hashlib
import hmac
import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from skysift import __version__
from skysift.serve.alerts.delivery import UndeliveredError
from skysift.serve.alerts.formats import MEDIA_TYPES
from skysift.serve.alerts.options import WebhookOptions
from skysift.serve.alerts.outbox import Message

__all__ = ["Webhook", "signature"]

_PREFIX = "whsec_"
_SUCCESS = range(200, 300)
_BUSY = {429, 503}
_LONGEST_WAIT = 3600.0  # s that a server may ask us to wait


def signature(secret: str, key: str, moment: int, body: bytes) -> str:
    """Return the signature of a message, ``v1,`` and an HMAC-SHA256 in base64.

    Parameters
    ----------
    secret : str
        Shared with the receiver; base64 after ``whsec_``, else text.
    key : str
        Of the message.
    moment : int
        Unix time [s].
    body : bytes

    Examples
    --------
    The example of the specification:

    >>> signature(
    ...     "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ...     "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...     1614265330,
    ...     b'{"test": 2432232314}',
    ... )
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    raw = secret.removeprefix(_PREFIX)
    try:
        known = base64.b64decode(raw, validate=True) if raw != secret else secret.encode()
    except binascii.Error:
        raise UndeliveredError(f"What follows '{_PREFIX}' in the secret is no base64.") from None
    signed = f"{key}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(known, signed, hashlib.sha256)).decode()


class Webhook:
    """A server that is told by HTTP POST.

    Parameters
    ----------
    options : WebhookOptions
    clock : callable
        Returns Unix time [s].
    """

    def __init__(self, options: WebhookOptions, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock

    def send(self, message: Message) -> None:
        """Send a message and wait until the server has confirmed it.

        Raises
        ------
        UndeliveredError
            If it has not, whatever the reason.
        """
        try:
            url = self._options.address
        except ValueError as error:
            raise UndeliveredError(str(error)) from error
        connection = self._connection(url)
        path = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()
        late = threading.Event()
        watch = threading.Timer(self._options.timeout, _hang_up, (connection, late))
        watch.start()  # a server that sends one byte a second keeps within the time of each read
        try:
            connection.request("POST", path or "/", message.body, self._headers(message))
            with connection.getresponse() as reply:
                status, wait = reply.status, reply.headers.get("Retry-After", "")
            if late.is_set():  # then the headers may end where we hung up
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            if late.is_set() or isinstance(error, TimeoutError):  # a read may give up before us
                reason = f"no answer in {self._options.timeout:g} s"
            raise UndeliveredError(reason) from error
        finally:
            watch.cancel()
            connection.close()
        if status not in _SUCCESS:
            seconds = float(wait) if status in _BUSY and wait.isdecimal() else 0.0
            raise UndeliveredError(f"status {status}", wait=min(seconds, _LONGEST_WAIT))

    def close(self) -> None:
        """Do nothing: each message has a connection of its own."""

    def _headers(self, message: Message) -> dict[str, str]:
        moment = int(self._clock())
        headers = {
            "Content-Type": MEDIA_TYPES[message.format],
            "User-Agent": f"skysift/{__version__}",
            "Idempotency-Key": message.key,
            "Webhook-Id": message.key,
            "Webhook-Timestamp": str(moment),
            "Skysift-Tense": message.tense,
        }
        if self._options.secret:
            secret = os.environ.get(self._options.secret, "")
            if not secret:
                raise UndeliveredError(f"the variable {self._options.secret} is not set")
            headers["Webhook-Signature"] = signature(secret, message.key, moment, message.body)
        return headers

    def _connection(self, url: str) -> http.client.HTTPConnection:
        """Return a connection to an address that was checked."""
        parts = urlsplit(url)
        host, timeout = parts.hostname or "", self._options.timeout
        secure = parts.scheme == "https"
        try:
            port = parts.port or (443 if secure else 80)
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError) as error:
            raise UndeliveredError(f"the address cannot be found: {error}") from error
        address = str(found[0][4][0])
        if not self._options.private:
            for one in found:
                if not ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_global:
                    raise UndeliveredError("its address is a private one, which is not allowed")
        if secure:
            return _PinnedTLS(host, port, address, timeout)
        return _Pinned(host, port, address, timeout)


class _Pinned(http.client.HTTPConnection):
    """A connection to a given address, whatever the name of the host resolves to."""

    def __init__(self, host: str, port: int, address: str, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        """Connect to the address."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _PinnedTLS(_Pinned):
    """The same with a certificate for the name of the host."""

    def connect(self) -> None:
        """Connect to the address and verify who is there."""
        super().connect()
        context = ssl.create_default_context()
        secure = context.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock = secure  # so that we can hang up while shaking hands
        secure.do_handshake()


def _hang_up(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """Wake whoever waits for a connection."""
    late.set()
    try:
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself
