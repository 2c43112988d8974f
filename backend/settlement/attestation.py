"""Proofs of a settlement's readings: by k of n attestors whose keys are here, or else by each meter's own.

Attestors' signatures cost the chain one recovery each, whatever the number of readings. What they sign they
have checked: each reading's own signature, or that it was brought to the oracle.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from backend.chain.client import Chain
from backend.registry import queries as registry
from backend.registry import signing
from backend.registry.models import Community
from backend.settlement import connection, packing
from backend.telemetry.models import Reading
from backend.telemetry.services import signer_of
from domain.errors import FieldError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proven:
    """A meter's registers in Wh, and its signature; None where the reading was brought to the oracle."""

    registers: tuple[int, int]
    signature: str | None
    checked: bool
    """Whether the signature is that of the meter's key; for a reading in the oracle, the oracle says so."""


def proven(reading: Reading) -> Proven:
    """A stored reading, its signature checked."""
    try:
        signer = signer_of(reading.to_domain(), registry.community(), signature=reading.signature)
    except FieldError:
        signer = ""
    registers = (reading.import_wh, reading.export_wh)
    return Proven(registers, reading.signature, signer == reading.meter.key_address)


def quorum(chain: Chain) -> dict[str, str]:
    """All attestors by account: the keys of as many as the oracle asks for, nothing for the others.

    Empty when fewer keys are here.
    """
    keys = {signing.address_of(key): key for key in connection.keys("ATTESTOR")}
    if not keys:
        return {}
    everybody, threshold = list(chain.call("oracle", "attestors")), int(chain.call("oracle", "threshold"))
    signers = [account for account in everybody if account in keys][:threshold]
    if len(signers) < threshold:
        logger.warning("%d attestors' keys are here, %d are needed", len(signers), threshold)
        return {}
    return {account: keys[account] if account in signers else "" for account in everybody}


def proof(
    part: packing.Batch, found: Sequence[Proven | None], attestors: Mapping[str, str], *, interval_s: int
) -> bytes:
    """What ``MeterOracle.requireReadings`` is shown for a part's readings.

    Args:
        part: The part of the batch.
        found: For each member of the part what is known, None where no reading came.
        attestors: All of them, with the keys of those that sign (see ``quorum``); none: the meters'
            signatures are the proof.
        interval_s: Length of the interval.
    """
    known = [one for one in found if one is not None]
    if not attestors or not all(one.checked for one in known):
        return packing.pack_meter_proof(one.signature for one in known)
    gaps = len(known) < len(found)
    readings = packing.pack_readings(part, [None if one is None else one.registers for one in found])
    message = {
        "intervalStart": part["intervalStart"],
        "intervalSeconds": interval_s,
        "readingsHash": keccak(readings),
    }
    community = registry.community()
    return packing.pack_attested_proof(
        {
            account: _attest(message, community, key=key, gaps=gaps) if key else None
            for account, key in attestors.items()
        },
        gaps=gaps,
    )


def _attest(message: dict[str, Any], community: Community, *, key: str, gaps: bool) -> str:
    kind = "AttestationWithGaps" if gaps else "Attestation"
    return signing.sign(kind, message, community.readings_eip712(), key=key)
