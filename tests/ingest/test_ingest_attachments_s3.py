"""Attachments in an S3 bucket: the same road as in a directory, on an S3 server of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import boto3
import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from assay_ingest.attachments_collect import collect
from assay_ingest.attachments_contents import Contents
from assay_testing import Database, KafkaSpace
from ingest_samples import statement
from ingest_service import READY_SECONDS, VERSION, Service, service_on
from xapi_signing import MIXED, described, mixed

if TYPE_CHECKING:
    from obstore.store import S3Config

HEADERS = {**VERSION, "Content-Type": MIXED}
# Two parts of an S3 upload and a rest: the least that S3 takes as a part is 5 MiB.
LARGE = bytes(range(256)) * (11 * 4096)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the file with the options by which the service opens it."""

    name: str
    credentials: Path
    store: S3Store

    @property
    def url(self) -> str:
        return f"s3://{self.name}/attachments"

    def names(self) -> set[str]:
        """What the bucket holds below the prefix."""
        return {one["path"] for some in obstore.list(self.store) for one in some}


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "aws_region": "us-east-1",
            "aws_endpoint": f"http://{host}:{port}",
        }
        credentials = tmp_path / "s3.json"
        credentials.write_text(json.dumps(options), encoding="utf-8")
        # All servers of one process share their buckets.
        name = f"assay-{uuid4().hex}"
        _s3(options).create_bucket(Bucket=name)
        store = S3Store.from_url(
            f"s3://{name}/attachments",
            config=cast("S3Config", options),
            client_options={"allow_http": True},
        )
        yield Bucket(name, credentials, store)
    finally:
        server.stop()


def _s3(options: dict[str, str]) -> Any:  # boto3 ships no types
    return boto3.client(
        "s3",
        endpoint_url=options["aws_endpoint"],
        aws_access_key_id=options["aws_access_key_id"],
        aws_secret_access_key=options["aws_secret_access_key"],
        region_name=options["aws_region"],
    )


@pytest.fixture
async def service(postgres: Database, kafka: KafkaSpace, bucket: Bucket) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as made:
        await made.start_store(tick_seconds="0.05")
        await made.start_ingest(
            attachments_url=bucket.url,
            attachments_credentials_file=str(bucket.credentials),
            attachment_bytes_max=str(2 * len(LARGE)),
            multipart_bytes_max=str(4 * len(LARGE)),
        )
        await made.ready()
        yield made


async def test_contents_go_into_the_bucket_once_and_come_back(
    service: Service, bucket: Bucket
) -> None:
    client = await service.new_client()
    small = b"a small one"
    sent = statement(attachments=[described(small), described(LARGE)])
    for one in (sent, statement(attachments=[described(LARGE)])):
        contents = [small, LARGE] if one is sent else [LARGE]
        answer = await client.request("POST", content=mixed(one, contents), headers=HEADERS)
        assert answer.status_code == 200, answer.text
    names = {described(content)["sha2"] for content in (small, LARGE)}
    assert bucket.names() == {f"{client.tenant}/{name}" for name in names}
    answer = await client.get(statementId=answer.json()[0], attachments="true")
    kind = answer.headers["content-type"]
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.content)
    assert _contents(message)[1:] == [LARGE]


async def test_what_no_statement_holds_is_taken_out_of_the_bucket(
    service: Service, bucket: Bucket
) -> None:
    client = await service.new_client()
    taken = uuid4()
    assert (await client.put(taken, statement())).status_code == 204
    orphan = mixed(statement(str(taken), attachments=[described(b"orphan")]), [b"orphan"])
    assert (await client.request("POST", content=orphan, headers=HEADERS)).status_code == 409
    assert len(bucket.names()) == 1
    contents = Contents.open(bucket.url, bucket.credentials)
    async with asyncio.timeout(READY_SECONDS):
        # Nothing is taken away before the store has applied all that was acknowledged.
        while not await collect(
            service.owner,
            contents,
            now=datetime.now(UTC),
            grace=timedelta(0),
            topic=service.topic,
            partitions=3,
        ):
            await service.owner.execute("select pg_sleep(0.02)")
    assert bucket.names() == set()


async def test_a_bucket_that_does_not_answer_is_503_and_nothing_is_accepted(
    service: Service, bucket: Bucket
) -> None:
    client = await service.new_client()
    options = json.loads(bucket.credentials.read_text(encoding="utf-8"))
    _s3(options).delete_bucket(Bucket=bucket.name)
    sent = mixed(statement(attachments=[described(b"lost")]), [b"lost"])
    answer = await client.request("POST", content=sent, headers=HEADERS)
    assert answer.status_code == 503, answer.text
    assert await service.log() == []


def _contents(message: Message) -> list[Any]:
    return [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
