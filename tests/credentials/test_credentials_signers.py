"""Whatever holds a key keeps the same contract: a file, a PKCS#11 token (SoftHSM), AWS KMS."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pkcs11
import pytest

from assay_credentials.errors import (
    IssuerKeyMissing,
    KeyFileRefused,
    SignerUnavailable,
    SigningRefused,
)
from assay_credentials.keyring.names import Kind, reference_for
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.keyring.signers import Signers
from assay_credentials.keys import check_signature
from assay_runtime.settings import SettingsError
from kms_double import KmsDouble, Refusal, kms_double
from soft_token import LABEL, soft_token

KINDS: tuple[Kind, ...] = ("file", "pkcs11", "awskms")
DATA = b"\x5a" * 64
"""As long as what an embedded proof signs."""


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsDouble]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the test")
    with kms_double() as double:
        yield double


@pytest.fixture
def settings(kms: KmsDouble, tmp_path: Path) -> KeyringSettings:
    return KeyringSettings.from_environment(
        {
            "ASSAY_SIGNING_KEY_DIR": str(tmp_path / "keys"),
            "ASSAY_AWSKMS_SECONDS": "2",
            **soft_token().environment(),
            **kms.environment(),
        }
    )


def a_reference(kind: Kind) -> str:
    """One that nobody else has: the token is that of the whole test run."""
    return reference_for(kind, f"t{uuid4().hex[:12]}", "main", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_and_is_found_again_under_its_reference(
    settings: KeyringSettings, kind: Kind
) -> None:
    reference = a_reference(kind)
    made = Signers(settings).make(kind, reference)
    check_signature(made.public_key, made.sign(DATA), DATA)
    # Killed before it was written down: the next call finds the key, and makes no second one.
    again = Signers(settings).make(kind, reference)
    opened = Signers(settings).open(kind, reference)
    assert again.public_key == opened.public_key == made.public_key
    # Ed25519 is deterministic: whatever holds the key, the same document is signed the same.
    assert opened.sign(DATA) == made.sign(DATA)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_not_there_is_missing_and_not_made(
    settings: KeyringSettings, kind: Kind
) -> None:
    reference = a_reference(kind)
    for _ in range(2):
        with pytest.raises(IssuerKeyMissing):
            Signers(settings).open(kind, reference)


@pytest.mark.parametrize("kind", KINDS)
def test_several_threads_sign_with_one_key(settings: KeyringSettings, kind: Kind) -> None:
    signer = Signers(settings).make(kind, a_reference(kind))
    messages = [b"%d" % number * 20 for number in range(24)]
    with ThreadPoolExecutor(6) as threads:
        signatures = list(threads.map(signer.sign, messages))
    for message, signature in zip(messages, signatures, strict=True):
        check_signature(signer.public_key, signature, message)


@pytest.mark.parametrize("kind", ["pkcs11", "awskms"])
def test_what_is_not_set_up_is_named(tmp_path: Path, kind: Kind) -> None:
    bare = KeyringSettings(signing_key_dir=tmp_path)
    with pytest.raises(SignerUnavailable, match=f"ASSAY_{kind.upper()}_"):
        Signers(bare).open(kind, "x")


def test_half_a_token_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        KeyringSettings.from_environment(
            {"ASSAY_SIGNING_KEY_DIR": str(tmp_path), "ASSAY_PKCS11_TOKEN": "x"}
        )


def test_a_key_file_that_others_may_read_is_refused(settings: KeyringSettings) -> None:
    reference = a_reference("file")
    Signers(settings).make("file", reference)
    (settings.signing_key_dir / reference).chmod(0o640)
    with pytest.raises(KeyFileRefused, match="640"):
        Signers(settings).open("file", reference)


def test_a_private_key_does_not_leave_its_token(settings: KeyringSettings) -> None:
    reference = a_reference("pkcs11")
    Signers(settings).make("pkcs11", reference)
    token = pkcs11.lib(str(settings.pkcs11_module)).get_token(token_label=LABEL)
    with token.open() as session:
        (key,) = session.get_objects(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
                pkcs11.Attribute.LABEL: reference,
            }
        )
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
        assert key[pkcs11.Attribute.EXTRACTABLE] is False


def test_a_token_that_is_not_there_is_asked_again_later(settings: KeyringSettings) -> None:
    gone = settings.model_copy(update={"pkcs11_token": "unplugged"})
    with pytest.raises(SignerUnavailable, match="unplugged"):
        Signers(gone).open("pkcs11", "x")
    no_module = settings.model_copy(update={"pkcs11_module": Path("/nonexistent.so")})
    with pytest.raises(SignerUnavailable, match="nonexistent"):
        Signers(no_module).open("pkcs11", "x")


# The library ends its searches when they are collected, and theirs is the session that was lost.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_token_that_was_unplugged_signs_when_it_is_back(settings: KeyringSettings) -> None:
    signer = Signers(settings).make("pkcs11", a_reference("pkcs11"))
    # All sessions and the login are lost, as when the device is taken out.
    pkcs11.lib(str(settings.pkcs11_module)).reinitialize()
    with pytest.raises(SignerUnavailable, match="failed"):
        signer.sign(DATA)
    check_signature(signer.public_key, signer.sign(DATA), DATA)


def test_two_keys_of_one_label_are_never_guessed_between(settings: KeyringSettings) -> None:
    reference = a_reference("pkcs11")
    Signers(settings).make("pkcs11", reference)
    token = pkcs11.lib(str(settings.pkcs11_module)).get_token(token_label=LABEL)
    with token.open(rw=True) as session:
        (public,) = session.get_objects(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY,
                pkcs11.Attribute.LABEL: reference,
            }
        )
        public.copy({pkcs11.Attribute.ID: b"second"})
    with pytest.raises(IssuerKeyMissing, match="several"):
        Signers(settings).open("pkcs11", reference)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refusal("ThrottlingException"), SignerUnavailable),
        (Refusal("KMSInternalException", 500), SignerUnavailable),
        (Refusal("AccessDeniedException"), SignerUnavailable),
        (Refusal("KMSInvalidStateException"), IssuerKeyMissing),
    ],
)
def test_what_kms_refuses_is_not_now_or_gone(
    settings: KeyringSettings, kms: KmsDouble, refusal: Refusal, error: type[Exception]
) -> None:
    signer = Signers(settings).make("awskms", a_reference("awskms"))
    kms.refuse = refusal
    with pytest.raises(error, match=refusal.code):
        signer.sign(DATA)
    kms.refuse = None
    check_signature(signer.public_key, signer.sign(DATA), DATA)


def test_a_disabled_key_and_a_silent_service(settings: KeyringSettings, kms: KmsDouble) -> None:
    signer = Signers(settings).make("awskms", a_reference("awskms"))
    kms.disabled.update(kms.keys)
    with pytest.raises(IssuerKeyMissing, match="DisabledException"):
        signer.sign(DATA)
    nobody = settings.model_copy(update={"awskms_endpoint_url": "http://127.0.0.1:1"})
    with pytest.raises(SignerUnavailable, match="EndpointConnectionError"):
        Signers(nobody).open("awskms", "alias/assay/x")


def test_an_alias_that_is_moved_changes_no_signature(
    settings: KeyringSettings, kms: KmsDouble
) -> None:
    reference = a_reference("awskms")
    signer = Signers(settings).make("awskms", reference)
    kms.answer("CreateKey", {"KeySpec": "ECC_NIST_EDWARDS25519"})
    kms.aliases[reference] = list(kms.keys)[-1]
    check_signature(signer.public_key, signer.sign(DATA), DATA)


def test_kms_is_not_asked_for_what_it_cannot_sign(
    settings: KeyringSettings, kms: KmsDouble
) -> None:
    signer = Signers(settings).make("awskms", a_reference("awskms"))
    asked = len(kms.asked)
    signer.sign(b"x" * 4096)
    with pytest.raises(SigningRefused, match="4096"):
        signer.sign(b"x" * 4097)
    assert kms.asked[asked:] == ["Sign"]
