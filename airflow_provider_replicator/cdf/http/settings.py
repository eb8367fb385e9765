# SPDX-License-Identifier: Apache-2.0
"""How a client behaves: limits, retries, timeouts, compression. Frozen; checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from airflow_provider_replicator.cdf.http.categories import PUBLISHED_LIMITS
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.core.limits import Limit

RequestCompression = Literal["none", "gzip-1"]
ResponseCompression = Literal["auto", "none", "gzip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """``concurrency``: requests in flight over all categories. ``limit_share``: the part of CDF's published limits this client may
    use (0 < share <= 1): CDF counts per identity, so four tasks that run at once under one identity take 0.25 each.
    ``limits`` replaces single categories of :data:`PUBLISHED_LIMITS` (and is not shared out).

    ``response_compression="auto"`` asks for gzip except over loopback, where it costs more than it saves. Timeouts are seconds;
    ``read_timeout`` is the longest silence, not the length of an answer.
    """

    concurrency: int = 32
    limit_share: float = 1.0
    limits: Mapping[str, Limit] = field(default_factory=lambda: MappingProxyType({}))
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    request_compression: RequestCompression = "none"
    response_compression: ResponseCompression = "auto"

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ConfigurationError(f"concurrency is {self.concurrency}: write a whole number >= 1")
        if not 0 < self.limit_share <= 1:
            raise ConfigurationError(f"limit_share is {self.limit_share}: write a number > 0 and <= 1")
        if unknown := sorted(set(self.limits) - set(PUBLISHED_LIMITS)):
            known = ", ".join(PUBLISHED_LIMITS)
            raise ConfigurationError(f"limits for unknown categories: {', '.join(unknown)}. Known are: {known}")
        if self.connect_timeout <= 0 or self.read_timeout <= 0:
            raise ConfigurationError("connect_timeout and read_timeout are seconds > 0")
        for name, known_values in (
            ("request_compression", get_args(RequestCompression)),
            ("response_compression", get_args(ResponseCompression)),
        ):
            if getattr(self, name) not in known_values:
                choices = " or ".join(repr(value) for value in known_values)
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}: write {choices}")

    def limit(self, category: str) -> Limit | None:
        """What holds for a category under these settings; None if nothing does."""
        if category in self.limits:
            return self.limits[category]
        published = PUBLISHED_LIMITS.get(category)
        return None if published is None else published.share(self.limit_share)
