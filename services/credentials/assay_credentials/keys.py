"""Signing keys behind an interface: a file with mode 600 today, PKCS#11 or a cloud KMS later.

Nothing but the signer ever sees the private key; the rest of the service asks for signatures over
bytes.
"""

import os
import stat
from pathlib import Path
from tempfile import mkstemp
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from assay_credentials.errors import KeyFileRefused, SignatureInvalid

_MAX_KEY_FILE_BYTES = 4096


class Signer(Protocol):
    """Whatever holds an Ed25519 key."""

    @property
    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature (RFC 8032) of `data`, 64 bytes."""
        ...


class Ed25519Signer:
    """A key held in this process."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self._public_key = private_key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519Signer":
        """The key of a 32-byte seed (RFC 8032 section 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public_key(self) -> bytes:
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        return self._private_key.sign(data)


def check_signature(public_key: bytes, signature: bytes, data: bytes) -> None:
    """Return when `signature` is that of `data` under the raw key. Raises SignatureInvalid."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise SignatureInvalid("the signature does not fit the document and the key") from error


def load_or_create_key_file(path: Path) -> Ed25519Signer:
    """The signer of the PKCS#8 PEM file at `path`; a new random key is written there when there is
    none.

    Two processes that start at once get the same key: the file is made under another name and
    linked into place, which fails for the second. Raises KeyFileRefused (see `load_key_file`) and
    OSError.
    """
    try:
        return load_key_file(path)
    except FileNotFoundError:
        _create_key_file(path)
    return load_key_file(path)


def load_key_file(path: Path) -> Ed25519Signer:
    """The signer of the PKCS#8 PEM file at `path`.

    Raises KeyFileRefused when group or others have any right on it, when it is a link or no
    regular file, and when it holds no Ed25519 key; FileNotFoundError when there is none.
    """
    # O_NOFOLLOW and fstat of the opened file: what is checked is what is read.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFileRefused(f"the key file {path} cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileRefused(f"the key file {path} is not a regular file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise KeyFileRefused(
                f"the key file {path} has mode {stat.S_IMODE(status.st_mode):o}, wanted is 600: "
                "others could have copied the key"
            )
        content = file.read(_MAX_KEY_FILE_BYTES)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileRefused(f"the key file {path} holds no unencrypted PKCS#8 key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileRefused(f"the key file {path} holds a key that is not Ed25519")
    return Ed25519Signer(key)


def _create_key_file(path: Path) -> None:
    content = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    # mkstemp makes a file of mode 600 under a name that nobody else has.
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)
        except FileExistsError:
            # Another process was first; its key is the key.
            return
        # A key that signed something must survive a power cut, so its directory entry is forced
        # out too.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        unfinished.unlink()
