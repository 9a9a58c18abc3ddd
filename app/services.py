"""What the app holds: built once, at start, and handed in by tests."""

from __future__ import annotations

import atexit
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

from app.store.errors import StoreUnavailable
from app.store.housekeeping import Housekeeping
from app.store.link import Address
from app.store.store import Store
from app.webhooks.kept import read_record
from app.webhooks.signature import Signatures
from config.embedded import Engine
from config.settings import Settings

if TYPE_CHECKING:
    from app.flows.flows import Flows

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that requests use."""

    settings: Settings
    store: Store
    flows: Flows
    signatures: Signatures | None  # None: no signature is looked at
    started: datetime

    @property
    def presume_ended_after(self) -> timedelta:
        """How long a live conversation may be silent."""
        return timedelta(seconds=self.settings.presume_ended_after)


def build(settings: Settings, *, store: Store | None = None) -> Services:
    """The services for *settings*. Connects to nothing yet."""

    looks = settings.webhook_verify != "off" and not settings.unsigned_allowed
    return Services(
        settings=settings,
        store=store or build_store(settings),
        flows=build_flows(settings),
        signatures=Signatures(
            settings.signature_secrets,
            application_id=settings.application_id,
            max_age=settings.signature_max_age,
            verify_get_hash=settings.verify_get_hash,
        )
        if looks
        else None,
        started=datetime.now(UTC),
    )


def build_flows(settings: Settings) -> Flows:
    """The call flows of FLOWS_FILE, which is read when the first call comes, or a worker begins."""
    from app.flows.flows import Flows  # the SDK's models take a third of a second to import
    from app.flows.reload import FlowReloader

    told = {
        "APP_USER": settings.app_user,
        "CALLER_NUMBER": settings.caller_number,
        "PUBLIC_URL": settings.public_url,
    }
    reloader = FlowReloader(settings.flows_file, told)
    return Flows(reloader, settings=told, base=settings.base_url, secret=settings.secret_key)


def build_store(settings: Settings) -> Store:
    """The store at REDIS_URL, or else in the embedded engine, which somebody else starts."""
    url = settings.redis_url or Engine(settings.data_dir).url
    address = Address(url, cluster=settings.redis_cluster, tls_verify=settings.redis_tls_verify)
    return Store(
        address,
        read=read_record,
        retention=timedelta(days=settings.retention_days),
        connections=settings.redis_max_connections,
    )


def services() -> Services:
    """The services of the app that handles this request."""
    return cast("Services", current_app.extensions["switchhook"])


def begin(app: Flask) -> None:
    """What a worker does beside answering: claim the store, tidy it, and at the end write what is still to be written.

    Redis away is no reason not to start: callers are answered without it. Raises WrongLayout.
    """
    held = cast("Services", app.extensions["switchhook"])
    housekeeping = Housekeeping(held.store, max_memory_mb=held.settings.max_memory_mb)

    def end() -> None:
        held.flows.reloader.stop()
        housekeeping.stop()
        held.store.stop()

    atexit.register(end)
    held.flows.reloader.start()
    try:
        held.store.start()
        if policy := held.store.evicts():
            log.warning("Redis removes calls by itself when it is full (maxmemory-policy %s): set noeviction", policy)
    except StoreUnavailable as away:
        log.warning("started all the same: %s", away)
    housekeeping.start()
