"""Files from open-data portals (CKAN): asked politely, checked, cached, with a way out when they are down.

What comes back says how it was come by: ``fresh`` and ``unchanged`` are the portal's word of today,
``last_good`` is an earlier download, ``simulated`` was made up and stays marked in every layer of the lake.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from textwrap import shorten
from typing import Any

import httpx

from domain.errors import FieldError
from forecasting.lake.landing import require_header
from forecasting.lake.reader import Portal, Reader
from forecasting.lake.simulated import simulated_file

ATTEMPTS = 4
FIRST_WAIT_S = 1.0
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
NOT_MODIFIED = 304
VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
SHOWN = 400  # characters of the names of a package's files
PAGE_TYPES = ("text/html", "application/xhtml+xml")


class Freshness(StrEnum):
    """How a file was come by."""

    FRESH = "fresh"
    UNCHANGED = "unchanged"
    LAST_GOOD = "last_good"
    SIMULATED = "simulated"


class SourceDownError(Exception):
    """The portal gave no acceptable answer; the message says what it gave instead."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file on this machine: how it was come by, from where, and why not fresher (empty if it is)."""

    path: Path
    freshness: Freshness
    origin: str
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Downloads with retries into ``cache``. ``sleep`` waits between attempts; tests pass their own."""

    client: httpx.Client
    cache: Path
    sleep: Callable[[float], object]
    attempts: int = ATTEMPTS

    def fetch(self, reader: Reader, *, resource: str, now: datetime, seed: int) -> Fetched:
        """The newest resource of the dataset's package whose name contains ``resource`` and that is CSV.

        Falls back on the last good copy, then on a simulated series of the days before ``now``. Raises
        FieldError when the dataset has no portal, and when the portal has no such resource and never had.
        """
        if reader.portal is None:
            raise FieldError("dataset", f"{reader.dataset} is published by no portal")
        folder = self.cache / reader.dataset
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / f"{hashlib.sha256(resource.encode()).hexdigest()[:16]}.csv"
        try:
            url = self._resource_url(reader.portal, resource)
            return self._download(url, copy, reader)
        except (SourceDownError, FieldError) as trouble:
            if copy.exists():
                return Fetched(copy, Freshness.LAST_GOOD, _meta(copy).get("url", ""), str(trouble))
            if isinstance(trouble, FieldError):
                raise
            made_up = folder / f"simulated-{now:%Y%m%d}-{seed}.csv"
            made_up.write_bytes(simulated_file(reader, until=now, seed=seed))
            return Fetched(made_up, Freshness.SIMULATED, f"simulated with seed {seed}", str(trouble))

    def _resource_url(self, portal: Portal, resource: str) -> str:
        url = f"{portal.base_url}/api/3/action/package_show"
        answer = self._ask(url, params={"id": portal.package})
        try:
            tables = [
                (str(found["name"]), str(found.get("url", "")))
                for found in answer.json()["result"]["resources"]
                if str(found.get("format", "")).upper() == "CSV"
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceDownError(f"{url} did not answer as CKAN does") from error
        named = [table for table in tables if resource.lower() in table[0].lower()]
        if not named:
            known = shorten("; ".join(sorted(name for name, _ in tables)) or "none", SHOWN)
            message = f"no CSV of {portal.package} has {resource!r} in its name; it has {known}"
            raise FieldError("resource", message)
        return max(named)[1]

    def _download(self, url: str, copy: Path, reader: Reader) -> Fetched:
        """A checked copy at ``copy``, replaced at once."""
        meta = _meta(copy) if copy.exists() else {}
        known = {
            VALIDATORS[name]: meta[name] for name in VALIDATORS if meta.get("url") == url and name in meta
        }
        answer = self._ask(url, headers=known)
        if answer.status_code == NOT_MODIFIED:
            return Fetched(copy, Freshness.UNCHANGED, url)
        fresh = copy.with_suffix(".new.csv")
        fresh.write_bytes(answer.content)
        try:
            require_header(fresh, reader)
        except FieldError as error:
            fresh.unlink()
            raise SourceDownError(f"{url} sent something else: {error}") from error
        kept = {name: answer.headers[name] for name in VALIDATORS if name in answer.headers}
        # First without validators: a copy and a validator that do not belong together would be kept for ever.
        _meta_path(copy).unlink(missing_ok=True)
        fresh.replace(copy)
        _meta_path(copy).write_text(json.dumps({"url": url, **kept}, indent=2) + "\n", encoding="utf-8")
        return Fetched(copy, Freshness.FRESH, url)

    def _ask(self, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401  httpx's own options
        trouble = ""
        for attempt in range(self.attempts):
            if attempt:
                self.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
            try:
                answer = self.client.get(url, **request)
            except httpx.InvalidURL as error:
                raise SourceDownError(f"{url}: {error}") from error
            except httpx.HTTPError as error:
                trouble = f"{url}: {type(error).__name__} {error}"
                continue
            if answer.status_code in WORTH_ANOTHER_TRY:
                trouble = f"{url} answered {answer.status_code}"
                continue
            if answer.status_code != NOT_MODIFIED and not answer.is_success:
                raise SourceDownError(f"{url} answered {answer.status_code}")
            if answer.headers.get("content-type", "").split(";")[0].strip() in PAGE_TYPES:
                trouble = f"{url} sent a web page"
                continue
            if answer.is_success and not answer.content:
                trouble = f"{url} sent nothing"
                continue
            return answer
        raise SourceDownError(f"{trouble} ({self.attempts} attempts)")


def _meta_path(copy: Path) -> Path:
    return copy.with_suffix(".json")


def _meta(copy: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(_meta_path(copy).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found
