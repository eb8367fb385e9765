# SPDX-License-Identifier: Apache-2.0
"""The table at the end, and the same as JSON for programs: ``build/demo-report.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scripts.demo.compare import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scripts.demo.expect import Run

HEADER = (
    "run",
    "resource",
    "source",
    "target",
    "created",
    "updated",
    "unchanged",
    "deleted",
    "requests",
    "seconds",
    "verified",
)


def table(runs: Sequence[Run]) -> str:
    """One line per run and resource. For datapoints and raw rows "created" is what was written.

    "verified" is the demo's own comparison after the run; the DAG's own has found the same, or there is a failure below the table.
    """
    lines: list[Sequence[str]] = [HEADER]
    for run in runs:
        lines += [_line(run, resource) for resource in RESOURCES if resource in run.resources]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    ruler = "  ".join("-" * width for width in widths)
    text = [
        "  ".join(_aligned(cell, width, column) for column, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    for start in range(1, len(text) + len(runs), len(RESOURCES) + 1):
        text.insert(start, ruler)
    return "\n".join(text)


def delta_table(tables: Mapping[str, Mapping[str, Any]], snapshots: Mapping[str, Mapping[str, Any]]) -> str:
    """One line per table on S3: its rows, whether readers find in it what the source has, and the same of what is published of it."""
    lines: list[Sequence[str]] = [("table", "rows", "source", "content", "published as", "duckdb", "polars", "hyper")]
    published = {found["source"]: (name, found) for name, found in snapshots.items()}
    for path, found in tables.items():
        name, readers = published.get(path, ("", {}))
        marks = [_mark(readers.get(f"{reader}_ok")) for reader in ("duckdb", "polars", "hyper")]
        lines.append((path, f"{found['rows']:,}", f"{found['expected']:,}", _mark(found["content_ok"]), name, *marks))
    return _ruled(lines)


def cloudant_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line per run: what both servers held after it, as they themselves say."""
    lines: list[Sequence[str]] = [
        ("run", "task", "documents", "in target", "conflicts", "deleted", "revisions missing", "of")
    ]
    for run in runs:
        counts = (run[name] for name in ("docs_source", "docs_target", "conflicts", "tombstones", "missing_revisions"))
        lines.append(
            (run["name"], run["state"], *(f"{n:,}" for n in counts), ", ".join(run["missing_documents"]) or "-")
        )
    return _ruled(lines)


def documents_table(found: Mapping[str, Any]) -> str:
    """The table of documents; only a heading if there is none."""
    lines: list[Sequence[str]] = [("table", "rows", "documents", "duckdb", "polars")]
    if found:
        marks = [_mark(found[f"{reader}_ok"]) for reader in ("duckdb", "polars")]
        lines.append((found["table"], f"{found['rows']:,}", f"{found['expected']:,}", *marks))
    return _ruled(lines)


def _ruled(lines: Sequence[Sequence[str]]) -> str:
    """A heading, a ruler, and the other lines, all left-aligned."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


def _mark(good: bool | None) -> str:
    return "-" if good is None else "yes" if good else "NO"


def write(
    path: Path, runs: Sequence[Run], failures: Sequence[str], *, delta: Mapping[str, Any], cloudant: Mapping[str, Any]
) -> None:
    """``ok`` is true only if every run happened and nothing was wrong.

    A run's ``verify`` is what the DAG's own task found; the ``verify`` of the whole is the demo's own comparison after the last run.
    """
    last = runs[-1].compared if runs else {}
    document: dict[str, Any] = {
        "ok": not failures,
        "failures": list(failures),
        "runs": [{"name": run.name, "resources": run.resources, "verify": run.verified} for run in runs],
        "verify": {resource: found.as_dict() for resource, found in last.items()},
        "delta": dict(delta),
        "cloudant": dict(cloudant),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _line(run: Run, resource: str) -> Sequence[str]:
    report, compared = run.resources[resource], run.compared[resource]
    requests = report["requests"]
    return (
        run.name,
        resource,
        f"{compared.source:,}",
        f"{compared.target:,}",
        f"{report['created'] + report['written']:,}",
        f"{report['updated']:,}",
        f"{report['unchanged']:,}",
        f"{report['deleted']:,}",
        f"{requests['source'] + requests['target']:,}",
        f"{report['seconds']:.2f}",
        "yes" if not compared.different else f"{compared.different:,} differ",
    )


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)
