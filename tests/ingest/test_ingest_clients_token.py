"""The front with bearer tokens: from a provider's grant to a statement that is kept."""

import base64
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest

from assay_ingest import admin
from assay_ingest.clients import Clients, Wanted
from assay_runtime.auth_clients import Bound
from assay_testing import Database, KafkaSpace
from ingest_samples import statement
from ingest_service import VERSION, Service, service_on
from oidc_provider import AUDIENCE, OidcProvider, oidc_provider, rsa_key


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with oidc_provider(rsa_key("one"), clients=("rig", "stranger")) as running:
        yield running


@pytest.fixture
async def service(
    postgres: Database, kafka: KafkaSpace, provider: OidcProvider
) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as running:
        await running.start_store()
        await running.start_ingest(oidc_issuer_url=provider.issuer, oidc_audience=AUDIENCE)
        await running.ready()
        yield running


async def test_a_token_sends_what_it_and_its_client_may(
    service: Service, provider: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await admin.put_tenant(service.owner, "t1")
    await admin.put_source(service.owner, "t1", "vr")
    bound = Bound(provider.issuer, "azp", "rig")
    await Clients(service.owner, "operator:op").add(
        Wanted("t1", "rig", "vr", ("statements/write", "statements/read"), bound)
    )

    async def ask(token: str, method: str, **more: object) -> httpx.Response:
        headers = {**VERSION, "Authorization": f"Bearer {token}"}
        url = service.url() + "/xapi/statements"
        return await service.http.request(method, url, headers=headers, **more)  # type: ignore[arg-type]

    token = provider.token("rig", "statements/write state")
    sent = statement(uuid4())
    assert (await ask(token, "POST", json=[sent])).status_code == 200
    # The client may read; this token may not.
    answer = await ask(token, "GET")
    assert (answer.status_code, answer.json()["scope"]) == (403, "statements/read")
    reader = provider.token("rig", "all/read")
    found = await ask(reader, "GET", params={"statementId": sent["id"]})
    assert found.status_code == 200
    # Its authority is that of the client, as with a key.
    assert found.json()["authority"]["account"]["name"] == "rig"
    stranger = await ask(provider.token("stranger", "all"), "GET")
    assert stranger.status_code == 401
    assert stranger.headers["WWW-Authenticate"].startswith("Bearer ")
    for said in (token, reader, base64.b64encode(token.encode()).decode()):
        assert said not in caplog.text
        assert said not in stranger.text + answer.text
