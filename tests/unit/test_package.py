# SPDX-License-Identifier: Apache-2.0
"""What is shipped: the wheel, the pins, and nothing that belongs to one machine."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    """The files git tracks; in an unpacked source distribution without git, all of the package."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in listed.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_holds_the_package_and_its_promises(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "airflow_provider_replicator/py.typed" in names
    assert "airflow_provider_replicator/operators/cdf.py" in names
    assert "airflow_provider_replicator/sandbox/__main__.py" in names
    assert not [name for name in names if name.startswith(("tests/", "dags/", "benchmarks/", "scripts/"))]
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    assert b"[apache_airflow_provider]" in wheel.read(entry_points)


def test_wheel_is_small(wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).stat().st_size < 1_000_000


def test_pins_name_versions_and_no_addresses() -> None:
    for name in ("constraints.txt", "benchmarks/peer-constraints.txt"):
        lines = (ROOT / name).read_text().splitlines()
        assert len(lines) > 10
        assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[^ ;]+( ; .+)?", line)] == []


def test_no_registry_and_no_path_of_a_machine_is_named() -> None:
    hosts = "|".join(("py" + r"pi\.org", "pythonhos" + "ted", r"registry\.np" + "mjs", r"deb\.deb" + "ian"))
    paths = "|".join(f"/{name}/" for name in ("wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]+"))
    pattern = re.compile(rf"{hosts}|(^|[\s\"'=(`])({paths})", re.MULTILINE)
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{path.relative_to(ROOT)}: {match.group(0)!r}" for match in pattern.finditer(text)]
    assert found == []


def test_every_module_states_its_licence() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix == ".py" and "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]
    ]
    assert missing == []


def test_no_module_outgrows_one_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "airflow_provider_replicator").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_version_is_the_same_everywhere() -> None:
    from airflow_provider_replicator import __version__
    from airflow_provider_replicator.provider_info import get_provider_info

    assert get_provider_info()["versions"][0] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
