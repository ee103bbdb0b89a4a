"""An identity provider on this machine: it lets everybody in as whom it is told, and signs what it says."""

import asyncio
import base64
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

CLIENT, SECRET = "callboard-tests", "the-secret-of-the-client"


@dataclass
class IdentityProvider:
    """`claims` are those of the next ID token, over the ordinary ones; None leaves one out. `key` signs it."""

    claims: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "tests", "use": "sig"}))
    published: KeySet = field(init=False)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published = KeySet([self.key])

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["IdentityProvider"]:
        """On a free port of this machine alone."""
        server = uvicorn.Server(uvicorn.Config(self._app(), port=0, log_level="warning", lifespan="off"))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        self.issuer = f"http://127.0.0.1:{port}"
        running = asyncio.create_task(server.main_loop())
        try:
            yield self
        finally:
            server.should_exit = True
            await running
            await server.shutdown()

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.get("/.well-known/openid-configuration")(self._configuration)
        app.get("/keys")(self._keys)
        app.get("/authorize")(self._authorize)
        app.post("/token")(self._token)
        return app

    async def _configuration(self) -> dict[str, str]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    async def _keys(self) -> Any:
        return self.published.as_dict(private=False)

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT
        assert "openid" in asked["scope"]
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form["code"]), None)
        login = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        if (
            asked is None
            or request.headers.get("authorization") != login
            or base64.urlsafe_b64encode(challenge).decode().rstrip("=") != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        ordinary = {
            "iss": self.issuer, "aud": CLIENT, "sub": "1815", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "email": "Ada@example.com", "email_verified": True,
        }  # fmt: skip
        claims = {name: value for name, value in {**ordinary, **self.claims}.items() if value is not None}
        id_token = jwt.encode({"alg": "RS256", "kid": "tests"}, claims, self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": id_token})
