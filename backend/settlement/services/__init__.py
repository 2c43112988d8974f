"""Writes of settlement; each is one call, and may be made twice."""

from backend.settlement.services.commitment import commit, release
from backend.settlement.services.delivery import settle
from backend.settlement.services.deployment import deploy
from backend.settlement.services.follower import LOST
from backend.settlement.services.outbox import Keys, enqueue, pump, retry
from backend.settlement.services.registration import (
    register_all,
    register_mandate,
    register_members,
    register_supply,
)
from backend.settlement.services.trouble import waits

__all__ = [
    "LOST",
    "Keys",
    "commit",
    "deploy",
    "enqueue",
    "pump",
    "register_all",
    "register_mandate",
    "register_members",
    "register_supply",
    "release",
    "retry",
    "settle",
    "waits",
]
