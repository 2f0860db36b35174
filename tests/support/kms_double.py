"""AWS KMS on the wire, as far as signing with Ed25519 goes, for tests.

moto knows no Ed25519 keys. This double holds real ones and speaks the JSON protocol that boto3's
own client speaks; what it takes is checked against the service model that ships with botocore. That
Amazon's service does the same, only a test against it can show.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import botocore.session
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

REGION = "eu-west-2"
MESSAGE_BYTES_MAX = 4096


class Refusal(Exception):
    """What the service answers in place of a result."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class KmsDouble:
    """Keys and aliases. `refuse` is answered to everything, while it is set."""

    def __init__(self) -> None:
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.aliases: dict[str, str] = {}
        self.disabled: set[str] = set()
        self.refuse: Refusal | None = None
        self.asked: list[str] = []
        self.endpoint_url = ""
        self._model = botocore.session.get_session().get_service_model("kms")

    def environment(self) -> dict[str, str]:
        """The settings of a service that keeps keys in it."""
        return {"ASSAY_AWSKMS_REGION": REGION, "ASSAY_AWSKMS_ENDPOINT_URL": self.endpoint_url}

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        if self.refuse is not None:
            raise self.refuse
        self._check(operation, given)
        if operation == "CreateKey":
            key = f"arn:aws:kms:{REGION}:111122223333:key/{uuid4()}"
            self.keys[key] = Ed25519PrivateKey.generate()
            return {"KeyMetadata": {"KeyId": key, "Arn": key, "KeySpec": given["KeySpec"]}}
        if operation == "CreateAlias":
            if given["AliasName"] in self.aliases:
                raise Refusal("AlreadyExistsException")
            self.aliases[given["AliasName"]] = given["TargetKeyId"]
            return {}
        key = self.aliases.get(given["KeyId"], given["KeyId"])
        if key not in self.keys:
            raise Refusal("NotFoundException")
        if key in self.disabled:
            raise Refusal("DisabledException")
        if operation == "GetPublicKey":
            der = (
                self.keys[key]
                .public_key()
                .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            )
            return {
                "KeyId": key,
                "PublicKey": base64.b64encode(der).decode(),
                "KeySpec": "ECC_NIST_EDWARDS25519",
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
            }
        message = base64.b64decode(given["Message"], validate=True)
        if given["MessageType"] != "RAW" or given["SigningAlgorithm"] != "ED25519_SHA_512":
            raise Refusal("ValidationException")
        if len(message) > MESSAGE_BYTES_MAX:
            raise Refusal("ValidationException")
        return {
            "KeyId": key,
            "Signature": base64.b64encode(self.keys[key].sign(message)).decode(),
            "SigningAlgorithm": given["SigningAlgorithm"],
        }

    def _check(self, operation: str, given: dict[str, Any]) -> None:
        """Every member and every word must be one of the service model."""
        shape = self._model.operation_model(operation).input_shape
        for name, value in given.items():
            if name not in shape.members:
                raise Refusal("ValidationException")
            words = getattr(shape.members[name], "enum", None)
            if words and value not in words:
                raise Refusal("ValidationException")
        if not set(shape.required_members) <= given.keys():
            raise Refusal("ValidationException")


@contextmanager
def kms_double() -> Iterator[KmsDouble]:
    """The double, listening on this machine."""
    double = KmsDouble()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].removeprefix("TrentService.")
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, content = 200, double.answer(operation, given)
            except Refusal as refusal:
                status, content = refusal.status, {"__type": refusal.code, "message": "refused"}
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests' own output says enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    double.endpoint_url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
