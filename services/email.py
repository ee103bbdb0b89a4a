"""What callers may ask of e-mail: send one, send thousands, look at them, send one again."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson
from dramatiq import Actor
from sqlalchemy import Select, Text, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from actors.email import BULK, deliver_email
from db import emails
from db.models import Email, EmailEvent
from db.models.emails import STATUSES
from errors import BadArguments, Conflict, NotFound
from providers.email import Draft, Message, asked_for, check_recipients, read_draft, route
from providers.email.rows import row_of
from providers.email.templates import templates
from runtime import payload
from runtime.ids import uuid7
from services import audit, jobs
from services.jobs import Enqueued, Options
from settings import settings

ACTOR, QUEUE = deliver_email.actor_name, deliver_email.queue_name  # of what `send` enqueues
MOST_BULK = 10_000  # mails of one call
MOST_SEARCHED = 20_000  # mails that are looked through for a tag, a template or an answer


@dataclass(frozen=True)
class To:
    """A recipient of a bulk mail: `data` is for the template, on top of what all of them get."""

    address: str
    data: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None


async def send(
    session: AsyncSession,
    *,
    to: str | list[str] | None = None,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    cc: str | list[str] | None = None,
    bcc: str | list[str] | None = None,
    reply_to: str | list[str] | None = None,
    sender: str | None = None,
    headers: dict[str, str] | None = None,
    attachments: list[dict[str, str]] | None = None,
    template: str | None = None,
    data: dict[str, Any] | None = None,
    mailing_list: str | None = None,
    provider: str | None = None,
    policy: str | None = None,
    idempotency_key: str | None = None,
    options: Options | None = None,
) -> Enqueued:
    """Write a mail and its job in the caller's transaction; it leaves after the commit. Both have the same id.

    Addresses are `ada@example.com` or `Ada Lovelace <ada@example.com>`, at most 100 in all, 50 where SES is among the
    providers. They are checked for their form only: no DNS. `sender` is EMAIL_FROM unless given. Words are `text`,
    `html` or both, or a `template` with its `data`; a missing text is made from the HTML. `attachments` are `{"name",
    "type", "content"}`, base64, 10 MiB in all.

    `mailing_list` adds the link to leave that list, and holds the mail back from who has left it. `provider` is one, or
    several in turn ("smtp, sendgrid"); unset, the job's tags decide (EMAIL_ROUTES), then EMAIL_PROVIDER. `policy` is
    what happens when nobody knows whether it left (EMAIL_POLICY). With an `idempotency_key` there is one mail, however
    often and by however many it is asked for: the others get the first one's id, and `created` is False.

    The job retries three times from 60 s on; `options` say otherwise, or when it is to leave. What a mail with refused
    recipients means: actors/email.py. Raises BadArguments, its `path` naming the wrong argument (`to[3]`,
    `headers.X-Id`), and TooLarge.
    """
    options = options or Options()
    content = {
        "to": to, "cc": cc, "bcc": bcc, "reply_to": reply_to, "sender": sender, "text": text, "html": html,
        "headers": headers, "attachments": attachments, "data": data,
    }  # fmt: skip
    payload.check(data, "data")
    draft, message = read_draft(
        settings(), content, subject=subject, template=template, mailing_list=mailing_list, tags=options.tags
    )
    providers = asked_for(provider)
    check_recipients(route(settings(), providers, options.tags), message)
    row = row_of(
        draft, message, email_id=uuid7(), providers=providers, policy=policy or settings().email_policy,
        idempotency_key=_checked_key(idempotency_key),
    )  # fmt: skip
    [enqueued] = await _write(session, [row], options)
    return enqueued


async def send_bulk(
    session: AsyncSession,
    to: Sequence[To],
    *,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    reply_to: str | list[str] | None = None,
    sender: str | None = None,
    headers: dict[str, str] | None = None,
    template: str | None = None,
    data: dict[str, Any] | None = None,
    mailing_list: str | None = None,
    provider: str | None = None,
    policy: str | None = None,
    options: Options | None = None,
) -> list[Enqueued]:
    """One mail, and one job, for each of up to 10,000 recipients, in two statements. What they mean: `send`.

    They have a queue of their own, so that other mail does not wait behind them, and leave no faster than the first of
    their providers is to get them (SMTP_RATE, SENDGRID_RATE, SES_RATE). One that stands in for it gets them as fast.

    All of them are checked before anything is written. Raises BadArguments: `to[17].address` is that recipient's.
    """
    options = options or Options()
    if not 0 < len(to) <= MOST_BULK:
        raise BadArguments(f"to has {len(to):,} recipients; between 1 and {MOST_BULK:,} can be sent to at once.", "to")
    providers = asked_for(provider)
    shared = {"sender": sender, "reply_to": reply_to, "headers": headers, "text": text, "html": html}
    rows = []
    for number, recipient in enumerate(to):
        own = {**(data or {}), **recipient.data}
        try:
            payload.check(own, "data")
            draft, message = read_draft(
                settings(), {**shared, "to": recipient.address, "data": own if template else None},
                subject=subject, template=template, mailing_list=mailing_list, tags=options.tags,
            )  # fmt: skip
            key = _checked_key(recipient.idempotency_key)
        except BadArguments as error:
            if error.path in ("to", "data", "idempotency_key"):
                path = f"to[{number}].{'address' if error.path == 'to' else error.path}"
                raise BadArguments(f"{path}: {error}", path) from None
            raise
        rows.append(
            row_of(
                draft,
                message,
                email_id=uuid7(),
                providers=providers,
                policy=policy or settings().email_policy,
                idempotency_key=key,
            )
        )
    first = (providers or route(settings(), None, options.tags))[0]
    return await _write(session, rows, options, BULK[first])


def template_names() -> list[str]:
    """Templates that there are, ours among them."""
    return templates(settings().email_templates).names()


def preview(
    template: str, data: dict[str, Any] | None = None, *, to: str = "reader@example.com", subject: str | None = None
) -> Message:
    """What a template makes of this data, as it would leave. Raises BadArguments."""
    draft = Draft({"to": to, "data": data or {}}, subject or "", template, None, ())
    return draft.write(uuid7(), settings())


async def get(session: AsyncSession, email_id: uuid.UUID) -> Email:
    """One mail. Raises NotFound."""
    email = await session.get(Email, email_id)
    if email is None:
        raise NotFound(f"There is no e-mail {email_id}. It may have been deleted after its retention.")
    return email


async def events(session: AsyncSession, email_id: uuid.UUID, limit: int = 500) -> list[EmailEvent]:
    """What providers and recipients said of it, first to last."""
    statement = select(EmailEvent).where(EmailEvent.email_id == email_id)
    return list(await session.scalars(statement.order_by(EmailEvent.occurred_at, EmailEvent.id).limit(limit)))


async def recent(
    session: AsyncSession,
    limit: int = 50,
    *,
    before: tuple[datetime, uuid.UUID] | None = None,
    status: str | None = None,
    address: str | None = None,
    tag: str | None = None,
    template: str | None = None,
    answer: str | None = None,
    since: datetime | None = None,
) -> list[Email]:
    """The newest mails, without their words. `before` is `created_at` and `id` of the last one of the page before.
    `answer` is a part of what was said of why a mail, or a recipient of it, was not accepted: `550`, `full`.

    No index knows tags, templates and answers: they are looked for among the newest MOST_SEARCHED mails, those before
    `before`.
    Raises BadArguments for a status that there is not.
    """
    if status is not None and status not in STATUSES:
        raise BadArguments(f"No e-mail is {status!r}. They are {', '.join(STATUSES)}.", "status")
    statement = (
        select(Email)
        .options(defer(Email.content, raiseload=True))
        .order_by(Email.created_at.desc(), Email.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(tuple_(Email.created_at, Email.id) < before)
    if since is not None:
        statement = statement.where(Email.created_at >= since)
    if (tag, template, answer) != (None, None, None):
        statement = statement.where(Email.id.in_(_newest(before, since)))
    if tag is not None:
        statement = statement.where(Email.tags.contains([tag]))
    if template is not None:
        statement = statement.where(Email.template == template)
    if answer is not None:
        said = func.lower(func.concat(Email.error, " ", cast(Email.refused, Text)))
        statement = statement.where(func.strpos(said, answer.lower()) > 0)
    if status is not None:
        statement = statement.where(Email.status == status)
    if address is not None:
        statement = statement.where(Email.addresses.contains([address.lower()]))
    return list(await session.scalars(statement))


def _newest(before: tuple[datetime, uuid.UUID] | None, since: datetime | None) -> Select[uuid.UUID]:
    newest = select(Email.id).order_by(Email.created_at.desc(), Email.id.desc()).limit(MOST_SEARCHED)
    if before is not None:
        newest = newest.where(tuple_(Email.created_at, Email.id) < before)
    return newest if since is None else newest.where(Email.created_at >= since)


def written(email: Email) -> Message | None:
    """The mail as it would leave now, None once its words are deleted. Raises BadArguments where its template does not
    work any more."""
    if email.content is None:
        return None
    draft = Draft(email.content, email.subject, email.template, email.mailing_list, tuple(email.tags or ()))
    return draft.write(email.id, settings())


async def resend(session: AsyncSession, email_id: uuid.UUID, who: str, reason: str | None = None) -> Enqueued:
    """Send a mail that did not get to everybody, or of which nobody knows, with the same Message-ID; whoever has been
    accepted gets no second one. Raises NotFound, and Conflict where it makes no sense."""
    job_id = uuid7()
    connection = await session.connection()
    written = (await connection.exec_driver_sql(emails.RESEND, ([email_id], [job_id]))).first()
    if written is None:
        email = await get(session, email_id)
        raise Conflict(
            f"E-mail {email_id} is {email.status}. It can be sent again while its words are kept and it is failed, "
            "rejected, suppressed, cancelled or unknown."
        )
    call = replace(jobs.call(deliver_email, str(email_id)), id=job_id)
    await jobs.enqueue_many(session, [call])
    audit.note(session, who, "email.resend", job_id=job_id, target=str(email_id), reason=reason)
    return Enqueued(job_id, created=True)


def _checked_key(key: str | None) -> str | None:
    if key is None:
        return None
    payload.check(key, "idempotency_key")
    if not isinstance(key, str) or not 0 < len(key) <= 500:
        raise BadArguments("idempotency_key must have between 1 and 500 characters.", "idempotency_key")
    return key


async def _write(
    session: AsyncSession, rows: list[dict[str, Any]], options: Options, actor: Actor[[str], Any] = deliver_email
) -> list[Enqueued]:
    """The mails that are new, each with its job; the ids of the others' jobs."""
    if options.unique_key is not None:
        raise BadArguments(
            "E-mails have an idempotency_key, which holds as long as their rows. Give that one.", "options"
        )
    connection = await session.connection()
    made = await connection.exec_driver_sql(emails.INSERT, (orjson.dumps(rows).decode(),))
    new = {row[0] for row in made}
    calls = [replace(jobs.call(actor, row["id"]), id=uuid.UUID(row["id"])) for row in rows
             if uuid.UUID(row["id"]) in new]  # fmt: skip
    await jobs.enqueue_many(session, calls, options)
    keys = [row["idempotency_key"] for row in rows if uuid.UUID(row["id"]) not in new]
    found: Sequence[Any] = (await connection.exec_driver_sql(emails.BY_IDEMPOTENCY_KEY, (keys,))).all() if keys else []
    first: dict[str, uuid.UUID] = {row[0]: row[2] for row in found}
    return [
        Enqueued(uuid.UUID(row["id"]), created=True)
        if uuid.UUID(row["id"]) in new
        else Enqueued(first[row["idempotency_key"]], created=False)
        for row in rows
    ]
