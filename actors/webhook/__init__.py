"""Sends webhooks, and sends again what was not delivered."""

from actors.webhook.delivering import deliver_webhook
from actors.webhook.replaying import replay_webhooks
from actors.webhook.upkeep import tidy_webhooks

__all__ = ["deliver_webhook", "replay_webhooks", "tidy_webhooks"]
