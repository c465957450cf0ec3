"""What the ingest path counts, per source, for Prometheus. Whoever serves `REGISTRY` is not known here."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()
_SOURCE: Final = ("source",)
_COMMIT_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_LAG_BUCKETS_S: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 86_400)
_BATCH_BUCKETS: Final = (0, 1, 10, 100, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)

READINGS: Final = Counter("amor_ingest_readings", "Readings stored.", _SOURCE, registry=REGISTRY)
BATCHES: Final = Counter("amor_ingest_batches", "Transactions committed.", _SOURCE, registry=REGISTRY)
MESSAGES: Final = Counter("amor_ingest_messages", "Messages stored and acknowledged.", _SOURCE, registry=REGISTRY)
DUPLICATES: Final = Counter("amor_ingest_duplicates", "Readings that were stored already.", _SOURCE, registry=REGISTRY)
CONFLICTS: Final = Counter(
    "amor_ingest_conflicts",
    "Readings whose key is stored with another value; each is a dead letter.",
    _SOURCE,
    registry=REGISTRY,
)
DEAD_LETTERS: Final = Counter("amor_ingest_dead_letters", "Dead letters kept.", _SOURCE, registry=REGISTRY)
TYPE_DRIFT: Final = Counter(
    "amor_ingest_type_drift",
    "Readings of another type than their tag's first one; stored as they are.",
    _SOURCE,
    registry=REGISTRY,
)
RETRIES: Final = Counter(
    "amor_ingest_retries", "Batches that were written again after a failure.", _SOURCE, registry=REGISTRY
)
COMMIT_S: Final = Histogram(
    "amor_ingest_commit_seconds",
    "Time of a batch's transaction.",
    _SOURCE,
    buckets=_COMMIT_BUCKETS_S,
    registry=REGISTRY,
)
LATENCY_S: Final = Histogram(
    "amor_ingest_latency_seconds",
    "From the arrival of a batch's oldest message to its commit.",
    _SOURCE,
    buckets=_COMMIT_BUCKETS_S,
    registry=REGISTRY,
)
LAG_S: Final = Histogram(
    "amor_ingest_lag_seconds",
    "From the newest source time of a batch to its commit; a time ahead of ours counts as 0.",
    _SOURCE,
    buckets=_LAG_BUCKETS_S,
    registry=REGISTRY,
)
NEWEST_S: Final = Gauge(
    "amor_ingest_newest_source_time_seconds",
    "Newest source time of the last batch that had readings, seconds since 1970.",
    _SOURCE,
    registry=REGISTRY,
)
BATCH_READINGS: Final = Histogram(
    "amor_ingest_batch_readings",
    "Readings that a transaction stored.",
    _SOURCE,
    buckets=_BATCH_BUCKETS,
    registry=REGISTRY,
)
PENDING_ROWS: Final = Gauge("amor_ingest_pending_rows", "Readings in the buffer.", _SOURCE, registry=REGISTRY)
UNACKNOWLEDGED: Final = Gauge(
    "amor_source_unacknowledged", "Messages not acknowledged yet.", _SOURCE, registry=REGISTRY
)
CONNECTED: Final = Gauge("amor_source_connected", "1 while connected.", _SOURCE, registry=REGISTRY)
WANTED: Final = Gauge(
    "amor_source_wanted", "Subscriptions or nodes that the configuration names.", _SOURCE, registry=REGISTRY
)
LIVE: Final = Gauge("amor_source_live", "Those that the other side confirmed.", _SOURCE, registry=REGISTRY)
DROPPED: Final = Gauge("amor_source_dropped", "Messages of QoS 0 lost to a full inbox.", _SOURCE, registry=REGISTRY)
