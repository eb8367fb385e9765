# SPDX-License-Identifier: Apache-2.0
"""Constraints for an image that already has packages: theirs for what is there, ours for what is missing.

``python image_pins.py constraints.txt > merged.txt`` inside the image.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def normal(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def merged(installed: Mapping[str, str], pins: Iterable[str]) -> list[str]:
    """One requirement a line, sorted. ``installed`` maps names to versions; ``pins`` are the lines of a constraints file."""
    present = {normal(name): version for name, version in installed.items()}
    missing = [
        line for line in pins if line.strip() and normal(re.split(r"[=<>!~; \[]", line, maxsplit=1)[0]) not in present
    ]
    return sorted([f"{name}=={version}" for name, version in present.items()] + missing)


if __name__ == "__main__":
    found = {package.name: package.version for package in distributions()}
    lines = Path(sys.argv[1]).read_text().splitlines()
    sys.stdout.write("\n".join(merged(found, lines)) + "\n")
