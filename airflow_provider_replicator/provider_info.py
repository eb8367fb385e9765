# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told of this provider. Imports nothing but the standard library: Airflow reads it while it starts."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator import __version__

_CDF = "Cognite Data Fusion"
_DELTA_LAKE = "Delta Lake on S3"
_COUCHDB = "Cloudant / CouchDB"


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, as ``airflow/provider_info.schema.json`` describes it."""
    return {
        "package-name": "airflow-provider-replicator",
        "name": "Replicator",
        "description": "Replicates Cognite Data Fusion (CDF) projects into other projects and into Delta Lake on S3, "
        "and databases between Cloudant and Apache CouchDB servers.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": _CDF, "external-doc-url": "https://docs.cognite.com/", "tags": ["service"]},
            {"integration-name": _DELTA_LAKE, "external-doc-url": "https://delta.io/", "tags": ["service"]},
            {"integration-name": _COUCHDB, "external-doc-url": "https://docs.couchdb.org/", "tags": ["service"]},
        ],
        "hooks": [
            _modules(_CDF, "airflow_provider_replicator.hooks.cdf"),
            _modules(_DELTA_LAKE, "airflow_provider_replicator.hooks.delta_lake"),
            _modules(_COUCHDB, "airflow_provider_replicator.hooks.cloudant"),
        ],
        "operators": [
            _modules(_CDF, "airflow_provider_replicator.operators.cdf"),
            _modules(_DELTA_LAKE, "airflow_provider_replicator.operators.delta_lake"),
            _modules(_COUCHDB, "airflow_provider_replicator.operators.cloudant"),
        ],
        "sensors": [_modules(_COUCHDB, "airflow_provider_replicator.sensors.cloudant")],
        "triggers": [_modules(_COUCHDB, "airflow_provider_replicator.triggers.cloudant")],
        "extra-links": [
            "airflow_provider_replicator.links.cloudant.ReplicationDocumentLink",
            "airflow_provider_replicator.links.cloudant.CloudantDashboardLink",
        ],
        "connection-types": [
            {
                "connection-type": "cdf",
                "hook-class-name": "airflow_provider_replicator.hooks.cdf.CdfHook",
                "hook-name": _CDF,
                "conn-fields": _cdf_fields(),
                "ui-field-behaviour": _cdf_form(),
            },
            {
                "connection-type": "delta_lake_s3",
                "hook-class-name": "airflow_provider_replicator.hooks.delta_lake.DeltaLakeHook",
                "hook-name": _DELTA_LAKE,
                "conn-fields": _delta_lake_fields(),
                "ui-field-behaviour": _delta_lake_form(),
            },
            {
                "connection-type": "couchdb",
                "hook-class-name": "airflow_provider_replicator.hooks.cloudant.CloudantHook",
                "hook-name": _COUCHDB,
                "conn-fields": _couchdb_fields(),
                "ui-field-behaviour": _couchdb_form(),
            },
        ],
    }


def _modules(integration: str, *names: str) -> dict[str, Any]:
    return {"integration-name": integration, "python-modules": list(names)}


def _cdf_form() -> dict[str, Any]:
    """How the fields that every connection has are called for CDF."""
    return {
        "hidden-fields": ["schema", "port"],
        "relabeling": {"host": "Base URL or cluster", "login": "Client id", "password": "Client secret"},
        "placeholders": {
            "host": "https://az-eastus-1.cognitedata.com, or az-eastus-1",
            "login": "client id of the service principal; empty with a token",
            "password": "client secret; empty with a token",
            "project": "my-project",
            "token_url": "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
            "scopes": "https://az-eastus-1.cognitedata.com/.default",
            "extra": '{"limits": {"assets.analytical": {"per_second": 10, "in_flight": 4}}}',
        },
    }


def _cdf_fields() -> dict[str, Any]:
    """The fields that only CDF has. Only ``project`` must be filled in; each is kept in extra under its name.

    Airflow hides values by the *name* of a field (``token`` in it), whatever its format says.
    """
    return {
        "project": _field("Project", "Name of the CDF project", {"type": "string"}),
        "token_url": _field("Token URL", "Where client id and secret are exchanged for a token", _optional("string")),
        "scopes": _field(
            "Scopes", "Separated by blanks. Empty: <base URL>/.default, if there is no audience", _optional("string")
        ),
        "audience": _field("Audience", "For identity providers that ask for one", _optional("string")),
        "token": _field(
            "Token",
            "A static bearer token, instead of client id and secret; it is not renewed when it expires",
            _optional("string", format="password"),
        ),
        "concurrency": _field(
            "Concurrency", "Requests in flight, over all APIs (default 32)", _optional("integer", minimum=1)
        ),
        "limit_share": _field(
            "Share of the limits",
            "CDF limits requests per identity: the part that one task may use, such as 0.25 if four run at once (default 1)",
            _optional("number", minimum=0, maximum=1),
        ),
        "limits": _field(
            "Limits",
            'Other limits than those that CDF publishes, as JSON: {"assets.analytical": {"per_second": 10, "in_flight": 4}}',
            _optional("string"),
        ),
        "request_compression": _field(
            "Compress requests", "gzip-1 for slow links (default none)", _choice("none", "gzip-1")
        ),
        "response_compression": _field(
            "Compress answers", "auto: gzip except on this machine (default)", _choice("auto", "none", "gzip")
        ),
        "connect_timeout": _field("Connect timeout", "Seconds (default 15)", _optional("number", minimum=0)),
        "read_timeout": _field(
            "Read timeout", "Longest silence of the server in seconds (default 60)", _optional("number", minimum=0)
        ),
        "retry_attempts": _field(
            "Attempts",
            "How often a request is sent before the task fails (default 10)",
            _optional("integer", minimum=1),
        ),
        "retry_seconds": _field(
            "Retry for",
            "Seconds until a request that keeps failing is given up (default 180)",
            _optional("number", minimum=0),
        ),
        "allow_http": _field(
            "Allow http",
            "Without TLS, secrets and data can be read on the way. Never needed for this machine itself",
            _optional("boolean"),
        ),
    }


def _delta_lake_form() -> dict[str, Any]:
    """How the fields that every connection has are called for a lake."""
    return {
        "hidden-fields": ["host", "schema", "port"],
        "relabeling": {"login": "Access key", "password": "Secret key"},
        "placeholders": {
            "login": "empty: aws_conn_id, or boto3's default chain (environment, profile, role)",
            "password": "secret of the access key",
            "bucket": "my-bucket, or file:///folder to try things out",
            "prefix": "cdf/plant-a",
            "region": "eu-central-1",
            "endpoint_url": "https://s3.example.com",
        },
    }


def _delta_lake_fields() -> dict[str, Any]:
    """The fields that only a lake has. Only ``bucket`` must be filled in; each is kept in extra under its name."""
    return {
        "bucket": _field("Bucket", "Name of the bucket; file:///folder for a folder of the worker", {"type": "string"}),
        "prefix": _field("Prefix", "Path in the bucket below which the tables are", _optional("string")),
        "region": _field("Region", "Of the bucket. Empty: that of the environment or profile", _optional("string")),
        "endpoint_url": _field("Endpoint URL", "Of another S3 than Amazon's", _optional("string")),
        "session_token": _field(
            "Session token",
            "Where access key and secret are temporary; they are not renewed when they expire",
            _optional("string", format="password"),
        ),
        "profile": _field("Profile", "Of the worker's AWS configuration, instead of access key", _optional("string")),
        "aws_conn_id": _field(
            "AWS connection", "Id of an Amazon Web Services connection, whose credentials are used", _optional("string")
        ),
        "allow_http": _field(
            "Allow http",
            "Without TLS, data can be read on the way. Never needed for this machine itself",
            _optional("boolean"),
        ),
    }


def _couchdb_form() -> dict[str, Any]:
    """How the fields that every connection has are called for a server of Cloudant or CouchDB."""
    return {
        "hidden-fields": [],
        "relabeling": {"host": "URL or host name", "schema": "http or https", "login": "User name"},
        "placeholders": {
            "host": "https://couchdb.example:6984, or a host name",
            "port": "empty: that of the URL; 5984 is CouchDB's for http, 6984 for https",
            "schema": "empty: https, but http for port 5984",
            "login": "empty with an API key or a token",
            "password": "password of the user",
            "iam_url": "https://iam.cloud.ibm.com/identity/token",
            "replication_url": "http://couchdb:5984",
            "replicator_db": "_replicator",
            "proxies": "http://proxy.example:3128",
        },
    }


def _couchdb_fields() -> dict[str, Any]:
    """The fields that only Cloudant and CouchDB have. All may stay empty; each is kept in extra under its name."""
    return {
        "auth_type": _field(
            "Kind of credentials",
            "Empty: what is filled in decides (API key, token, user name with a session, nobody)",
            _choice("session", "basic", "iam", "bearer", "none"),
        ),
        "iam_apikey": _field(
            "IAM API key", "Of IBM Cloud, instead of user name and password", _optional("string", format="password")
        ),
        "iam_url": _field("IAM token URL", "Where the API key is exchanged for tokens", _optional("string")),
        "iam_form": _field(
            "IAM in jobs",
            "How an API key is written into replication documents: auth.iam (default) or auth.ibm.iam",
            _choice("iam", "ibm.iam"),
        ),
        "bearer_token": _field(
            "Bearer token",
            "Instead of user name and password; it is not renewed when it expires",
            _optional("string", format="password"),
        ),
        "replication_url": _field(
            "URL for other servers",
            "Where the server that runs a replication reaches this one, if that is not the URL above",
            _optional("string"),
        ),
        "replicator_db": _field(
            "Replicator database",
            "Where jobs of this server are kept: _replicator (default), or a name that ends in /_replicator",
            _optional("string"),
        ),
        "verify": _field("Check the certificate", "Of the server (default true)", _optional("boolean")),
        "ca_bundle": _field(
            "CA certificates", "A file of the worker and triggerer; these are trusted, too", _optional("string")
        ),
        "proxies": _field(
            "Proxy", 'URL, or JSON by scheme: {"https": "http://…"}. Empty: the environment\'s', _optional("string")
        ),
        "connect_timeout": _field("Connect timeout", "Seconds (default 15)", _optional("number", minimum=0)),
        "read_timeout": _field(
            "Read timeout", "Longest silence of the server in seconds (default 60)", _optional("number", minimum=0)
        ),
        "retry_attempts": _field(
            "Attempts", "How often a request is sent before it is given up (default 7)", _optional("integer", minimum=1)
        ),
        "retry_seconds": _field(
            "Retry for",
            "Seconds until a request that keeps failing is given up (default 120)",
            _optional("number", minimum=0),
        ),
        "allow_http": _field(
            "Allow http",
            "Without TLS, secrets and data can be read on the way. Never needed for this machine itself",
            _optional("boolean"),
        ),
    }


def _field(label: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": schema}


def _optional(kind: str, **more: Any) -> dict[str, Any]:
    """A field that may stay empty: any other type is required in Airflow's form."""
    return {"type": [kind, "null"], **more}


def _choice(*values: str) -> dict[str, Any]:
    return _optional("string", enum=[*values, None])
