"""A private TimescaleDB and MQTT broker for demonstration and tests: no root, no container, nothing of the machine's touched.

    archive        Debian's signed archive, through the machine's own apt-get -> .deb files
    installation   .deb files -> programs that run from a cache folder, made once and used by every checkout
    account        who the servers run as, and which folders that user can enter
    folder         where they keep their data: a temporary folder, or one that is kept
    process        a server as a child process that ends with its parent
    postgres, mosquitto, ports

A plant uses its own servers instead: with a DSN and a broker's URL given, nothing here is called.
"""

from __future__ import annotations

from bridge.store.embedded.folder import data_folder
from bridge.store.embedded.installation import Installation, prepare
from bridge.store.embedded.mosquitto import PrivateBroker
from bridge.store.embedded.ports import free_port
from bridge.store.embedded.postgres import PrivateDatabase
from bridge.store.embedded.progress import Progress, silent

__all__ = [
    "Installation",
    "PrivateBroker",
    "PrivateDatabase",
    "Progress",
    "data_folder",
    "free_port",
    "prepare",
    "silent",
]
