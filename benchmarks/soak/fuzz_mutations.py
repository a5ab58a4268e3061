"""Seeded damage to files: of bytes, of FITS cards, of lengths, and of JSON."""

import json
import struct
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["mutated", "mutated_json"]

_BLOCK = 2880
_CARD = 80
_EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")
_INTEGERS = (0, 1, -1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
_KEYWORDS = (
    b"NAXIS", b"BITPIX", b"TFORM", b"THEAP", b"PCOUNT", b"GCOUNT", b"BSCALE", b"BZERO", b"BLANK",
    b"TFIELDS", b"TDIM", b"TTYPE", b"TUNIT", b"TSCAL", b"TZERO", b"TNULL", b"ZNAXIS", b"ZTILE",
    b"ZCMPTYPE", b"ZBITPIX", b"ZVAL", b"ZQUANTIZ", b"XTENSION", b"EXTNAME", b"CRPIX", b"CRVAL",
    b"CDELT", b"CD", b"CTYPE", b"MJDREF", b"TSTART", b"TSTOP", b"LIVETIME", b"ONTIME", b"DATE",
)  # fmt: skip
_CARD_VALUES = (
    b"0", b"1", b"-1", b"2", b"999", b"2147483647", b"2147483648", b"9223372036854775807",
    b"18446744073709551616", b"99999999999999999999999999999999999999", b"-2147483648", b"1E400",
    b"-1E308", b"1E-320", b"NaN", b"T", b"F", b"''", b"'1PE(2147483647)'", b"'1QD(99)'", b"'0A'",
    b"'2147483647D'", b"'-1J'", b"'E'", b"'(2147483647,2147483647)'", b"'GZIP_2'", b"'RICE_1'",
    b"'PLIO_1'", b"'HCOMPRESS_1'", b"'NOCOMPRESS'", b"'\xff\xfe'", b"'deg'", b"'TeV'", b"", b"'",
    b"1 / 2 / 3", b"(1,2)", b"1.5", b"'BINTABLE'", b"'IMAGE'", b"'EVENTS'", b"'RA---TPV'",
)  # fmt: skip
_TEXTS = (
    "", "\x00", "\ud7ff", "1e400", "nan", "../../etc/passwd", "/dev/zero", "\u202e", "A" * 10_000,
    "__class__", "inf", "=1+1",
)  # fmt: skip
_VALUES = (
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**400, -1e308, 1e-320, 0.5, [], {}, [[]],
    *_TEXTS,
)  # fmt: skip

Random = np.random.Generator
Mutation = Callable[[bytearray, Sequence[bytes], Random], bytearray]


def mutated(data: bytes, others: Sequence[bytes], rng: Random, *, is_fits: bool) -> bytes:
    """Return a damaged copy.

    Parameters
    ----------
    data : bytes
        What is damaged.
    others : sequence of bytes
        Files of the same kind, to splice with.
    rng : numpy.random.Generator
        Decides.
    is_fits : bool
        Whether half of the damage is done to cards.
    """
    found = bytearray(data)
    for _ in range(int(rng.geometric(0.5))):
        if not found:
            break
        if is_fits and rng.random() < 0.5:  # half
            _change_card(found, rng)
        else:
            found = _MUTATIONS[rng.integers(len(_MUTATIONS))](found, others, rng)
    return bytes(found)


def mutated_json(data: bytes, rng: Random) -> bytes:
    """Return JSON with one to three of its nodes changed, removed or nested."""
    tree = json.loads(data)
    for _ in range(int(rng.integers(1, 4))):
        tree = _change_node(tree, rng)
    text = json.dumps(tree)
    if rng.random() < 0.1:  # some
        depth = int(rng.choice([100, 5_000, 200_000]))
        bracket = "[" if rng.random() < 0.5 else '{"a":'  # half
        text = text.replace("null", bracket * depth, 1) if "null" in text else bracket * depth
    if rng.random() < 0.05:  # a few
        text = text.replace(":", ": NaN,", 1)
    return text.encode(errors="surrogatepass")


def _flip(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    for at in rng.integers(len(data), size=int(rng.geometric(0.2))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _flip_early(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    """Headers and counts stand at the beginning."""
    most = min(len(data), 4096)
    for at in rng.integers(most, size=int(rng.geometric(0.3))):
        data[at] = int(rng.integers(256))
    return data


def _flip_late(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    """Footers stand at the end."""
    most = min(len(data), 2048)
    for at in rng.integers(most, size=int(rng.geometric(0.3))):
        data[len(data) - 1 - at] = int(rng.integers(256))
    return data


def _truncate(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    return data[: int(rng.integers(len(data)))]


def _insert(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    at = int(rng.integers(len(data)))
    new = rng.bytes(int(rng.integers(1, 64)))
    if rng.random() < 0.5:  # half
        new = _EXTREMES[rng.integers(len(_EXTREMES))] * int(rng.choice([1, 8, 80, _BLOCK]))
    return data[:at] + new + data[at:]


def _remove(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    at = int(rng.integers(len(data)))
    return data[:at] + data[at + int(rng.choice([1, 4, 80, _BLOCK, 10_000])) :]


def _repeat(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    at = int(rng.integers(len(data)))
    piece = data[at : at + int(rng.choice([4, 80, _BLOCK, 10_000]))]
    return data[:at] + piece * int(rng.integers(2, 6)) + data[at:]


def _splice(data: bytearray, others: Sequence[bytes], rng: Random) -> bytearray:
    other = others[rng.integers(len(others))]
    share = rng.random()
    return data[: int(share * len(data))] + other[int(share * len(other)) :]


def _put_integer(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    """Lengths and counts are integers of some width and order."""
    value = int(_INTEGERS[rng.integers(len(_INTEGERS))])
    code = str(rng.choice(["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"]))
    new = struct.pack(code, value % 256 ** struct.calcsize(code))
    at = int(rng.integers(max(1, len(data) - len(new))))
    data[at : at + len(new)] = new
    return data


def _fill(data: bytearray, _: Sequence[bytes], rng: Random) -> bytearray:
    at, size = int(rng.integers(len(data))), int(rng.choice([1, 4, 16, 80, 1000]))
    size = min(size, len(data) - at)
    data[at : at + size] = _EXTREMES[rng.integers(len(_EXTREMES))] * size
    return data


_MUTATIONS: Sequence[Mutation] = (
    _flip, _flip_early, _flip_late, _truncate, _insert, _remove, _repeat, _splice, _put_integer,
    _fill,
)  # fmt: skip


def _change_card(data: bytearray, rng: Random) -> None:
    """Give a card another value, another place, or another keyword."""
    places = [
        at
        for at in range(0, min(len(data), 60 * _BLOCK), _CARD)
        if data[at : at + _CARD][:8].rstrip(b"0123456789 ") in _KEYWORDS
    ]
    if not places:
        return
    at = places[rng.integers(len(places))]
    choice = rng.random()
    if choice < 0.8:  # most
        value = _CARD_VALUES[rng.integers(len(_CARD_VALUES))]
        data[at : at + _CARD] = (bytes(data[at : at + 8]) + b"= " + value.rjust(20)).ljust(_CARD)
    elif choice < 0.9:  # some
        other = places[rng.integers(len(places))]
        data[at : at + _CARD], data[other : other + _CARD] = (
            data[other : other + _CARD],
            data[at : at + _CARD],
        )
    else:
        keyword = _KEYWORDS[rng.integers(len(_KEYWORDS))]
        data[at : at + 8] = (keyword + str(int(rng.integers(1, 1000))).encode())[:8].ljust(8)


def _change_node(tree: object, rng: Random) -> object:
    """Return a tree with one node at random replaced."""
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.15:  # deep ones, mostly
        value = _VALUES[rng.integers(len(_VALUES))]
        return [tree, value] if rng.random() < 0.2 else value  # some
    if isinstance(tree, list):
        at = int(rng.integers(len(tree)))
        if rng.random() < 0.1:  # some
            return tree[:at] + tree[at + 1 :]
        return [*tree[:at], _change_node(tree[at], rng), *tree[at + 1 :]]
    key = list(tree)[rng.integers(len(tree))]
    choice = rng.random()
    if choice < 0.1:  # some
        return {name: value for name, value in tree.items() if name != key}
    if choice < 0.15:  # a few
        return {**tree, str(_TEXTS[rng.integers(len(_TEXTS))]): tree[key]}
    return {**tree, key: _change_node(tree[key], rng)}
