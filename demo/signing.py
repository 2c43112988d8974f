"""What meters and owners sign: EIP-712 documents, and EIP-191 for device messages."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount

from demo.store import Reading
from domain.typed_data import typed_data


@dataclass(frozen=True, slots=True)
class SigningDomain:
    """The chain and contract that signatures are bound to."""

    chain_id: int
    verifying_contract: str

    @classmethod
    def of_owners(cls, community: dict[str, Any]) -> "SigningDomain":
        """Where owners' orders and agreements count: the exchange, from the answer of ``GET /community``."""
        facts = community["eip712"]
        return cls(facts["chainId"], facts["verifyingContract"])

    @classmethod
    def of_meters(cls, community: dict[str, Any]) -> "SigningDomain":
        """Where readings count: the meter oracle, from the answer of ``GET /community``."""
        return cls(community["eip712"]["chainId"], community["contracts"]["oracle"])


def sign_document(
    account: LocalAccount, domain: SigningDomain, primary_type: str, message: dict[str, Any]
) -> str:
    """The EIP-712 signature of ``message``, 0x hex."""
    document = typed_data(
        primary_type, message, chain_id=domain.chain_id, verifying_contract=domain.verifying_contract
    )
    signed = account.sign_message(encode_typed_data(full_message=document))
    return "0x" + bytes(signed.signature).hex()


def signed_reading(account: LocalAccount, domain: SigningDomain, reading: Reading) -> dict[str, Any]:
    """The body of a reading as HTTP and MQTT carry it."""
    message = {
        "meterId": bytes.fromhex(reading.meter_id[2:]),
        "intervalStart": int(datetime.fromisoformat(reading.interval_start).timestamp()),
        "intervalSeconds": reading.interval_s,
        "importWh": reading.import_wh,
        "exportWh": reading.export_wh,
    }
    return {
        "meter_id": reading.meter_id,
        "interval_start": reading.interval_start,
        "interval_s": reading.interval_s,
        "import_wh": reading.import_wh,
        "export_wh": reading.export_wh,
        "soc_wh": reading.soc_wh,
        "signature": sign_document(account, domain, "MeterReading", message),
    }


def sign_text(account: LocalAccount, text: str) -> str:
    """The personal_sign (EIP-191) signature of ``text``, 0x hex."""
    return "0x" + bytes(account.sign_message(encode_defunct(text=text)).signature).hex()


def canonical_json(body: dict[str, Any]) -> str:
    """``body`` as a device signs it over MQTT: keys sorted, no spaces."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))
