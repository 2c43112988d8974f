"""``python -m demo onboard``: the owners fund their accounts and sign what lets them take part.

Each wallet's first three transactions are mint, approve and deposit, in that order, so its nonce says which
of them are still to be sent: running this again changes nothing. Only for a demo chain, where play money can
be minted and gas is given away.
"""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.types import RPCEndpoint

from demo.devices import web_url
from demo.files import read_json
from demo.keys import KeyRing
from demo.signing import SigningDomain, sign_document

GAS = 300_000
GAS_MONEY = 10**21  # wei: a thousand ether that are worth nothing
FIRST_NONCE = 1
ASK_AGAIN_S = 0.3
PATIENCE_S = 120.0
TIMEOUT_S = 20.0


def _function(name: str, *inputs: str) -> dict[str, Any]:
    parameters = [{"name": f"a{at}", "type": kind} for at, kind in enumerate(inputs)]
    head = {"type": "function", "name": name, "stateMutability": "nonpayable"}
    return {**head, "inputs": parameters, "outputs": []}


TOKEN_ABI = [_function("mint", "address", "uint256"), _function("approve", "address", "uint256")]
EXCHANGE_ABI = [_function("deposit", "uint256")]
logger = logging.getLogger(__name__)


class OnboardingError(RuntimeError):
    """An owner could not be brought in."""


def run_onboard(state: Path) -> None:
    """Fund every wallet and the retailer, and have the platform take every owner's signatures."""
    facts = read_json(state / "community.json")
    keys = KeyRing.wallets(state)
    with httpx.Client(base_url=web_url(), timeout=TIMEOUT_S) as http:
        community = _community(http)
        bank = Bank.connect(community)
        balances = {m["username"]: facts["opening_balance_micro"] for m in facts["members"]}
        balances["retailer"] = facts["retailer_balance_micro"]
        sent = [
            receipt for name, amount in balances.items() for receipt in bank.fund(keys.account(name), amount)
        ]
        domain = SigningDomain.of_owners(community)
        for member in facts["members"]:
            account = keys.account(member["username"])
            for path, kind, message in agreements(facts, member, community["agent_address"]):
                signature = sign_document(account, domain, kind, message)
                _submit(http, path, message, signature)
        bank.wait_for(sent)
    logger.info("%s members and the retailer are in", len(facts["members"]))


def agreements(
    facts: dict[str, Any], member: dict[str, Any], agent_address: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(API path, EIP-712 type, message) of what an owner signs; the same messages at every run.

    The supply agreement begins with the community: no earlier interval can be billed to its owner.
    """
    mandate = facts["mandate"]
    start = datetime.fromisoformat(facts["clock"]["start"])
    end = start + timedelta(days=mandate["valid_days"])
    common = {"owner": member["wallet_address"], "validUntil": int(end.timestamp()), "nonce": FIRST_NONCE}
    yield "mandates", "Mandate", {
        **common,
        "agent": agent_address,
        "maxBuyPrice": mandate["max_buy_micro_per_kwh"],
        "minSellPrice": mandate["min_sell_micro_per_kwh"],
        "feeCap": mandate["fee_cap_micro_per_kwh"],
        "imbalanceCap": mandate["imbalance_cap_micro_per_kwh"],
        "maxWhPerDay": mandate["max_wh_per_day"],
    }  # fmt: skip
    yield "supply-agreements", "SupplyAgreement", {
        **common,
        "maxImportPrice": mandate["max_buy_micro_per_kwh"],
        "minFeedInPrice": facts["tariff"]["feed_in_micro_per_kwh"],
        "fallbackImportW": member["fallback_import_w"],
        "validFrom": int(start.timestamp()),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bank:
    """The demo chain's play money and the exchange that keeps it."""

    chain: Web3
    token: Contract
    exchange: Contract

    @classmethod
    def connect(cls, community: dict[str, Any]) -> "Bank":
        """The contracts that the platform names, on the chain that the environment names."""
        chain = Web3(Web3.HTTPProvider(os.environ.get("CHAIN_RPC_URL", "http://127.0.0.1:8545")))
        token, exchange = (_address(community["contracts"][name]) for name in ("token", "exchange"))
        return cls(
            chain, chain.eth.contract(token, abi=TOKEN_ABI), chain.eth.contract(exchange, abi=EXCHANGE_ABI)
        )

    def fund(self, account: LocalAccount, amount_micro: int) -> list[HexBytes]:
        """Send what is missing of mint, approve and deposit; returns the hashes of what was sent."""
        calls = [
            (self.token, "mint", [account.address, amount_micro]),
            (self.token, "approve", [self.exchange.address, amount_micro]),
            (self.exchange, "deposit", [amount_micro]),
        ]
        done = self.chain.eth.get_transaction_count(_address(account.address), "pending")
        if done >= len(calls):
            return []
        self.chain.provider.make_request(RPCEndpoint("anvil_setBalance"), [account.address, hex(GAS_MONEY)])
        common = {"gas": GAS, "gasPrice": 2 * self.chain.eth.gas_price, "chainId": self.chain.eth.chain_id}
        sent = []
        for nonce, (contract, name, values) in list(enumerate(calls))[done:]:
            data = contract.encode_abi(name, args=values)
            transaction = {**common, "to": contract.address, "value": 0, "data": data, "nonce": nonce}
            signed = account.sign_transaction(transaction)
            sent.append(self.chain.eth.send_raw_transaction(signed.raw_transaction))
        return sent

    def wait_for(self, hashes: list[HexBytes]) -> None:
        """Until all are mined; OnboardingError when one failed."""
        for each in hashes:
            receipt = self.chain.eth.wait_for_transaction_receipt(each, PATIENCE_S, ASK_AGAIN_S)
            if receipt["status"] != 1:
                raise OnboardingError(f"transaction {each.to_0x_hex()} of {receipt['from']} was reverted")


def _address(text: str) -> ChecksumAddress:
    return Web3.to_checksum_address(text)


def _community(http: httpx.Client) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            answer = http.get("/api/v1/community")
            if answer.is_success and answer.json()["contracts"]["exchange"]:
                facts: dict[str, Any] = answer.json()
                return facts
        except httpx.HTTPError:
            logger.debug("the platform is not up yet")
        time.sleep(ASK_AGAIN_S)
    raise OnboardingError(f"{http.base_url} does not name its contracts")


def _submit(http: httpx.Client, path: str, message: dict[str, Any], signature: str) -> None:
    """POST a signed message until it is taken; one that was taken before is well."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = http.post(f"/api/v1/{path}", json={"message": message, "signature": signature})
        except httpx.HTTPError as error:
            reason, final = str(error), False
        else:
            if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
                return
            reason, final = answer.text[:500], answer.is_client_error
        if final or time.monotonic() > until:
            raise OnboardingError(f"{path} of {message['owner']}: {reason}")
        time.sleep(ASK_AGAIN_S)
