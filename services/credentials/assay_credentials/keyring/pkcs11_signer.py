"""Keys in a PKCS#11 token: a hardware module, or SoftHSM in tests. They never leave it.

Needs version 3.0 of the standard: `CKM_EDDSA` without parameters is pure Ed25519 (section 2.3.14).
"""

from threading import Lock
from typing import Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, SignMixin
from pkcs11.exceptions import (
    NoSuchToken,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from assay_credentials.errors import IssuerKeyMissing, SignerUnavailable
from assay_credentials.keyring.settings import KeyringSettings

_EDWARDS25519: Final = bytes.fromhex("130c656477617264733235353139")
"""The curve as a PrintableString, which SoftHSM 2.6 and the standard's own text both take."""

_POINT_DER: Final = b"\x04\x20"
"""An OCTET STRING of 32 bytes; some modules give the bytes without it."""


class Token:
    """One token, by one session: a session is for one thread at a time, hence the lock."""

    def __init__(self, module: str, label: str, pin: str) -> None:
        self._module = module
        self._label = label
        self._pin = pin
        self._session: pkcs11.Session | None = None
        self._keys: dict[str, SignMixin] = {}
        self._using = Lock()

    @classmethod
    def of(cls, settings: KeyringSettings) -> "Token":
        """Opens nothing yet. Raises SignerUnavailable when it is not set up."""
        module, label, pin = settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_pin_file
        if module is None or label is None or pin is None:
            raise SignerUnavailable("ASSAY_PKCS11_MODULE is not set, and a key is in a token")
        try:
            return cls(str(module), label, pin.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise SignerUnavailable(f"the file of the PIN: {error.strerror}") from error

    def open(self, reference: str) -> "TokenSigner":
        """As `signers.Box`."""
        with self._using:
            public = self._public(reference)
        if public is None:
            raise IssuerKeyMissing(f"the token {self._label} has no key {reference}")
        return TokenSigner(self, reference, public)

    def make(self, reference: str) -> "TokenSigner":
        """As `signers.Box`."""
        with self._using:
            public = self._public(reference) or self._generated(reference)
        return TokenSigner(self, reference, public)

    def sign(self, reference: str, data: bytes) -> bytes:
        """The signature by the key of this label. Raises SignerUnavailable, IssuerKeyMissing."""
        with self._using:
            try:
                signature = self._private(reference).sign(data, mechanism=Mechanism.EDDSA)
            except PKCS11Error as error:
                raise self._away(error) from error
        return signature

    def _private(self, reference: str) -> SignMixin:
        held = self._keys.get(reference)
        if held is not None:
            return held
        found = list(
            self._opened().get_objects(
                {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: reference}
            )
        )
        if len(found) != 1 or not isinstance(found[0], SignMixin):
            raise IssuerKeyMissing(
                f"the token {self._label} has {len(found)} private keys {reference}, wanted is one"
            )
        self._keys[reference] = found[0]
        return found[0]

    def _public(self, reference: str) -> bytes | None:
        """The public half; None when there is no such key."""
        try:
            found = list(
                self._opened().get_objects(
                    {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: reference}
                )
            )
            if not found:
                return None
            if len(found) > 1:
                raise IssuerKeyMissing(f"the token {self._label} has several keys {reference}")
            return _raw(found[0][Attribute.EC_POINT])
        except PKCS11Error as error:
            raise self._away(error) from error

    def _generated(self, reference: str) -> bytes:
        try:
            curve = self._opened().create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _EDWARDS25519}, local=True
            )
            public, _ = curve.generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=reference,
                id=reference.encode(),
                private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
            return _raw(public[Attribute.EC_POINT])
        except PKCS11Error as error:
            raise self._away(error) from error

    def _opened(self) -> pkcs11.Session:
        if self._session is None:
            self._session = self._logged_in()
        return self._session

    def _logged_in(self) -> pkcs11.Session:
        try:
            token = pkcs11.lib(self._module).get_token(token_label=self._label)
            try:
                return token.open(rw=True, user_pin=self._pin)
            except UserAlreadyLoggedIn:
                # The login belongs to the process, not to the session.
                return token.open(rw=True)
        except (NoSuchToken, PinIncorrect, PinLocked) as error:
            raise SignerUnavailable(
                f"the token {self._label} does not open: {type(error).__name__}"
            ) from error
        except RuntimeError as error:
            # PKCS11Error is one, too; the library itself could not be loaded.
            raise SignerUnavailable(f"the module {self._module} does not open: {error}") from error

    def _away(self, error: PKCS11Error) -> SignerUnavailable:
        """A session that failed is not used again: the token may have been unplugged."""
        self._session = None
        self._keys.clear()
        return SignerUnavailable(f"the token {self._label} failed: {type(error).__name__}")


class TokenSigner:
    """One key of a token, as `keys.Signer`."""

    def __init__(self, token: Token, reference: str, public_key: bytes) -> None:
        self._token = token
        self._reference = reference
        self._public_key = public_key

    @property
    def public_key(self) -> bytes:
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        return self._token.sign(self._reference, data)


def _raw(point: bytes) -> bytes:
    raw = point[2:] if point[:2] == _POINT_DER else point
    if len(raw) != 32:
        raise IssuerKeyMissing("the key of the token is not Ed25519")
    return bytes(raw)
