"""Sign-in through an identity provider: OpenID Connect Core 1.0, the authorization code flow with PKCE (RFC 7636)."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from authlib.integrations.base_client.errors import OAuthError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, HttpUrl, ValidationError

from errors import NotSent, Unauthorized
from settings import Settings

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]  # no "none", no HMAC
LEEWAY = 60  # seconds that two clocks may differ
_PATIENCE = 10.0  # seconds for each step of a request
_TOTAL = 15.0  # seconds for all that is asked at once
_KEPT = 3600.0  # seconds the provider's description and keys are believed


@dataclass(frozen=True)
class Pending:
    """A sign-in that is on its way: what the browser keeps, and nobody else knows."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Who the provider says it is. `subject` is unique at the provider and never given to another."""

    issuer: str
    subject: str
    email: str | None  # None unless the provider has verified it


class _Description(BaseModel):
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""

    model_config = ConfigDict(extra="ignore")

    issuer: str
    authorization_endpoint: HttpUrl
    token_endpoint: HttpUrl
    jwks_uri: HttpUrl


class Provider:
    """The provider of OIDC_ISSUER. Belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = str(settings.oidc_issuer).rstrip("/")
        self._client_id = settings.oidc_client_id or ""
        self._secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
        self._redirect = f"{str(settings.public_url).rstrip('/')}/login/oidc/callback"
        self._known: tuple[float, _Description, KeySet] | None = None

    async def begin(self) -> tuple[str, Pending]:
        """Where to send the browser, and what it is to keep. Raises NotSent while the provider does not answer."""
        description, _ = await self._describe()
        pending = Pending(*(secrets.token_urlsafe(32) for _ in range(3)))
        async with self._client() as client:
            address, _ = client.create_authorization_url(
                str(description.authorization_endpoint),
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
            )
        return str(address), pending

    async def finish(self, pending: Pending, code: str) -> Identity:
        """Who it is. Raises Unauthorized if the provider's word is not good, NotSent if it does not answer."""
        description, keys = await self._describe()
        try:
            async with asyncio.timeout(_TOTAL), self._client() as client:
                token = await client.fetch_token(
                    str(description.token_endpoint),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=pending.verifier,
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise NotSent(f"The identity provider does not answer ({type(error).__name__}). Try again.") from None
        except (OAuthError, ValueError) as error:
            raise Unauthorized("The identity provider refused the sign-in. Start again.") from error
        return self._identity(token, keys, description.issuer, pending.nonce)

    def _identity(self, token: dict[str, Any], keys: KeySet, issuer: str, nonce: str) -> Identity:
        """What the ID token says, if it is theirs, for us, of now, and of this sign-in (Core, section 3.1.3.7)."""
        try:
            claims = jwt.decode(str(token.get("id_token", "")), keys, algorithms=ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            self._known = None  # its keys may have changed
            raise Unauthorized("The identity provider's answer is not good for this sign-in. Start again.") from error
        verified = claims.get("email_verified") is True and isinstance(claims.get("email"), str)
        return Identity(issuer, str(claims["sub"]), claims["email"].lower() if verified else None)

    async def _describe(self) -> tuple[_Description, KeySet]:
        if self._known is None or time.monotonic() - self._known[0] > _KEPT:
            try:
                async with asyncio.timeout(_TOTAL), httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as http:
                    said = await http.get(f"{self._issuer}/.well-known/openid-configuration")
                    description = _Description.model_validate(said.raise_for_status().json())
                    keys = await http.get(str(description.jwks_uri))
                    key_set = KeySet.import_key_set(keys.raise_for_status().json())
            except (
                httpx.HTTPError,
                TimeoutError,
                ValidationError,
                JoseError,
                ValueError,
                KeyError,
                TypeError,
            ) as error:
                raise NotSent(
                    f"The identity provider {self._issuer} does not describe itself ({type(error).__name__}). "
                    "Sign in with a password, or look at OIDC_ISSUER."
                ) from error
            if description.issuer.rstrip("/") != self._issuer:
                raise NotSent(f"The identity provider calls itself {description.issuer}: correct OIDC_ISSUER.")
            self._known = time.monotonic(), description, key_set
        return self._known[1], self._known[2]

    def _client(self) -> "AsyncOAuth2Client":
        # Not at the top: who has no provider need not load it.
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        return AsyncOAuth2Client(
            self._client_id,
            self._secret,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            scope="openid email",
            redirect_uri=self._redirect,
            code_challenge_method="S256",
            timeout=_PATIENCE,
            trust_env=False,
        )
