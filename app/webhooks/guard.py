"""The signature check of every webhook, by WEBHOOK_VERIFY: enforce, report or off."""

from __future__ import annotations

import logging
import time
from collections import defaultdict

from app.services import Services
from app.web import metrics
from app.web.logs import annotate, known
from app.webhooks.signature import SignatureFault, SignatureMissing
from config.few_lines import FewLines

HASH_NOTES = frozenset({"get_hash_mismatch", "no_payload_hash"})

log = logging.getLogger(__name__)
# By fault: the log says once a minute what to do about it.
_few_lines: defaultdict[str, FewLines] = defaultdict(lambda: FewLines(1))


def verify(method: str, authorization: str | None, body: bytes, query: bytes, services: Services) -> tuple[str, ...]:
    """Check who signed a request; returns notes for the record. Raises SignatureMissing and SignatureRefused."""
    if services.signatures is None:
        known()
        return ("unsigned",)
    try:
        notes = services.signatures.check(
            authorization=authorization, method=method, body=body, query=query, now=time.time()
        )
    except SignatureFault as fault:
        if services.settings.webhook_verify != "report":
            _refuse(fault, services)
            raise
        services.store.count(f"reported:{fault.fault}")
        if _few_lines[fault.fault].one_more():
            log.warning("let through, for WEBHOOK_VERIFY is report: %s", fault)
        return ("unsigned" if isinstance(fault, SignatureMissing) else "refused_signature",)
    if method == "GET" and query:
        services.store.count("get_hash:wrong" if HASH_NOTES.intersection(notes) else "get_hash:right")
    known()
    if "get_hash_mismatch" in notes:
        services.store.count("reported:get_hash_mismatch")
        if _few_lines["get_hash_mismatch"].one_more():
            log.warning("the payload hash of a GET webhook is not of its query (VERIFY_GET_HASH is off: let through)")
    return notes


def _refuse(fault: SignatureFault, services: Services) -> None:
    """Count and log a refusal; what to do about it at most once a minute: the reply goes to Vonage, not to people."""
    annotate(outcome=f"refused:{fault.fault}")
    if _few_lines[fault.fault].one_more():
        log.warning("refused: %s", fault)
    services.store.count(f"refused:{fault.fault}")
    metrics.unread("refused")
    metrics.REFUSED.labels(fault.fault).inc()
