"""Opens signers and makes keys, by kind: a file, a PKCS#11 token, AWS KMS.

The libraries of the last two are extras of the installation, and imported when a key needs them.
"""

from pathlib import Path
from threading import Lock
from typing import Protocol

from assay_credentials.errors import IssuerKeyMissing, SignerUnavailable
from assay_credentials.keyring.names import Kind
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.keys import Signer, load_key_file, load_or_create_key_file


class Box(Protocol):
    """What holds private keys of one kind, each under a reference."""

    def open(self, reference: str) -> Signer:
        """The signer of a key that there is.

        Raises IssuerKeyMissing when it is not there, KeyFileRefused for a file that others may
        read, SignerUnavailable when the box does not answer.
        """
        ...

    def make(self, reference: str) -> Signer:
        """The signer of the key of this reference, which is made where there is none. Raises as
        `open`.
        """
        ...


class Signers:
    """The signers of this process. All of it may wait for a file or the network: call it in a
    thread. Safe to share between threads.
    """

    def __init__(self, settings: KeyringSettings) -> None:
        self._settings = settings
        self._boxes: dict[Kind, Box] = {}
        self._open: dict[tuple[Kind, str], Signer] = {}
        self._opening = Lock()

    def held(self, kind: Kind, reference: str) -> Signer | None:
        """The signer, when it is open already."""
        return self._open.get((kind, reference))

    def open(self, kind: Kind, reference: str) -> Signer:
        """As `Box.open`."""
        with self._opening:
            held = self._open.get((kind, reference))
            if held is None:
                held = self._box(kind).open(reference)
                self._open[(kind, reference)] = held
            return held

    def make(self, kind: Kind, reference: str) -> Signer:
        """As `Box.make`."""
        with self._opening:
            made = self._box(kind).make(reference)
            self._open[(kind, reference)] = made
            return made

    def _box(self, kind: Kind) -> Box:
        if kind not in self._boxes:
            self._boxes[kind] = open_box(kind, self._settings)
        return self._boxes[kind]


class Folder:
    """Keys in files of mode 600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, reference: str) -> Signer:
        try:
            return load_key_file(self._path / reference)
        except FileNotFoundError:
            raise IssuerKeyMissing(
                f"the key file {reference} is not in the folder of keys"
            ) from None

    def make(self, reference: str) -> Signer:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return load_or_create_key_file(self._path / reference)


def open_box(kind: Kind, settings: KeyringSettings) -> Box:
    """What holds the keys of a kind, as the settings say. Raises SignerUnavailable."""
    if kind == "file":
        return Folder(settings.signing_key_dir)
    try:
        if kind == "pkcs11":
            from assay_credentials.keyring.pkcs11_signer import Token

            return Token.of(settings)
        from assay_credentials.keyring.awskms_signer import KeyService

        return KeyService.of(settings)
    except ModuleNotFoundError as error:
        raise SignerUnavailable(
            f"this installation lacks {error.name}: install assay-records[{kind}]"
        ) from error
