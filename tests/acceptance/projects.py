# SPDX-License-Identifier: Apache-2.0
"""Two or three CDF projects of a running sandbox, as the acceptance tests see them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.cdf.options import DatapointOptions, Options, RawOptions
from airflow_provider_replicator.core.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse, Transport
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

Doc = dict[str, Any]

#: Waits between retries short enough for tests; everything else as a user gets it.
SETTINGS = ClientSettings(retry=RetryPolicy(first_wait=0.01, longest_wait=0.05))


@dataclass(frozen=True, slots=True)
class Project:
    """A user with the API and no library."""

    sandbox: RunningSandbox
    name: str

    def call(self, method: str, path: str, payload: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.sandbox.token}", "content-type": "application/json"}
        return self.sandbox.control.call(method, f"/api/v1/projects/{self.name}{path}", payload, headers)

    def create(self, path: str, *items: Doc) -> list[Doc]:
        found: list[Doc] = []
        for start in range(0, len(items), 1000):
            found += self.call("POST", path, {"items": items[start : start + 1000]})["items"]
        return found

    def update(self, path: str, doc: Doc, **patch: Any) -> None:
        self.call("POST", f"{path}/update", {"items": [{"id": doc["id"], "update": patch}]})

    def delete(self, path: str, doc: Doc, **options: Any) -> None:
        self.call("POST", f"{path}/delete", {"items": [{"id": doc["id"]}], **options})

    def all(self, path: str) -> list[Doc]:
        found: list[Doc] = []
        body: Doc = {"limit": 1000}
        while True:
            answer = self.call("POST", f"{path}/list", body)
            found += answer["items"]
            if not answer.get("nextCursor"):
                return found
            body["cursor"] = answer["nextCursor"]

    def by_key(self, path: str) -> dict[str, Doc]:
        """The documents that have an external id."""
        return {doc["externalId"]: doc for doc in self.all(path) if "externalId" in doc}

    def points(self, external_id: str) -> list[Any]:
        item = {
            "externalId": external_id,
            "start": -2_208_988_800_000,
            "end": 4_102_444_800_000,
            "limit": 100_000,
            "includeStatus": True,
            "ignoreBadDataPoints": False,
            "treatUncertainAsBad": False,
        }
        answer = self.call("POST", "/timeseries/data/list", {"items": [item]})
        return [
            (p["timestamp"], p.get("value"), p.get("status", {}).get("code", 0))
            for p in answer["items"][0]["datapoints"]
        ]

    def insert(self, external_id: str, *points: tuple[int, Any]) -> None:
        datapoints = [{"timestamp": timestamp, "value": value} for timestamp, value in points]
        self.call("POST", "/timeseries/data", {"items": [{"externalId": external_id, "datapoints": datapoints}]})


@dataclass(slots=True)
class Watched:
    """A transport that shows requests to ``before`` and answers to ``after``."""

    inner: Transport
    before: Callable[[HttpRequest], HttpResponse | None] = lambda _: None
    after: Callable[[HttpRequest, HttpResponse], None] = lambda _request, _response: None

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = self.before(request)
        if answer is None:
            answer = await self.inner.send(request)
        self.after(request, answer)
        return answer

    async def close(self) -> None:
        await self.inner.close()


@dataclass(slots=True)
class Pair:
    """A source, a target, and the engine between them."""

    source: Project
    target: Project
    #: how to wrap the transports, by role
    wrap: dict[str, Callable[[Transport], Transport]] = field(default_factory=dict)

    def _client(self, project: Project, role: str) -> CdfClient:
        token = StaticToken(project.sandbox.token)
        transport: Transport = AiohttpTransport(project.sandbox.base_url, project.name, token, settings=SETTINGS)
        if role in self.wrap:
            transport = self.wrap[role](transport)
        return CdfClient(transport, project=project.name, settings=SETTINGS)

    def run(self, program: Callable[[CdfClient, CdfClient], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            async with self._client(self.source, "source") as source, self._client(self.target, "target") as target:
                return await program(source, target)

        return asyncio.run(main())

    def replicate(self, *resources: str, **options: Any) -> dict[str, Report]:
        """Run the object engine for each resource, in the order given."""
        from airflow_provider_replicator.cdf.objects.replicate import replicate_objects

        async def program(source: CdfClient, target: CdfClient) -> dict[str, Report]:
            given = Options(**options)
            return {
                name: await replicate_objects(name, source=source, target=target, options=given) for name in resources
            }

        reports: dict[str, Report] = self.run(program)
        return reports

    def replicate_points(self, **options: Any) -> Report:
        from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints

        given = DatapointOptions(**options)
        report: Report = self.run(
            lambda source, target: replicate_datapoints(source=source, target=target, options=given)
        )
        return report

    def replicate_rows(self, **options: Any) -> Report:
        from airflow_provider_replicator.cdf.raw.replicate import replicate_raw

        given = RawOptions(**options)
        report: Report = self.run(lambda source, target: replicate_raw(source=source, target=target, options=given))
        return report

    def verify(self, *resources: str, **more: Any) -> Any:
        """Raises VerificationError unless the target holds exactly what the source holds."""
        from airflow_provider_replicator.cdf.verify.run import verify

        given = {"level": "full", "allow_extra": False, **more}
        return self.run(lambda source, target: verify(resources, source=source, target=target, **given))
