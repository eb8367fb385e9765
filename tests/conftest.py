# SPDX-License-Identifier: Apache-2.0
"""Tests never see the Airflow of whoever runs them: a home of their own, set before anything imports airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

_HOME = tempfile.mkdtemp(prefix="airflow-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

# How long an example takes says something about the machine and what else it does, not about the code.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")
