"""Writes ``eip712.json`` and ``settlement.json``: ``python -m contracts.vectors.generate`` from the root.

Forge, pytest and vitest read the files and compute every figure again in their own language. Every number
stays below 2**53, so that JavaScript reads it exactly.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from domain.market import ORDERS_AN_INTERVAL, SettlementPrices
from domain.meter_ids import FIRST_NUMBER, meter_id
from domain.typed_data import DOMAIN_NAME, DOMAIN_VERSION, typed_data
from pricing.settlement import Purchase, Sale, fallback, settle_meter

FOLDER = Path(__file__).parent
CHAIN_ID = 31337
VERIFYING_CONTRACT = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
# Keys 0 to 3 of the mnemonic "test test ... junk", which every development chain knows.
OWNER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OTHER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
AGENT = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
METER_KEY = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
LARGEST = 2**53 - 1
INTERVAL_S = 900


def signed_case(name: str, primary_type: str, message: dict[str, Any], private_key: str) -> dict[str, Any]:
    """One signed message with its digest."""
    document = typed_data(primary_type, message, chain_id=CHAIN_ID, verifying_contract=VERIFYING_CONTRACT)
    signable = encode_typed_data(full_message=document)
    return {
        "name": name,
        "primary_type": primary_type,
        "private_key": private_key,
        "signer": Account.from_key(private_key).address,
        "message": message,
        "digest": "0x" + digest(signable).hex(),
        "signature": "0x" + Account.sign_message(signable, private_key).signature.hex(),
    }


def digest(signable: SignableMessage) -> bytes:
    """The 32 bytes that are signed."""
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def eip712() -> dict[str, Any]:
    """Signed messages of every type. In one domain, although readings and attestations have the oracle's."""
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
    agent_orders = {"intervalStart": 1_750_000_500, "ordersHash": "0x" + keccak(text="orders").hex()}
    attestation = {
        "intervalStart": 1_750_000_500,
        "intervalSeconds": 900,
        "readingsHash": "0x" + keccak(text="readings").hex(),
    }
    zeros = {"validUntil": 0, "nonce": 0}
    return {
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": CHAIN_ID,
            "verifyingContract": VERIFYING_CONTRACT,
        },
        "cases": [
            signed_case("a bid by its owner", "Order", buy, OWNER),
            signed_case("the same bid by the owner's agent", "Order", buy, AGENT),
            signed_case("an offer at the largest figures", "Order", sell, OTHER),
            signed_case("a mandate", "Mandate", mandate, OWNER),
            signed_case(
                "a mandate for nothing",
                "Mandate",
                {**mandate, **zeros, "maxBuyPrice": 0, "minSellPrice": LARGEST, "maxWhPerDay": 0},
                OWNER,
            ),
            signed_case("an agent's orders", "AgentOrders", agent_orders, AGENT),
            signed_case("no orders", "AgentOrders", {**agent_orders, "ordersHash": "0x" + "00" * 32}, AGENT),
            signed_case("a supply agreement", "SupplyAgreement", supply, OWNER),
            signed_case(
                "a supply agreement at no price",
                "SupplyAgreement",
                {**supply, **zeros, "owner": other, "maxImportPrice": 0, "fallbackImportW": 0, "validFrom": 0},
                OTHER,
            ),
            signed_case("a reading", "MeterReading", reading, METER_KEY),
            signed_case(
                "a reading of nothing",
                "MeterReading",
                {**reading, "meterId": far_meter, "intervalSeconds": 3_600, "importWh": 0},
                METER_KEY,
            ),
            signed_case("an attestation", "Attestation", attestation, OTHER),
            signed_case(
                "an attestation of another interval",
                "Attestation",
                {**attestation, "intervalStart": LARGEST, "intervalSeconds": 3_600},
                OTHER,
            ),
        ],
    }


def settled_case(
    name: str,
    *,
    prices: SettlementPrices,
    reading: tuple[int, int] | None = (0, 0),
    bought: tuple[int | Purchase, ...] = (),
    sold: tuple[tuple[int, int] | Sale, ...] = (),
    fallback_import_w: int = 0,
) -> dict[str, Any]:
    """One meter's quarter of an hour: ``reading`` is (imported Wh, exported Wh), None when it is missing.

    Purchases given as Wh, and sales as (Wh, imbalance cap), are at the clearing price.
    """
    purchases = [Purchase(given, prices.clearing) if isinstance(given, int) else given for given in bought]
    sales = [
        given if isinstance(given, Sale) else Sale(given[0], prices.clearing, given[1]) for given in sold
    ]
    bought_wh = sum(purchase.energy_wh for purchase in purchases)
    imported_wh, exported_wh = reading or fallback(
        bought_wh, import_w=fallback_import_w, interval_s=INTERVAL_S
    )
    line = settle_meter(
        imported_wh=imported_wh, exported_wh=exported_wh, bought=purchases, sold=sales, prices=prices
    )
    return {
        "name": name,
        "prices": asdict(prices),
        "reading": None if reading is None else {"imported_wh": reading[0], "exported_wh": reading[1]},
        "fallback_import_wh": fallback_import_w * INTERVAL_S // 3_600,
        "bought": [purchase._asdict() for purchase in purchases],
        "sold": [sale._asdict() for sale in sales],
        "line": asdict(line),
        "net_micro": line.net_micro,
        "estimated": reading is None,
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
            settled_case("missing reading of a buyer", prices=usual, reading=None, bought=(1_500,)),
            settled_case("missing reading of a seller", prices=usual, reading=None, sold=((1_500, 77_777),)),
            settled_case("missing reading, no trade", prices=usual, reading=None),
            settled_case(
                "missing reading, more than it bought", prices=usual, reading=None, bought=(90,), fallback_import_w=401
            ),
            settled_case(
                "missing reading, less than it bought", prices=usual, reading=None, bought=(110,), fallback_import_w=401
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
