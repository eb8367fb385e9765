# SPDX-License-Identifier: Apache-2.0
"""Is a lake usable? Everything that the tables need is done once to a small object."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeAccessError, LakeError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.objects import S3Objects

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake

#: Seconds that each request may take: somebody waits, and Airflow gives up after a minute.
_SECONDS = 8


def probe(lake: Lake) -> str:
    """What may be done there, as a sentence. Raises the errors of :mod:`.errors` for what may not be."""
    if lake.access is not None:
        access = replace(lake.access, connect_timeout=_SECONDS, read_timeout=_SECONDS, attempts=1)
        lake = replace(lake, access=access)
    objects = lake.objects()
    if isinstance(objects, S3Objects):
        _check_bucket(lake, objects.client)
    key = f"_cdf_probe/{secrets.token_hex(8)}"
    created = objects.put_if_absent(key, b"first")
    try:
        again = objects.put_if_absent(key, b"second")
        content = objects.get(key)
    finally:
        objects.delete([key])
    if not created or again or content != b"first":
        raise LakeError(
            f"{lake.root}: the store ignores conditions (If-None-Match), so two writers would overwrite each other's commits: "
            "tables would lose data there"
        )
    return f"may write, write on condition, read and delete below {lake.root}"


def _check_bucket(lake: Lake, client: Any) -> None:
    """boto3 finds a bucket in whatever region it is; deltalake does not."""
    assert lake.access is not None
    with lake_errors(f"bucket {lake.bucket}"):
        answer = client.list_objects_v2(Bucket=lake.bucket, Prefix=f"{lake.prefix}/_cdf_probe/".lstrip("/"), MaxKeys=1)
    region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if region and region != lake.access.region:
        raise LakeAccessError(
            f"bucket {lake.bucket} is in the region {region}, and the connection says {lake.access.region}"
        )
