"""Writes ``eip712.json`` and ``settlement.json``: ``python -m contracts.vectors.generate`` from the root.

Forge, pytest and vitest read the files and compute every figure again in their own language. Every number
stays below 2**53, so that JavaScript reads it exactly.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from domain.market import ORDERS_AN_INTERVAL, SettlementPrices
from domain.meter_ids import FIRST_NUMBER, meter_id, number_of
from domain.typed_data import DOMAIN_NAME, DOMAIN_VERSION, TYPES
from pricing.settlement import Purchase, Sale, fallback, settle_meter

FOLDER = Path(__file__).parent
CHAIN_ID = 31337
DOMAINS = {
    "exchange": {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": CHAIN_ID,
        "verifyingContract": "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
    },
    "oracle": {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": CHAIN_ID,
        "verifyingContract": "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
    },
    "token": {
        "name": "Commonwatt Test Dollar",
        "version": "1",
        "chainId": CHAIN_ID,
        "verifyingContract": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    },
}
"""By contract; a signature for one counts nowhere else."""
SIGNED_FOR = {
    "MeterReading": "oracle",
    "Attestation": "oracle",
    "AttestationWithGaps": "oracle",
    "Permit": "token",
}
"""All else is signed for the exchange."""
EVERY_TYPE = {
    **TYPES,
    # EIP-2612
    "Permit": [
        ("address", "owner"),
        ("address", "spender"),
        ("uint256", "value"),
        ("uint256", "nonce"),
        ("uint256", "deadline"),
    ],
}
# Keys 0 to 3 of the mnemonic "test test ... junk", which every development chain knows.
OWNER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OTHER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
AGENT = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
METER_KEY = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
LARGEST = 2**53 - 1
INTERVAL_S = 900
SECONDS_PER_HOUR = 3_600


def signable(primary_type: str, message: dict[str, Any]) -> SignableMessage:
    """The message in the domain of the contract that it is signed for."""
    domain = DOMAINS[SIGNED_FOR.get(primary_type, "exchange")]
    kinds = {primary_type: [{"type": kind, "name": name} for kind, name in EVERY_TYPE[primary_type]]}
    return encode_typed_data(domain, kinds, message)


def signed_case(
    name: str,
    primary_type: str,
    message: dict[str, Any],
    private_key: str,
    **more: Any,  # noqa: ANN401 (JSON)
) -> dict[str, Any]:
    """One signed message with its digest; ``more`` says what a hash in the message is made of."""
    document = signable(primary_type, message)
    return {
        "name": name,
        "primary_type": primary_type,
        "domain": SIGNED_FOR.get(primary_type, "exchange"),
        **more,
        "private_key": private_key,
        "signer": Account.from_key(private_key).address,
        "message": message,
        "digest": "0x" + digest(document).hex(),
        "signature": "0x" + Account.sign_message(document, private_key).signature.hex(),
    }


def digest(document: SignableMessage) -> bytes:
    """The 32 bytes that are signed."""
    return keccak(b"\x19" + document.version + document.header + document.body)


def orders_hash(orders: Sequence[dict[str, Any]]) -> str:
    """What an agent signs: h(n) with h(0) = 0 and h(i) = keccak256(h(i - 1) ‖ struct hash of order i)."""
    chain = bytes(32)
    for order in orders:
        chain = keccak(chain + signable("Order", order).body)
    return "0x" + chain.hex()


def packed_reading(meter: str, import_wh: int, export_wh: int, *, missing: bool = False) -> str:
    """A reading's 30 bytes, hex: account (20), number (2; its bit 15: missing), import (4), export (4)."""
    number = number_of(meter) | (0x8000 if missing else 0)
    return f"{meter[2:42]}{number:04x}{import_wh:08x}{export_wh:08x}"


def eip712() -> dict[str, Any]:
    """Signed messages of every type."""
    owner, other, agent = (Account.from_key(key).address for key in (OWNER, OTHER, AGENT))
    meter = meter_id(owner, FIRST_NUMBER["grid"])
    far_meter = "0x" + "ff" * 32
    buy = {
        "owner": owner,
        "meterId": meter,
        "side": 0,
        "intervalStart": 1_750_000_500,
        "intervalSeconds": 900,
        "energyWh": 1_250,
        "limitPrice": 210_000,
        "feeCap": 5_000,
        "imbalanceCap": 100_000,
        "nonce": 1_750_000_500 * ORDERS_AN_INTERVAL + 7,
        "expiry": 1_750_000_000,
    }
    second_buy = {**buy, "energyWh": 600, "limitPrice": 190_000, "nonce": buy["nonce"] + 1}
    sell = {
        "owner": other,
        "meterId": far_meter,
        "side": 1,
        "intervalStart": 1_750_003_200,
        "intervalSeconds": 3_600,
        "energyWh": LARGEST,
        "limitPrice": 0,
        "feeCap": 0,
        "imbalanceCap": LARGEST,
        "nonce": LARGEST,
        "expiry": LARGEST,
    }
    mandate = {
        "owner": owner,
        "agent": agent,
        "maxBuyPrice": 300_000,
        "minSellPrice": 60_000,
        "feeCap": 5_000,
        "imbalanceCap": 200_000,
        "maxWhPerDay": 40_000,
        "validUntil": 1_790_000_000,
        "nonce": 1,
    }
    supply = {
        "owner": owner,
        "maxImportPrice": 320_000,
        "minFeedInPrice": 50_000,
        "fallbackImportW": 400,
        "validFrom": 1_750_000_500,
        "validUntil": 1_790_000_000,
        "nonce": 2,
    }
    reading = {
        "meterId": meter,
        "intervalStart": 1_750_000_500,
        "intervalSeconds": 900,
        "importWh": 1_180,
        "exportWh": 0,
    }
    agent_orders = {"intervalStart": 1_750_000_500, "ordersHash": orders_hash([buy, second_buy])}
    second_meter = meter_id(owner, FIRST_NUMBER["grid"] + 1)
    complete = "0x" + packed_reading(meter, 1_180, 0) + packed_reading(second_meter, 0, 2**32 - 1)
    gappy = "0x" + packed_reading(meter, 1_180, 0) + packed_reading(second_meter, 0, 0, missing=True)
    attestation = {
        "intervalStart": 1_750_000_500,
        "intervalSeconds": 900,
        "readingsHash": "0x" + keccak(hexstr=complete).hex(),
    }
    with_gaps = {**attestation, "readingsHash": "0x" + keccak(hexstr=gappy).hex()}
    permit = {
        "owner": owner,
        "spender": DOMAINS["exchange"]["verifyingContract"],
        "value": 250_000_000,
        "nonce": 0,
        "deadline": 1_790_000_000,
    }
    zeros = {"validUntil": 0, "nonce": 0}
    return {
        "domains": DOMAINS,
        "cases": [
            signed_case("a bid by its owner", "Order", buy, OWNER),
            signed_case("the same bid by the owner's agent", "Order", buy, AGENT),
            signed_case("the owner's second bid, by its agent", "Order", second_buy, AGENT),
            signed_case("an offer at the largest figures", "Order", sell, OTHER),
            signed_case("a mandate", "Mandate", mandate, OWNER),
            signed_case(
                "a mandate for nothing",
                "Mandate",
                {**mandate, **zeros, "maxBuyPrice": 0, "minSellPrice": LARGEST, "maxWhPerDay": 0},
                OWNER,
            ),
            signed_case("an agent's orders", "AgentOrders", agent_orders, AGENT, orders=[buy, second_buy]),
            signed_case(
                "no orders", "AgentOrders", {**agent_orders, "ordersHash": orders_hash([])}, AGENT, orders=[]
            ),
            signed_case("a supply agreement", "SupplyAgreement", supply, OWNER),
            signed_case(
                "a supply agreement at no price",
                "SupplyAgreement",
                {
                    **supply,
                    **zeros,
                    "owner": other,
                    "maxImportPrice": 0,
                    "fallbackImportW": 0,
                    "validFrom": 0,
                },
                OTHER,
            ),
            signed_case("a reading", "MeterReading", reading, METER_KEY),
            signed_case(
                "a reading of nothing",
                "MeterReading",
                {**reading, "meterId": far_meter, "intervalSeconds": 3_600, "importWh": 0},
                METER_KEY,
            ),
            signed_case("an attestation", "Attestation", attestation, OTHER, readings=complete),
            signed_case(
                "an attestation of another interval",
                "Attestation",
                {**attestation, "intervalStart": LARGEST, "intervalSeconds": 3_600},
                OTHER,
                readings=complete,
            ),
            signed_case("an attestation with a gap", "AttestationWithGaps", with_gaps, OTHER, readings=gappy),
            signed_case(
                "the same readings attested as if nothing were missing",
                "Attestation",
                with_gaps,
                OTHER,
                readings=gappy,
            ),
            signed_case(
                "an attestation with a gap, of another interval",
                "AttestationWithGaps",
                {**with_gaps, "intervalStart": 0, "intervalSeconds": 300},
                OTHER,
                readings=gappy,
            ),
            signed_case("a permit to deposit", "Permit", permit, OWNER),
            signed_case("a second permit", "Permit", {**permit, "value": 0, "nonce": 1}, OWNER),
        ],
    }


def settled_case(
    name: str,
    *,
    prices: SettlementPrices,
    reading: tuple[int, int] | int = (0, 0),
    bought: tuple[int | Purchase, ...] = (),
    sold: tuple[tuple[int, int] | Sale, ...] = (),
) -> dict[str, Any]:
    """One meter's quarter of an hour: ``reading`` is (imported Wh, exported Wh), or else the fallback in W.

    Purchases given as Wh, and sales as (Wh, imbalance cap), are at the clearing price.
    """
    purchases = [Purchase(given, prices.clearing) if isinstance(given, int) else given for given in bought]
    sales = [
        given if isinstance(given, Sale) else Sale(given[0], prices.clearing, given[1]) for given in sold
    ]
    bought_wh = sum(purchase.energy_wh for purchase in purchases)
    missing = isinstance(reading, int)
    imported_wh, exported_wh = (
        fallback(bought_wh, import_w=reading, interval_s=INTERVAL_S) if isinstance(reading, int) else reading
    )
    line = settle_meter(
        imported_wh=imported_wh, exported_wh=exported_wh, bought=purchases, sold=sales, prices=prices
    )
    return {
        "name": name,
        "prices": asdict(prices),
        "reading": None if missing else {"imported_wh": imported_wh, "exported_wh": exported_wh},
        "fallback_import_wh": reading * INTERVAL_S // SECONDS_PER_HOUR if isinstance(reading, int) else 0,
        "bought": [purchase._asdict() for purchase in purchases],
        "sold": [sale._asdict() for sale in sales],
        "line": asdict(line),
        "net_micro": line.net_micro,
        "estimated": missing,
    }


def settlement() -> dict[str, Any]:
    """The arithmetic of one meter's settlement, from plain cases to the edges of rounding."""
    usual = SettlementPrices(
        clearing=142_857, retail_import=310_000, feed_in=60_000, imbalance=290_000, fee=3_000
    )
    single = SettlementPrices(clearing=1, retail_import=1, feed_in=1, imbalance=2, fee=1)
    free = SettlementPrices(clearing=0, retail_import=0, feed_in=0, imbalance=0, fee=0)
    calm = SettlementPrices(
        clearing=200_000, retail_import=310_000, feed_in=60_000, imbalance=150_000, fee=3_000
    )
    large = SettlementPrices(
        clearing=250_000, retail_import=400_000, feed_in=50_000, imbalance=900_000, fee=10_000
    )
    return {
        "cases": [
            settled_case("no trade: import from the retailer", prices=usual, reading=(1_234, 0)),
            settled_case("no trade: export to the retailer", prices=usual, reading=(0, 1_234)),
            settled_case("buyer took what it bought", prices=usual, reading=(1_500, 0), bought=(1_500,)),
            settled_case("buyer took more", prices=usual, reading=(2_001, 0), bought=(1_500,)),
            settled_case("buyer took less", prices=usual, reading=(700, 0), bought=(1_500,)),
            settled_case("buyer exported instead", prices=usual, reading=(0, 333), bought=(1_500,)),
            settled_case("seller delivered", prices=usual, reading=(0, 1_500), sold=((1_500, 200_000),)),
            settled_case("seller delivered more", prices=usual, reading=(0, 1_777), sold=((1_500, 200_000),)),
            settled_case(
                "seller short, below its cap", prices=usual, reading=(0, 999), sold=((1_500, 200_000),)
            ),
            settled_case("seller short, at its cap", prices=usual, reading=(0, 999), sold=((1_500, 50_001),)),
            settled_case("seller imported instead", prices=usual, reading=(421, 0), sold=((1_500, 200_000),)),
            settled_case("seller with a cap of zero", prices=usual, reading=(0, 0), sold=((1_500, 0),)),
            settled_case("no penalty below clearing", prices=calm, reading=(0, 0), sold=((1_500, 200_000),)),
            settled_case(
                "export shared by orders in turn",
                prices=usual,
                reading=(0, 1_001),
                sold=((400, 0), (900, 33_333), (700, 200_000)),
            ),
            settled_case(
                "bought and sold",
                prices=usual,
                reading=(250, 800),
                bought=(600,),
                sold=((900, 99_999), (50, 7)),
            ),
            settled_case("every register and quantity zero", prices=usual),
            settled_case(
                "every price zero", prices=free, reading=(77, 88), bought=(10,), sold=((99, 1_000),)
            ),
            settled_case(
                "one Wh at the least price: pays up, is paid down",
                prices=single,
                reading=(2, 2),
                bought=(1,),
                sold=((1, 5), (1, 5)),
            ),
            settled_case("a short Wh at the least price", prices=single, sold=((1, 5), (1, 5))),
            settled_case(
                "a whole kWh does not round",
                prices=single,
                reading=(1_000, 2_000),
                bought=(2_000,),
                sold=((1_000, 5),),
            ),
            settled_case("missing reading of a buyer", prices=usual, reading=0, bought=(1_500,)),
            settled_case("missing reading of a seller", prices=usual, reading=0, sold=((1_500, 77_777),)),
            settled_case("missing reading, no trade", prices=usual, reading=0),
            settled_case(
                "missing reading, more than it bought",
                prices=usual,
                reading=401,
                bought=(90,),
            ),
            settled_case(
                "missing reading, less than it bought",
                prices=usual,
                reading=401,
                bought=(110,),
            ),
            settled_case(
                "bought at two prices: rounded once",
                prices=usual,
                reading=(12, 0),
                bought=(Purchase(5, 100_100), Purchase(6, 99_950)),
            ),
            settled_case(
                "sold at two prices, short of the second",
                prices=usual,
                reading=(0, 7),
                sold=(Sale(5, 100_100, 300_000), Sale(6, 289_999, 300_000)),
            ),
            settled_case(
                "a hydro plant's hour",
                prices=large,
                reading=(0, 1_999_999_999),
                sold=((2_000_000_000, 500_000),),
            ),
        ]
    }


def text(document: dict[str, Any]) -> str:
    """The document as it stands in the repository."""
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    (FOLDER / "eip712.json").write_text(text(eip712()))
    (FOLDER / "settlement.json").write_text(text(settlement()))
