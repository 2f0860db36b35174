"""The error family of the credentials service."""


class CredentialsError(Exception):
    """Base of every error that this service raises on purpose."""


class DocumentRefused(CredentialsError):
    """A document breaks a rule that a genuine credential keeps. `rule` is a stable code, the text
    names the field.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class DocumentUnsupported(CredentialsError):
    """A document may be genuine, but uses something that this service does not process, or is too
    big for it.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class SignatureInvalid(CredentialsError):
    """The signature does not belong to this document and key."""


class StatusListUnusable(CredentialsError):
    """A status list says nothing that may be relied on: the answer is "could not check", never
    "not revoked".
    """


class KeyFileRefused(CredentialsError):
    """A key file is readable by others, is not a regular file, or holds no Ed25519 key."""


class BadgeRefused(CredentialsError):
    """The facts given cannot make a truthful badge; the text names the field."""


class TemplateRefused(CredentialsError):
    """A template cannot be proposed, approved or ended like this; the text says why."""


class ImageRefused(CredentialsError):
    """A picture that is no plain PNG or SVG, or too large."""


class EventUnreadable(CredentialsError):
    """A record of the competencies topic is not an event that a writer of ours makes."""


class NoSuchStep(CredentialsError):
    """A credential and an event meet in a way that the table of actions does not hold."""


class SelfCheckFailed(CredentialsError):
    """What was signed did not pass our own verifier; it is not published."""


class IssuerUnknown(CredentialsError):
    """A tenant has no issuer of this name."""


class KeyRefused(CredentialsError):
    """An operator asks something of an issuer or a key that cannot be; the text says why."""


class SignerUnavailable(CredentialsError):
    """What holds a key does not answer now, or is not set up: the same may succeed later."""


class SigningRefused(CredentialsError):
    """What holds a key cannot sign this, now or later."""


class IssuerKeyMissing(CredentialsError):
    """A tenant has signed before, but its key file is not there. A new key is never made in its
    place: what the old one signed could not be followed any more.
    """
