"""Damage to the bytes of a file, as disks, networks and attackers do it."""

import random
import struct

NUMBERS = (0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to eight changes: flipped, cut, repeated, moved, or numbers that are too large."""
    for _ in range(chance.randint(1, 8)):
        data = chance.choice((_flip, _cut, _repeat, _swap, _number))(data or b"\0", chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at : at + chance.randint(1, 64)] * chance.randint(2, 20) + data[at:]


def _swap(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[at:] + data[:at]


def _number(data: bytes, chance: random.Random) -> bytes:
    number = chance.choice(NUMBERS)
    made = struct.pack(chance.choice("<>") + "Q", number)[: chance.choice((1, 2, 4, 8))]
    at = chance.randrange(min(len(data), 4096))
    return data[:at] + made + data[at + len(made) :]
