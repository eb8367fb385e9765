# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yaml against the Compose specification's own schema, and against everything it names.

Docker is not needed: the schema comes with the package check-jsonschema.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shlex
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from airflow_provider_replicator.lake.connection import read_lake_connection
from airflow_provider_replicator.sandbox.s3 import serve
from scripts import image_pins, setup_airflow
from tests.demo import couches

REPOSITORY = Path(__file__).resolve().parent.parent
COMPOSE = REPOSITORY / "docker-compose.yaml"
#: In the package check-jsonschema, which carries the official schema.
SCHEMA = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
DOCKERFILE = REPOSITORY / "docker" / "Dockerfile"
#: Runs once and ends: others wait for its success, not for its health.
ONE_SHOT = {"init", "couchdb-documents"}
#: Ports of the host, which have defaults. All other variables are secrets.
PORTS = {"AIRFLOW_PORT", "COUCHDB_SOURCE_PORT", "COUCHDB_TARGET_PORT"}
COUCHDB = ("couchdb-source", "couchdb-target")
#: Airflow connection id, and the service it leads to.
CLOUDANT = tuple(zip(setup_airflow.CLOUDANT_CONNECTIONS, COUCHDB, strict=True))
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def variables() -> dict[str, set[str]]:
    """Name -> the ways in which the compose file asks for it (``:?message``, ``:-default``, nothing)."""
    found: dict[str, set[str]] = {}
    for match in VARIABLE.finditer(COMPOSE.read_text()):
        found.setdefault(match["name"], set()).add(match["rest"])
    return found


def dockerfile(instruction: str) -> list[list[str]]:
    lines = DOCKERFILE.read_text().splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith(instruction + " ")]


def dockerfile_text() -> str:
    return DOCKERFILE.read_text()


def command_lines(services: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Everything a container executes: entry points, commands and health checks."""
    lines: list[tuple[str, list[str]]] = []
    for name, service in services.items():
        lines += [(name, service[key]) for key in ("entrypoint", "command") if key in service]
        if "healthcheck" in service:
            lines.append((name, service["healthcheck"]["test"][1:]))
    return lines


def test_it_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    schema_file = distribution("check-jsonschema").locate_file(SCHEMA)
    schema = json.loads(Path(str(schema_file)).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(compose)] == []
    broken = {**compose, "services": {"x": {"image": "x", "helthcheck": {}}}}
    assert not validator.is_valid(broken), "the schema refuses nothing"


def test_the_parts_of_an_airflow_are_there(services: dict[str, dict[str, Any]]) -> None:
    airflow = {"init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert {"postgres", "sandbox", "s3", *COUCHDB, *airflow} <= set(services)


def test_every_service_has_a_health_check_or_runs_once(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert ("healthcheck" in service) != (name in ONE_SHOT), name
        if name not in ONE_SHOT:
            assert service["healthcheck"]["test"][0] == "CMD", name
            assert service["restart"] == "unless-stopped", name


def test_what_is_waited_for_can_happen(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, f"{name} waits for {other}"


def test_nobody_waits_in_a_circle(services: dict[str, dict[str, Any]]) -> None:
    waiting = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    while waiting:
        ready = {name for name, others in waiting.items() if not others & set(waiting)}
        assert ready, waiting
        waiting = {name: others for name, others in waiting.items() if name not in ready}


def test_secrets_have_no_default_and_say_what_to_do() -> None:
    secrets = {name: ways for name, ways in variables().items() if name not in PORTS}
    assert secrets
    for name, ways in secrets.items():
        assert all(way.startswith(":?") and ".env" in way for way in ways), f"{name}: {ways}"


def test_secrets_come_from_variables_only(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|SECRET|TOKEN|FERNET", name):
                assert VARIABLE.fullmatch(value), name
    assert not [line for _, line in command_lines(services) if any(VARIABLE.search(part) for part in line)]


def test_the_example_names_every_secret_and_gives_none() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(given) == set(variables()) - PORTS
    assert set(given.values()) == {""}


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    on_host = re.findall(r":\$\{(\w+):-(\d+)\}:", " ".join(published))
    assert {name for name, _ in on_host} == PORTS
    assert len({number for _, number in on_host}) == len(published)


def test_the_sandbox_shares_loopback_with_the_tasks(services: dict[str, dict[str, Any]]) -> None:
    """It binds to 127.0.0.1; everything that talks to it has to be in its network namespace."""
    for name in ("sandbox", "s3", "init", "api-server", "scheduler", "triggerer"):
        assert services[name]["network_mode"] == "service:pod"
        assert "ports" not in services[name], "Docker refuses ports in somebody else's namespace"
    port = services["sandbox"]["environment"]["SANDBOX_PORT"]
    assert services["init"]["environment"]["SANDBOX_URL"] == f"http://127.0.0.1:{port}"


def test_the_lake_is_the_one_that_airflow_is_told_of(services: dict[str, dict[str, Any]]) -> None:
    """What the service runs and how its health is asked are options of the sandbox, and the connection leads there."""
    service, environment = services["s3"], services["init"]["environment"]
    parser = argparse.ArgumentParser()
    serve.arguments(parser)
    run = parser.parse_args(service["entrypoint"][4:])
    healthy = parser.parse_args(service["healthcheck"]["test"][5:])
    assert (run.healthy, healthy.healthy, run.access_key) == (False, True, "sandbox")
    assert (run.port, run.bucket) == (healthy.port, healthy.bucket)
    assert [f"lake:{run.data}"] == service["volumes"]
    assert str(run.data) in dockerfile_text()
    assert environment["SANDBOX_S3_SECRET_KEY"] == service["environment"]["SANDBOX_S3_SECRET_KEY"]
    fields = setup_airflow.lake_connection(environment["SANDBOX_S3_URL"], "a-secret")
    lake = read_lake_connection("l", login=fields["login"], password=fields["password"], extra=fields["extra"])
    assert lake.access is not None
    assert (lake.bucket, lake.access.endpoint_url) == (run.bucket[0], f"http://127.0.0.1:{run.port}")


def test_the_couchdb_servers_are_two_of_their_own(services: dict[str, dict[str, Any]]) -> None:
    """The official image, which makes the administrator from these variables, with data of their own that outlives it."""
    for name in COUCHDB:
        service = services[name]
        assert service["image"] == "couchdb:3.5"
        assert set(service["environment"]) == {"COUCHDB_USER", "COUCHDB_PASSWORD"}
        assert service["volumes"] == [f"{name}:/opt/couchdb/data"]
        assert service["ports"][0].endswith(":5984")
        assert service["healthcheck"]["test"][-1] == "http://127.0.0.1:5984/_up"


def test_images_come_from_where_docker_looks_first(services: dict[str, dict[str, Any]]) -> None:
    """A registry's host has a dot, a port, or is called localhost."""
    images = {service["image"] for service in services.values()} | {dockerfile("FROM")[0][0]}
    first = {image.split("/")[0] for image in images if "/" in image}
    assert not [host for host in first if "." in host or ":" in host or host == "localhost"]


def test_the_connections_lead_to_the_couchdb_servers(services: dict[str, dict[str, Any]]) -> None:
    """From Airflow, and from one server to the other: by the names that they have in the network of the containers."""
    given = services["init"]["environment"]
    environment = {**given, "COUCHDB_PASSWORD": "a-password"}
    connections = setup_airflow.connections_of(environment)
    for (name, service), fields in zip(CLOUDANT, (connections[name] for name, _ in CLOUDANT), strict=True):
        read = couches.read(name, fields)
        assert read.base_url == f"http://{service}:5984"
        assert read.replication_endpoint("d") == {
            "url": f"http://{service}:5984/d",
            "auth": {"basic": {"username": given["COUCHDB_USER"], "password": "a-password"}},
        }
        assert "network_mode" not in services[service], "it has a name of its own"
        admin = services[service]["environment"]
        assert (given["COUCHDB_USER"], given["COUCHDB_PASSWORD"]) == (admin["COUCHDB_USER"], admin["COUCHDB_PASSWORD"])


def test_the_documents_go_where_the_connections_lead(services: dict[str, dict[str, Any]]) -> None:
    own, init = services["couchdb-documents"]["environment"], services["init"]["environment"]
    assert {name: init[name] for name in own} == own
    assert set(services["couchdb-documents"]["depends_on"]) == set(COUCHDB)


def test_the_files_it_names_exist(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        if "build" in service:
            context = REPOSITORY / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", []):
            origin = volume.split(":")[0]
            assert not origin.startswith(".") or (REPOSITORY / origin).exists(), volume


def test_named_volumes_are_declared(compose: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])


def test_what_the_image_copies_exists() -> None:
    for *sources, _ in ([part for part in line if not part.startswith("--")] for line in dockerfile("COPY")):
        for source in sources:
            assert (REPOSITORY / source).exists(), source


def test_the_build_context_is_what_is_copied_and_nothing_else() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source for line in dockerfile("COPY") for source in line[1:-1]}
    assert "*" in lines
    assert allowed == {source.split("/")[0] for source in copied}


def test_the_image_is_the_airflow_that_is_tested() -> None:
    pinned = re.search(r"^apache-airflow==(\S+)", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert re.fullmatch(rf"apache/airflow:{re.escape(pinned[1])}-python3\.1[1-9]", dockerfile("FROM")[0][0])


def test_no_image_floats(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert re.search(r":(local|\d+\.\d+)", service["image"]), name


def test_modules_it_runs_can_be_imported(services: dict[str, dict[str, Any]]) -> None:
    modules = [line[line.index("-m") + 1] for _, line in command_lines(services) if "-m" in line]
    assert modules
    for module in modules:
        assert importlib.util.find_spec(module), module


def test_commands_are_commands_of_this_airflow(services: dict[str, dict[str, Any]]) -> None:
    from airflow.cli.cli_parser import get_parser

    lines = [line for _, line in command_lines(services) if line[0] == "airflow"]
    assert len(lines) >= 5
    for line in lines:
        get_parser().parse_args(line[1:])  # exits if it does not know an option


def test_settings_are_settings_of_this_airflow(services: dict[str, dict[str, Any]]) -> None:
    from airflow.configuration import conf

    known = conf.configuration_description
    names = {name for service in services.values() for name in service.get("environment", {}) if "__" in name}
    assert names
    for name in names:
        _, section, option = name.lower().split("__")
        assert option in known[section]["options"], name


def test_pins_of_the_image_win_and_ours_fill_in() -> None:
    ours = ["aiohttp==3.14.5", "numpy==2.4.6 ; python_full_version < '3.12'", "cognite-sdk==8.22.0", ""]
    assert image_pins.merged({"AioHTTP": "3.13.0", "typing_extensions": "4.0"}, ours) == [
        "aiohttp==3.13.0",
        "cognite-sdk==8.22.0",
        "numpy==2.4.6 ; python_full_version < '3.12'",
        "typing-extensions==4.0",
    ]
