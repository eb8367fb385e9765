# SPDX-License-Identifier: Apache-2.0
"""Authentication: a cookie first, then basic, then a bearer token; and ``/_session``."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import parse_qs

from airflow_provider_replicator.sandbox.couchdb.accounts import Accounts
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, unauthorized
from airflow_provider_replicator.sandbox.couchdb.routes import Call, answer
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance
from airflow_provider_replicator.sandbox.couchdb.users import ANONYMOUS, SERVER, User
from airflow_provider_replicator.sandbox.http import Response

_WRONG = "Name or password is incorrect."
_COOKIE = re.compile(r"(?:^|;\s*)AuthSession=\"?([^;\"]*)")
#: a cookie this close to its end is renewed with any answer
_RENEW_BELOW = 0.9


class Authentication:
    """Cookies are signed with ``[chttpd_auth] secret``, which is made with the first of them."""

    def __init__(self, instance: CouchInstance, accounts: Accounts) -> None:
        self._instance = instance
        self._accounts = accounts

    def identify(self, call: Call) -> User:
        """Raises 401 for a wrong password, 403 for a locked account, 400 for what cannot be read."""
        header = call.request.headers.get("authorization", "")
        user = self._from_cookie(call) or self._from_basic(header) or self._from_bearer(header)
        if user is not None:
            return user
        return SERVER if self._accounts.admin_party else ANONYMOUS

    def _from_basic(self, header: str) -> User | None:
        if not header.startswith("Basic "):
            return None
        try:
            name, colon, password = (
                b64decode(header[6:].strip(), validate=True).decode("utf-8", "replace").partition(":")
            )
        except binascii.Error:
            raise bad_request("Authorization header has invalid base64 value") from None
        if not colon or (name, password) == ("_", "_"):
            return None
        user = self._accounts.login(name, password)
        if user is None:
            raise unauthorized(_WRONG)
        return User(user.name, user.roles, "default")

    def _from_bearer(self, header: str) -> User | None:
        if not header.startswith("Bearer "):
            return None
        user = self._accounts.bearer(header[7:].strip())
        return None if user is None else User(user.name, user.roles, "jwt")

    def _from_cookie(self, call: Call) -> User | None:
        """None also for a cookie that has expired or is signed by somebody else: its bearer is nobody, not refused."""
        matched = _COOKIE.search(call.request.headers.get("cookie", ""))
        if matched is None or not matched.group(1):
            return None
        name, stamp, signature = self._parts(matched.group(1))
        found = self._accounts.find(name)
        if found is None or not hmac.compare_digest(signature, self._sign(name, stamp, str(found[1]["salt"]))):
            return None
        left = int(stamp, 16) + self._timeout - self._instance.clock.now_ms() // 1000
        if left <= 0:
            return None
        if left < self._timeout * _RENEW_BELOW:
            call.headers.append(self._cookie(name))
        return User(found[0].name, found[0].roles, "cookie")

    def _parts(self, cookie: str) -> tuple[str, str, bytes]:
        try:
            raw = urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
            name, stamp, signature = raw.split(b":", 2)
            int(stamp, 16)
            return name.decode(), stamp.decode(), signature
        except ValueError:
            raise bad_request("Malformed AuthSession cookie. Please clear your cookies.") from None

    @property
    def _timeout(self) -> int:
        return self._instance.config.integer("chttpd_auth", "timeout", 600)

    def _sign(self, name: str, stamp: str, salt: str) -> bytes:
        config = self._instance.config
        if not config.get("chttpd_auth", "secret"):
            config.set("chttpd_auth", "secret", secrets.token_hex(16))
        key = config.get("chttpd_auth", "secret") + salt
        return hmac.digest(key.encode(), f"{name}:{stamp}".encode(), hashlib.sha256)

    def _cookie(self, name: str) -> tuple[str, str]:
        found = self._accounts.find(name)
        assert found is not None
        stamp = f"{self._instance.clock.now_ms() // 1000:X}"
        signed = f"{name}:{stamp}:".encode() + self._sign(name, stamp, str(found[1]["salt"]))
        return self._set_cookie(urlsafe_b64encode(signed).decode().rstrip("="))

    def _set_cookie(self, value: str) -> tuple[str, str]:
        return "Set-Cookie", f"AuthSession={value}; Version=1; Path=/; HttpOnly; Max-Age={self._timeout}"

    # /_session

    def session(self, call: Call) -> Response:
        call.allow("GET", "POST", "DELETE")
        if call.method == "GET":
            return self._who(call)
        call.headers.clear()
        if call.method == "DELETE":
            return answer({"ok": True}, 200, self._set_cookie(""))
        name, password = _credentials(call)
        user = self._accounts.login(name, password)
        if user is None:
            return answer({"error": "unauthorized", "reason": _WRONG}, 401, self._set_cookie(""))
        return answer({"ok": True, "name": name, "roles": list(user.roles)}, 200, self._cookie(name))

    def _who(self, call: Call) -> Response:
        if call.user.name is None and call.request.query.get("basic") == ["true"]:
            raise unauthorized("Please login.")
        info: dict[str, object] = {"authentication_handlers": ["cookie", "default"]}
        if call.user.handler is not None:
            info["authenticated"] = call.user.handler
        who = {"name": call.user.name, "roles": list(call.user.roles)}
        return answer({"ok": True, "userCtx": who, "info": info})

    def identity_token(self, call: Call) -> Response:
        """``/identity/token``: no part of CouchDB but of IBM's IAM, which a Cloudant instance trusts."""
        call.allow("POST")
        form = parse_qs(call.request.body.decode("utf-8", "replace"))
        grant = form.get("grant_type", [""])[0]
        issued = self._accounts.issue(form.get("apikey", [""])[0])
        if grant != "urn:ibm:params:oauth:grant-type:apikey" or issued is None:
            problem = {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}
            return answer(problem, 400)
        token, seconds = issued
        expiration = self._instance.clock.now_ms() // 1000 + seconds
        told = {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "expiration": expiration}
        return answer(told | {"refresh_token": "not_supported", "scope": "ibm openid"})


def _credentials(call: Call) -> tuple[str, str]:
    kind = call.request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        form = {
            name: values[-1] for name, values in parse_qs(call.request.body.decode(), keep_blank_values=True).items()
        }
    elif kind.startswith("application/json"):
        form = {name: str(value) for name, value in call.json_object().items()}
    else:
        reason = "Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'"
        raise CouchError(415, "bad_content_type", reason)
    name = form.get("username", form.get("name"))
    if name is None:
        raise bad_request("request body must contain a username")
    return name, form.get("password", "")
