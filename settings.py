"""One frozen `Settings`, read from the environment, `.env` and `callboard.toml`, in that order of precedence."""

import os
import re
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    HttpUrl,
    PostgresDsn,
    RedisDsn,
    SecretStr,
    UrlConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from errors import ConfigurationError

DatabaseUrl = Annotated[PostgresDsn, UrlConstraints(allowed_schemes=["postgres", "postgresql", "postgresql+asyncpg"])]


def _split(value: object) -> object:
    """`a, b` as it is written in the environment; a list as it is in callboard.toml."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]  # separated by commas


_PROVIDERS = frozenset({"file", "smtp", "sendgrid", "ses"})


def default_home() -> Path:
    """The folder of everything kept on this machine (servers' data, mails of the file provider, secrets)."""
    if os.geteuid() == 0:
        return Path("/var/lib/callboard")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "callboard"


class Settings(BaseSettings):
    """Every setting, its environment variable being its name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", toml_file="callboard.toml", extra="ignore", frozen=True)

    callboard_home: Path = Field(default_factory=default_home, description="Folder for local servers, mails and keys.")
    database_url: DatabaseUrl | None = Field(None, description="PostgreSQL, the truth: postgresql://user:pw@host/db")
    redis_url: RedisDsn | None = Field(None, description="Redis or Valkey, the delivery: redis://:pw@host:6379/0")
    database_pooler: bool = Field(
        False, description="DATABASE_URL is a pooler in transaction mode: no statement stays prepared."
    )
    database_pool: int = Field(
        6, ge=2, le=100, description="Connections to PostgreSQL per process; a worker has 5 more."
    )

    release: str = Field(
        "", max_length=100, description="What is deployed, such as a commit; charts mark it. Default: our version."
    )
    environment: str = Field(
        "", max_length=30, description="Name of this installation on top of its pages, such as production."
    )
    host: str = Field("127.0.0.1", description="Address the web process listens on; export it for the Procfile.")
    port: int = Field(8000, ge=1, le=65535, description="Port the web process listens on; export it, too.")
    public_url: HttpUrl | None = Field(None, description="How people reach the web process: https://jobs.example.com")
    session_hours: float = Field(336, gt=0, le=8760, description="Hours until a person must sign in again.")
    session_idle_hours: float = Field(24, gt=0, le=8760, description="Hours after which an unused session ends.")
    sign_in_per_name: int = Field(20, ge=1, description="Passwords that may be tried for a name in 15 minutes.")
    sign_in_per_address: int = Field(60, ge=1, description="And from an address, behind which may be a whole office.")
    rate_limit: int = Field(6000, ge=0, description="Requests a minute per caller and web process; 0: no limit.")
    metrics_open: bool = Field(False, description="Whether /metrics and /health/scheduler answer without a key.")
    mask_names: Words = Field((), description="More names of arguments whose values are never shown: pin,iban")
    mask_patterns: Words = Field((), description="Regular expressions of texts never shown; a list in callboard.toml.")
    oidc_issuer: HttpUrl | None = Field(None, description="Identity provider: https://accounts.google.com")
    oidc_client_id: str | None = Field(None, description="This application's id at the identity provider.")
    oidc_client_secret: SecretStr | None = Field(None, description="This application's secret there, if it has one.")
    oidc_domains: Words = Field((), description="Domains whose verified e-mail addresses get an account.")
    oidc_role: Literal["viewer", "operator", "admin"] = Field("viewer", description="Role of an account made so.")

    async_concurrency: int = Field(200, ge=1, le=10_000, description="Async jobs in flight per worker process.")
    dispatch_window: int = Field(5_000, ge=10, le=100_000, description="Messages kept in Redis per queue; more wait.")
    worker_lease: float = Field(15, ge=3, le=3600, description="Seconds without a heartbeat that make a worker dead.")
    leader_lease: float = Field(15, ge=5, le=3600, description="Seconds a scheduling process leads without renewing.")
    shutdown_grace: float = Field(25, ge=0, le=3600, description="Seconds running jobs get after SIGTERM.")
    worker_max_jobs: int | None = Field(None, ge=1, description="Runs after which a worker process starts anew.")
    worker_max_memory: int | None = Field(None, ge=200, description="MiB of memory at which a worker starts anew.")
    unknown_actor_limit: float = Field(3600, ge=0, description="Seconds until a job whose actor no worker knows fails.")
    retention_succeeded_days: float = Field(7, gt=0, description="Days a succeeded job is kept.")
    retention_cancelled_days: float = Field(7, gt=0, description="Days a cancelled job is kept.")
    retention_failed_days: float = Field(30, gt=0, description="Days a failed job is kept.")
    retention_executions_days: float = Field(30, gt=0, description="Days the history of schedules is kept.")

    email_provider: Words = Field(
        ("file",), description="How e-mail leaves: file, smtp, sendgrid, ses; several: in turn."
    )
    email_routes: Words = Field((), description="Providers by tag: newsletter=ses, receipt=smtp+sendgrid")
    email_policy: Literal["at_most_once", "at_least_once"] = Field(
        "at_most_once", description="What to do when nobody knows whether a mail left: leave it, or send it again."
    )
    email_unknown_grace: float = Field(900, ge=0, le=86_400, description="Seconds to wait for events of such a mail.")
    email_templates: Path | None = Field(None, description="Folder of e-mail templates, besides our own.")
    email_content_days: float = Field(30, gt=0, description="Days the words of a mail are kept.")
    email_retention_days: float = Field(400, gt=0, description="Days is kept who was sent a mail, and its events.")
    email_retention_failed_days: float = Field(800, gt=0, description="Days is kept who did not get a mail, and why.")
    email_from: str = Field("Callboard <callboard@localhost>", description="Sender of e-mails that name none.")
    email_folder: Path | None = Field(None, description="Where the file provider writes; CALLBOARD_HOME/mail if unset.")
    smtp_host: str = Field("127.0.0.1", description="SMTP server.")
    smtp_port: int = Field(587, ge=1, le=65535, description="SMTP port.")
    smtp_username: str | None = Field(None, description="SMTP login name, if the server wants one.")
    smtp_password: SecretStr | None = Field(None, description="SMTP password.")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is secured.")
    smtp_timeout: float = Field(60, gt=0, le=900, description="Seconds one SMTP step may take.")
    smtp_final_timeout: float = Field(600, gt=0, le=900, description="Seconds the reply to a whole mail may take.")
    smtp_connections: int = Field(20, ge=1, le=1000, description="Connections to the SMTP server per worker process.")

    smtp_rate: str | None = Field(None, description="Bulk mails that SMTP gets at most: 10/s, 300/m, 5000/h.")
    sendgrid_rate: str | None = Field(None, description="Bulk mails that SendGrid gets at most: 100/s.")
    ses_rate: str | None = Field(None, description="Bulk mails that SES gets at most: 14/s.")
    sendgrid_api_key: SecretStr | None = Field(None, description="SendGrid's API key.")
    sendgrid_url: str = Field("https://api.sendgrid.com", description="SendGrid's API; https://api.eu.sendgrid.com")
    sendgrid_webhook_key: str | None = Field(None, description="Public key that SendGrid signs its events with.")
    ses_region: str | None = Field(None, description="Region of Amazon SES; keys come the way AWS programs find them.")
    ses_url: str | None = Field(None, description="Another address of the SES API, for tests and private endpoints.")
    ses_configuration_set: str | None = Field(None, description="Configuration set of SES, which sends the events.")
    ses_topics: Words = Field((), description="ARNs of the SNS topics whose events are believed.")
    alert_recipients: Words = Field((), description="Who gets alerts by e-mail: ops@example.com, ada@example.com")
    alert_webhooks: Words = Field((), description="URLs that alerts are posted to.")
    alert_window: float = Field(3600, ge=0, description="Seconds in which the same alert is not sent again.")
    secret_key: SecretStr | None = Field(
        None, min_length=32, description="Encrypts stored secrets; made in CALLBOARD_HOME if unset. All need the same."
    )
    outgoing_schemes: Words = Field(("https",), description="Schemes of URLs that requests may go to: https, http.")
    outgoing_ports: Words = Field(("80", "443", "8080", "8443"), description="Ports they may go to; * is any.")
    outgoing_private: Words = Field((), description="Networks they may go to although not public: 10.1.0.0/16, ::1")
    outgoing_proxy: SecretStr | None = Field(None, description="Proxy they leave through: http://user:pw@host:3128")
    outgoing_ca_file: Path | None = Field(None, description="Authorities (PEM) to trust besides the machine's.")

    webhook_event_types: Words = Field((), description="The types of events that may be published: order.paid, ...")
    webhook_schedule: Words = Field(
        ("5", "300", "1800", "7200", "18000", "36000", "50400", "72000", "86400"),
        description="Seconds before a webhook's attempts 2, 3, ...",
    )
    webhook_concurrency: int = Field(20, ge=1, le=10_000, description="Requests at once to one endpoint, by all.")
    webhook_disable_days: float = Field(5, gt=0, description="Days of nothing but failures that disable an endpoint.")
    webhook_retention_days: float = Field(90, gt=0, description="Days webhooks and their attempts are kept.")
    webhook_retention_failed_days: float = Field(180, gt=0, description="Days those are kept that did not get through.")

    seed_schedules: bool = Field(True, description="Whether the schedules that come with the code are made.")
    ldap_url: str | None = Field(
        None, description="Directory whose users are copied: ldap://dc.example.com, or ldaps://."
    )
    ldap_start_tls: bool = Field(True, description="Whether an ldap:// connection is encrypted (StartTLS).")
    ldap_ca_file: Path | None = Field(None, description="Authorities (PEM) of the directory's certificate.")
    ldap_bind_dn: str | None = Field(None, description="Who reads it: cn=callboard,ou=services,dc=example,dc=com")
    ldap_password: SecretStr | None = Field(None, description="That account's password.")
    ldap_base_dn: str | None = Field(None, description="Where the users are: ou=people,dc=example,dc=com")
    ldap_filter: str = Field(
        "(&(objectCategory=person)(objectClass=user))", description="Which entries are users (RFC 4515)."
    )
    ldap_page_size: int = Field(500, ge=1, le=100_000, description="Users per page; Active Directory gives 1000.")
    ldap_timeout: int = Field(30, ge=1, le=900, description="Seconds the directory may take for one answer.")
    ldap_least_share: float = Field(
        0.5, ge=0, le=1, description="Share of the known users that must be there still; with fewer nothing is changed."
    )
    deployment_timeout: float = Field(300, gt=0, description="Seconds without a word that fail a running deployment.")
    deployment_start_timeout: float = Field(3600, gt=0, description="Seconds until one that was not started fails.")
    health_wait_warning: float = Field(300, gt=0, description="Seconds a due job may wait before health is a warning.")
    health_wait_critical: float = Field(1800, gt=0, description="Seconds a due job may wait before it is critical.")
    health_latency: float = Field(0.5, gt=0, description="Seconds PostgreSQL or Redis may take to say they are there.")
    health_silence: float = Field(300, ge=120, description="Seconds without a health check that are critical.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")

    job_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is kept of what a job logs."
    )
    job_log_lines: int = Field(10_000, ge=1, le=1_000_000, description="Lines kept of what a job logs.")
    job_log_kib: int = Field(1024, ge=1, le=102_400, description="KiB kept of what a job logs.")

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """`DATABASE_URL=` in an environment file means: not set."""
        field = cls.model_fields[info.field_name or ""]
        if value == "" and (field.default is None or field.default_factory is not None):
            return field.get_default(call_default_factory=True, validated_data={})
        return value

    @field_validator("callboard_home", "email_folder", "email_templates", "outgoing_ca_file", "ldap_ca_file")
    @classmethod
    def _is_no_shell(cls, value: Path | None) -> Path | None:
        """`~` in an environment file reaches us as it stands."""
        try:
            return value and value.expanduser()
        except RuntimeError:
            raise ValueError(f"{value} begins with a home that nobody has: write the whole path") from None

    @field_validator("email_provider")
    @classmethod
    def _are_providers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - _PROVIDERS:
            raise ValueError(f"must be one or more of {', '.join(sorted(_PROVIDERS))}, separated by commas")
        return value

    @field_validator("smtp_rate", "sendgrid_rate", "ses_rate")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[1-9][0-9]{0,5}/[smhd]", value):
            raise ValueError("must be a number per second, minute, hour or day: 14/s")
        return value

    @field_validator("email_routes")
    @classmethod
    def _are_routes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for rule in value:
            tag, _, names = rule.partition("=")
            if not tag.strip() or {name.strip() for name in names.split("+")} - _PROVIDERS:
                raise ValueError("must be tag=provider, separated by commas; several providers as a+b")
        return value

    @field_validator("outgoing_schemes")
    @classmethod
    def _are_schemes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - {"http", "https"}:
            raise ValueError("must be https, http or both, separated by a comma")
        return value

    @field_validator("outgoing_ports")
    @classmethod
    def _are_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(port == "*" or (port.isascii() and port.isdecimal() and 0 < int(port) < 65536) for port in value):
            raise ValueError("must be numbers from 1 to 65535, separated by commas, or *")
        return value

    @field_validator("webhook_schedule")
    @classmethod
    def _are_delays(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(0 <= float(step) <= 30 * 86_400 for step in value):
            raise ValueError("must be seconds, separated by commas, none over 30 days")
        return value

    @field_validator("webhook_event_types")
    @classmethod
    def _are_event_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*", name) or len(name) > 100:
                raise ValueError(f"{name!r} is no type of event: words joined by full stops, as in order.paid")
        return value

    @field_validator("outgoing_private")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)  # its error says what is wrong
        return value

    @field_validator("ldap_url")
    @classmethod
    def _is_directory(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"ldaps?://[^/?#\s]+/?", value, re.IGNORECASE):
            raise ValueError("must be ldap://host or ldaps://host, with a port if it is another than usual")
        return value

    @field_validator("mask_patterns")
    @classmethod
    def _expressions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def postgres(self) -> str:
        """The database's URL as SQLAlchemy wants it. Raises ConfigurationError when it is not set."""
        return "postgresql+asyncpg://" + _require(self.database_url, "DATABASE_URL").split("://", 1)[1]

    @property
    def redis(self) -> str:
        """The broker's URL. Raises ConfigurationError when it is not set."""
        return _require(self.redis_url, "REDIS_URL")

    @property
    def mail_folder(self) -> Path:
        return self.email_folder or self.callboard_home / "mail"


def _require(url: object, name: str) -> str:
    if url is None:
        raise ConfigurationError(
            f"{name} is not set. Export it, write it to .env or callboard.toml, "
            "or start everything on this machine with `make dev` and say where it is: "
            'eval "$(.venv/bin/python -m local env)".'
        )
    return str(url)


def load() -> Settings:
    """Read the settings now. Raises ConfigurationError with one line for each wrong value."""
    try:
        return Settings()
    except ValidationError as error:
        # The wrong value is not shown: it may be a secret.
        lines = [f"  {'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigurationError(
            "These settings are wrong (environment, .env or callboard.toml):\n"
            + "\n".join(lines)
            + "\nRun `callboard settings` for what each one means."
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"callboard.toml or .env cannot be read: {error}") from None


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()
