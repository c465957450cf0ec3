"""What the ingest path counts, served for Prometheus at http://<metrics_host>:<metrics_port>/metrics by a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from bridge.config.settings import IngestSettings
from bridge.ingest.metrics import REGISTRY

log = structlog.get_logger()


@contextmanager
def served(settings: IngestSettings) -> Iterator[None]:
    """Serve the metrics where a port is configured. A port that is taken is said in the log and stops no source."""
    if not settings.metrics_port:
        yield
        return
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, REGISTRY)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        log.error("metrics are not served: change ingest.metrics_port", address=where, reason=str(error))  # noqa: TRY400
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
