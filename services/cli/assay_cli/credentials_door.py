"""The credentials service's front door as a command uses it; like the aggregator's."""

from collections.abc import Mapping
from typing import Any, ClassVar

from assay_cli.aggregator_door import AggregatorDoor, Json


class CredentialsDoor(AggregatorDoor):
    """An open connection to the credentials service, with one API client's key."""

    service: ClassVar[str] = "credentials"
    called: ClassVar[str] = "the credentials service"

    def upload(self, path: str, content: bytes, media_type: str) -> Json:
        """The JSON answer to a body of bytes. Raises StackError."""
        return self._json("POST", path, content=content, headers={"Content-Type": media_type})

    def content(
        self, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> bytes:
        """The bytes of an answer, to GET or, with a body, to POST. Raises StackError."""
        if body is None:
            return self._answer("GET", path, params=dict(query)).content
        return self._answer("POST", path, params=dict(query), json=dict(body)).content
