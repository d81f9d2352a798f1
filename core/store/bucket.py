"""Files of weights in an object store, by fsspec: an object appears whole once all of it has arrived, or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.store.database import StoreError, one_line

OBJECT_STORE_PACKAGES = "core/store/s3.txt"
PROTOCOLS = ("s3", "gs", "gcs", "az", "abfs", "memory")  # of stores in which an object is written whole; memory: of this process alone
CHECKPOINTS = "epoch-"  # begins the names of their objects


class WeightsBucket:
    """The objects under an address such as s3://bucket/folder. Every method may raise OSError."""

    def __init__(self, address: str) -> None:
        """Connect to the object store. Raises StoreError if its protocol is not known or its package is not installed."""
        protocol = address.partition("://")[0]
        if protocol not in PROTOCOLS:
            known = ", ".join(PROTOCOLS[:-1])
            raise StoreError(f"GATESCOPE_WEIGHTS must be a folder, or an address that begins with {known} and ://; not {address!r}")
        self.address = address.rstrip("/")
        try:
            from fsspec.core import url_to_fs

            self._system, self._root = url_to_fs(self.address, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise StoreError(
                f"weights in {address} need a package: python -m pip install -r {OBJECT_STORE_PACKAGES} ({one_line(error)})"
            ) from None

    def place(self, name: str) -> str:
        """Return the address of an object."""
        return f"{self.address}/{name}"

    def exists(self, name: str) -> bool:
        """Return whether there is such an object."""
        with _os_errors():
            return bool(self._system.exists(self._key(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write an object, in place of any other."""
        with _os_errors():
            self._system.pipe_file(self._key(name), content)

    def read(self, name: str) -> bytes:
        """Return the contents of an object."""
        with _os_errors():
            return bytes(self._system.cat_file(self._key(name)))

    def hash(self, name: str) -> str:
        """Return the SHA-256 of an object's contents."""
        return hashlib.sha256(self.read(name)).hexdigest()

    def state(self, name: str) -> tuple[object, ...] | None:
        """Return the size in bytes and what else changes together with the contents; None where there is no such object."""
        try:
            with _os_errors():
                found: dict[str, Any] = self._system.info(self._key(name))
        except FileNotFoundError:
            return None
        return (found["size"], repr(sorted(found.items()))) if found["type"] == "file" else None

    def checkpoints(self, run_id: int) -> list[str]:
        """Return the names of the objects of a run's checkpoints."""
        return [name for name in self._names(run_id) if name.rpartition("/")[2].startswith(CHECKPOINTS)]

    def delete(self, name: str) -> None:
        """Remove an object."""
        with _os_errors():
            self._system.rm_file(self._key(name))

    def delete_all(self, run_id: int) -> None:
        """Remove all objects of a run, if it has any."""
        for name in self._names(run_id):
            self.delete(name)

    def _names(self, run_id: int) -> list[str]:
        with _os_errors():
            found: list[str] = self._system.find(self._key(str(run_id)))
        return [key.removeprefix(f"{self._root}/") for key in found]

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turn an error of the object store's package, which has classes of its own, into an OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(one_line(error)) from error
