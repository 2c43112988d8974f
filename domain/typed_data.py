"""EIP-712 types that Solidity, Python and TypeScript sign and verify alike (``contracts/vectors``)."""

from typing import Any

DOMAIN_NAME = "Commonwatt"
DOMAIN_VERSION = "1"

ORDER = [
    ("address", "owner"),
    ("bytes32", "meterId"),
    ("uint8", "side"),
    ("uint64", "intervalStart"),
    ("uint32", "intervalSeconds"),
    ("uint64", "energyWh"),
    ("uint64", "limitPrice"),
    ("uint64", "feeCap"),
    ("uint64", "imbalanceCap"),
    ("uint64", "nonce"),
    ("uint64", "expiry"),
]
AGENT_ORDERS = [("uint64", "intervalStart"), ("bytes32", "ordersHash")]
MANDATE = [
    ("address", "owner"),
    ("address", "agent"),
    ("uint64", "maxBuyPrice"),
    ("uint64", "minSellPrice"),
    ("uint64", "feeCap"),
    ("uint64", "imbalanceCap"),
    ("uint64", "maxWhPerDay"),
    ("uint64", "validUntil"),
    ("uint64", "nonce"),
]
SUPPLY_AGREEMENT = [
    ("address", "owner"),
    ("uint64", "maxImportPrice"),
    ("uint64", "minFeedInPrice"),
    ("uint64", "fallbackImportW"),
    ("uint64", "validFrom"),
    ("uint64", "validUntil"),
    ("uint64", "nonce"),
]
METER_READING = [
    ("bytes32", "meterId"),
    ("uint64", "intervalStart"),
    ("uint32", "intervalSeconds"),
    ("uint64", "importWh"),
    ("uint64", "exportWh"),
]
ATTESTATION = [("uint64", "intervalStart"), ("uint32", "intervalSeconds"), ("bytes32", "readingsHash")]
TYPES = {
    "Order": ORDER,
    "AgentOrders": AGENT_ORDERS,
    "Mandate": MANDATE,
    "SupplyAgreement": SUPPLY_AGREEMENT,
    "MeterReading": METER_READING,
    "Attestation": ATTESTATION,
    "AttestationWithGaps": ATTESTATION,
}
"""``AttestationWithGaps`` is of a list in which readings are missing. Readings and attestations are signed
for the ``MeterOracle``, all else for the ``EnergyExchange``."""
SIDE_CODE = {"buy": 0, "sell": 1}


def typed_data(
    primary_type: str, message: dict[str, Any], *, chain_id: int, verifying_contract: str
) -> dict[str, Any]:
    """The EIP-712 document of ``message``, as wallets and ``eth_account.encode_typed_data`` take it."""
    return {
        "types": {
            "EIP712Domain": [
                {"type": "string", "name": "name"},
                {"type": "string", "name": "version"},
                {"type": "uint256", "name": "chainId"},
                {"type": "address", "name": "verifyingContract"},
            ],
            primary_type: [{"type": kind, "name": name} for kind, name in TYPES[primary_type]],
        },
        "primaryType": primary_type,
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": chain_id,
            "verifyingContract": verifying_contract,
        },
        "message": message,
    }
