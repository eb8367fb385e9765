# SPDX-License-Identifier: Apache-2.0
"""``build/bench.json`` as Markdown: ``python -m benchmarks.table > docs/benchmarks.md`` writes the whole document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent.parent / "build" / "bench.json"
NAMES = {
    "ours": "this provider",
    "peer": "cognite-replicator 1.3.2",
    "sdk": "the official SDK's loop",
    "relay": "a bare relay",
}


def main() -> None:
    report = json.loads(BENCH.read_text())
    print("\n".join(document(report)))


def document(report: dict[str, Any]) -> list[str]:
    machine = report["machine"]
    return [
        "# Benchmarks",
        "",
        f"`{report['command']}` on {machine['cores']} cores of {machine['cpu']}, {machine['system']}, Python",
        f"{machine['python']}: client and server (the sandbox, one process) share the cores. Every job is a process of its own",
        "against a target project that nobody has used; imports are not counted; medians of three. *first* is a first load,",
        "*repeat* the same again with nothing changed. The SDK's loop reads a page, asks the target for its keys and creates what",
        "is missing, without links and updates. The relay (aiohttp, eight in flight) passes pages on without planning or checking",
        "anything. Published rates are switched off on the sandbox and on our connections, because the other contenders keep to",
        "none; with them on, lists are bound to 23 pages a second.",
        "",
        "| job | run | latency | who | seconds | CPU s | peak MB | requests | minimum |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        *(line(row) for row in report["rows"]),
        "",
        "What was to be reached:",
        "",
        "| | |",
        "| --- | --- |",
        *(verdict(item) for item in report["targets"]),
        *(line for name, about in SECTIONS.items() if name in report for line in section(report[name], *about)),
    ]


#: Sections of jobs that share the machine with what they read: key in the file, heading, what is said of it.
SECTIONS = {
    "lake": (
        "CDF into Delta tables",
        "`python -m benchmarks.lake`, on the same machine, with a real S3 server (SeaweedFS) on it as well: sandbox, S3 and job share "
        "the cores. A *limit* is what the libraries take for the same rows when they are ready as Arrow. *own* is the wall time "
        "without the sandbox's CPU seconds.",
    ),
    "couchdb": (
        "Cloudant and CouchDB",
        "`python -m benchmarks.couch`, on the same machine, against the sandbox's CouchDB: both share the cores. The *limit* "
        "sends the same requests and looks at nothing. *own* as above.",
    ),
}


def section(report: dict[str, Any], heading: str, about: str) -> list[str]:
    return [
        "",
        f"## {heading}",
        "",
        about,
        "",
        "| job | seconds | own | CPU s | sandbox CPU s | peak MB | rows/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['name']} | {row['wall']:.2f} | {row['own']:.2f} | {row['cpu']:.2f} | {row['sandbox_cpu']:.2f} "
            f"| {row['rss_mb']:.0f} | {row['rows'] / row['wall']:,.0f} |"
            for row in report["rows"]
        ),
        "",
        "What was to be reached:",
        "",
        "| | |",
        "| --- | --- |",
        *(verdict(item) for item in report["targets"]),
    ]


def verdict(item: dict[str, Any]) -> str:
    return f"| {'reached' if item['ok'] else '**missed**'} | {item['text']} |"


def line(row: dict[str, Any]) -> str:
    minimum = row["minimum_requests"] if row["run"] == "first" else ""
    return (
        f"| {row['workload']} | {row['run']} | {row['latency_ms']} ms | {NAMES[row['contender']]} | {row['wall']:.2f} "
        f"| {row['cpu']:.2f} | {row['rss_mb']:.0f} | {row['requests']:.0f} | {minimum} |"
    )


if __name__ == "__main__":
    main()
