# SPDX-License-Identifier: Apache-2.0
"""Passwords as CouchDB keeps them: PBKDF2, never in the clear."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

SCHEME, PRF = "pbkdf2", "sha256"
_KEY_BYTES = 32


def hashed(password: str, iterations: int) -> dict[str, Any]:
    """The members that replace ``password`` in a user's document."""
    salt = secrets.token_hex(16)
    return {
        "password_scheme": SCHEME,
        "pbkdf2_prf": PRF,
        "salt": salt,
        "iterations": iterations,
        "derived_key": _key(password, salt, iterations),
    }


def ini_value(password: str, iterations: int) -> str:
    """The value of an admin's name in the section ``admins``."""
    made = hashed(password, iterations)
    return f"-{SCHEME}:{PRF}-{made['derived_key']},{made['salt']},{iterations}"


def from_ini(value: str) -> dict[str, Any]:
    key, salt, iterations = value.partition("-")[2].removeprefix(f"{SCHEME}:{PRF}-").split(",")
    return {"derived_key": key, "salt": salt, "iterations": int(iterations)}


def verify(password: str, stored: dict[str, Any]) -> bool:
    found = _key(password, str(stored["salt"]), int(stored["iterations"]))
    return hmac.compare_digest(found, str(stored["derived_key"]))


def _key(password: str, salt: str, iterations: int) -> str:
    return hashlib.pbkdf2_hmac(PRF, password.encode(), salt.encode(), iterations, _KEY_BYTES).hex()
