"""The settings of our own PostgreSQL, each with its reason."""

from __future__ import annotations

import os
import re
import sys

_RELEASE = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))

SETTINGS = {
    "listen_addresses": "",  # no TCP: who can enter the socket's 0700 folder may connect
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",  # what was acknowledged survives a power cut
    # After a crash one call for the file system, not one for each file. Linux reports its failures since 5.8.
    "recovery_init_sync_method": "syncfs" if sys.platform == "linux" and _RELEASE >= (5, 8) else "fsync",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",  # a page is logged whole once a checkpoint: with 1 GB that was 9/10 of the log
    "wal_compression": "pglz",  # the build has no lz4
    "autovacuum_naptime": "10s",  # in the usual minute, posts leave millions of dead rows behind
    "random_page_cost": "1.1",  # solid-state disks
    "jit": "off",  # compiling costs more than it saves on short statements
    "log_min_messages": "error",
    "log_min_error_statement": "panic",  # a statement that fails is reported by its caller, and may hold data
    "log_error_verbosity": "terse",  # the details of an error may hold data too: the row that broke a rule
    "log_checkpoints": "off",
}

RECOVERY_SETTINGS = {
    "hot_standby": "off",  # not ready before it has reached its target: until then it could only be read
    "recovery_target_action": "promote",  # by default it would stop there and wait for somebody to look at it
}
"""Those of a server that restores an archive, besides."""
