"""One process at a time, for work that several workers may find due at once."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def sole(name: str) -> Iterator[bool]:
    """Whether this process is the only one that does ``name`` now.

    A Postgres advisory lock: it dies with its session, so a killed worker blocks nobody.
    """
    key = zlib.crc32(name.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
