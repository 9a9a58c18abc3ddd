"""The parts of the server: all are built here, once, and started and stopped in one order."""

from __future__ import annotations

import atexit
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

from flask import Flask, current_app

from app.calls.call_queries import CallQueries
from app.calls.counting import Counting
from app.calls.names import Names
from app.calls.places import Places
from app.calls.queries import Calls
from app.calls.sessions import SessionQueries
from app.control.app_users import AppUsers
from app.control.conferences import Conferences
from app.control.control import Control
from app.control.driver import Driver
from app.control.look_ups import LookUps
from app.control.operations import Operations
from app.control.pair_rooms import PairRooms
from app.control.regions import Regions
from app.control.room_calls import RoomCalls
from app.control.transfers import Transfers
from app.control.vonage_client import VonageClient
from app.flows.flows import Flows
from app.flows.python_flows import is_patched
from app.flows.reload import FlowReloader
from app.live.follower import Live
from app.live.user_looks import UserLooks
from app.recordings import Recordings
from app.spool.drain import Drain
from app.spool.keeper import Keeper
from app.spool.spool import Spool
from app.store import apart
from app.store.errors import StoreUnavailable
from app.store.housekeeping import Housekeeping
from app.store.link import Address
from app.store.store import Store
from app.vonage_token import ApplicationTokens
from app.web.metrics import Refresh
from app.webhooks.kept import read_record
from app.webhooks.signature import Signatures
from config.embedded import Engine
from config.settings import Settings
from config.stopping import at_stop

log = logging.getLogger(__name__)


class Part(Protocol):
    """What a worker starts once it is forked, and stops at its end."""

    @property
    def name(self) -> str:
        """As `/readyz` names it."""

    def start(self) -> None:
        """Start working. Raises StoreUnavailable while Redis is away."""

    def stop(self) -> None:
        """Finish what is under way."""

    def ping(self) -> str | None:
        """None, or a short reason why the part is degraded."""


@dataclass(frozen=True, slots=True)
class Services:
    """What requests use."""

    settings: Settings
    store: Store
    spool: Spool
    keeper: Keeper
    drain: Drain
    flows: Flows
    live: Live
    user_looks: UserLooks
    places: Places
    names: Names
    recordings: Recordings
    control: Control
    look_ups: LookUps
    app_users: AppUsers
    housekeeping: Housekeeping
    counting: Counting
    refresh: Refresh
    signatures: Signatures | None  # None: signatures are not checked
    started: datetime

    @property
    def parts(self) -> tuple[Part, ...]:
        """In the order in which they start; they stop in reverse."""
        return (
            *(self.flows, self.spool, self.store, self.live, self.control.driver, self.look_ups),
            *(self.housekeeping, self.counting, self.refresh, self.drain),
        )

    def eviction(self) -> str | None:
        """A warning if Redis removes calls by itself, else None. Raises StoreUnavailable."""
        policy = self.store.evicts()
        if policy is None:
            return None
        return f"Redis removes calls by itself when it is full (maxmemory-policy {policy}): set it to noeviction."

    @property
    def transfers(self) -> Transfers:
        """Transfers of live calls."""
        return Transfers(self.control, self.control.operations)

    @property
    def room_calls(self) -> RoomCalls:
        """Calls to users in rooms."""
        return RoomCalls(self.control)

    @property
    def conferences(self) -> Conferences:
        """Conferences of live calls."""
        return Conferences(self.control, self.control.operations)

    @property
    def presume_ended_after(self) -> timedelta:
        """How long a live conversation may be silent."""
        return timedelta(seconds=self.settings.presume_ended_after)

    @property
    def calls(self) -> Calls:
        """Reads conversations, legs and their events from the store."""
        return Calls(self.store, self.presume_ended_after, self.settings.mask_numbers, self.names.current)

    @property
    def call_queries(self) -> CallQueries:
        """Reads whole calls from the store."""
        return CallQueries(self.calls)

    @property
    def sessions(self) -> SessionQueries:
        """Reads users and their sessions from the store."""
        return SessionQueries(self.call_queries, self.store)


def build(settings: Settings, *, store: Store | None = None, flows: Flows | None = None) -> Services:
    """The services for *settings*. Connects to nothing and starts nothing yet."""
    if store is None:
        url = settings.redis_url or Engine(settings.data_dir).url  # the embedded engine, which gunicorn's master starts
        store = Store(
            Address(
                url,
                cluster=settings.redis_cluster,
                tls_verify=settings.redis_tls_verify,
                replicas=settings.redis_wait_replicas,
            ),
            read=read_record,
            retention=timedelta(days=settings.retention_days),
            connections=settings.redis_max_connections,
        )
    if flows is None:
        known = {
            "APP_USER": settings.app_user,
            "CALLER_NUMBER": settings.caller_number,
            "PUBLIC_URL": settings.public_url,
        }
        reloader = FlowReloader(settings.flows_file, known)
        flows = Flows(reloader, settings=known, base=settings.base_url, secret=settings.secret_key)
    signatures = None
    if settings.webhook_verify != "off" and not settings.unsigned_allowed:
        signatures = Signatures(
            settings.signature_secrets,
            application_id=settings.application_id,
            max_age=settings.signature_max_age,
            verify_get_hash=settings.verify_get_hash,
        )
    presumed = timedelta(seconds=settings.presume_ended_after)
    spool = Spool(settings.data_dir, settings.spool_max_mb)
    names = Names(settings.names_file, store)
    live = Live(store, store.feed(), presumed, names.current)
    housekeeping = Housekeeping(store, max_memory_mb=settings.max_memory_mb)
    tokens = None
    if settings.application_id is not None and settings.private_key is not None:
        tokens = ApplicationTokens(settings.application_id, settings.private_key)
    recordings = Recordings(tokens, settings.recording_hosts)
    control = _control(settings, store, flows, tokens)
    look_ups = LookUps(store, control.client, Regions(store, control.client), presumed)
    control.driver.on_doubt = look_ups.doubt
    call_queries = CallQueries(Calls(store, presumed, settings.mask_numbers, names.current))
    counting = Counting(store, call_queries)
    refresh = Refresh(
        lambda: {"waiting": store.answers_waiting, "lost": store.answers_lost, "listeners": live.listeners}
    )
    return Services(
        settings,
        store,
        spool,
        Keeper(store, spool),
        Drain(store, spool),
        flows,
        live,
        UserLooks(live, store),
        Places(SessionQueries(call_queries, store), store),
        names,
        recordings,
        control,
        look_ups,
        AppUsers(store, control.client),
        housekeeping,
        counting,
        refresh,
        signatures,
        started=datetime.now(UTC),
    )


def _control(settings: Settings, store: Store, flows: Flows, tokens: ApplicationTokens | None) -> Control:
    client = VonageClient(tokens, settings.api_hosts)
    driver = Driver(store, client, Regions(store, client))
    operations = Operations(store, driver)
    return Control(
        store,
        flows,
        client,
        driver,
        operations,
        settings.base_url,
        pair_rooms=PairRooms(operations) if settings.connect_to_room == "try" else None,
        hold_music=settings.hold_music_url,
        caller_number=settings.caller_number,
    )


def services(app: Flask = current_app) -> Services:
    """The services of *app*, by default of the one that handles this request."""
    return cast("Services", app.extensions["switchhook"])


def begin(app: Flask) -> None:
    """Start the parts in this worker; they stop when it ends.

    Redis away is no reason not to start: callers are answered without it. Raises WrongLayout.
    """
    started = services(app)
    if is_patched():
        apart.begin()

    def end() -> None:
        for part in reversed(started.parts):
            part.stop()

    atexit.register(end)
    at_stop(started.live.end)
    for part in started.parts:
        try:
            part.start()
        except StoreUnavailable as away:
            where = (
                f"Redis at {started.store.place} (REDIS_URL)" if started.settings.redis_url else "the embedded store"
            )
            log.warning("%s does not answer (%s): calls are answered, events wait on disk", where, away.reason)
    with suppress(StoreUnavailable):
        if warning := started.eviction():
            log.warning("%s", warning)
