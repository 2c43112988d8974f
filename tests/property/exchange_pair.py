"""``EnergyExchange`` and ``EnergyExchangeReference`` on one node, told the same in the model's words.

Each has a token of its own; registry and oracle are shared. An operation is one transaction to each of them,
both in one block, so at one instant. What comes back is translated into the model's words again: the decoded
events of a transaction, or the error that it was refused with.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector
from eth_utils.crypto import keccak

from backend.chain import compiler
from backend.settlement import packing
from domain import meter_ids, typed_data
from domain.market import SettlementPrices
from tests.property.ledger_model import (
    BY_OWNER,
    FIRST_AGENT,
    Batch,
    BatchMember,
    BatchOrder,
    Mandate,
    Proof,
    Reading,
    Refused,
    Supply,
    Terms,
)

GAS = 400_000
SETTLEMENT_GAS = 4_000_000
DEPLOYMENT_GAS = 12_000_000
ROOT = Path(__file__).resolve().parents[2]
UNKNOWN_ROOT = b"\x01" * 32
_METER_ERRORS = {"UnknownMeter", "InvalidReading", "ReadingAwaited"}
_EXCHANGE_DOMAIN = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


@lru_cache
def key_of(name: str) -> str:
    """A private key for everybody."""
    return "0x" + keccak(text=name).hex()


@lru_cache
def address_of(name: str) -> str:
    """In lower case, as the model and decoded events have addresses; remembered for ``key_to``."""
    address = str(Account.from_key(key_of(name)).address).lower()
    _KEYS[address] = key_of(name)
    return address


_KEYS: dict[str, str] = {}


def compiled() -> dict[str, compiler.Artifact]:
    """The platform's contracts and the reference, with the product's settings."""
    contracts = compiler.SOURCES | {"EnergyExchangeReference": "src/reference/EnergyExchangeReference.sol"}
    project = ROOT / "contracts"
    return compiler.compile_contracts(
        project, cache=ROOT / "build" / "contracts", solc=project / "bin" / "solc", contracts=contracts
    )


class Node:
    """A node's JSON-RPC; blocks are mined when we say so."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)

    def rpc(self, method: str, *params: Any) -> Any:
        return self.all([(method, list(params))])[0]

    def all(self, questions: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Answers to independent questions, in one request."""
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in enumerate(questions)
        ]
        answers = sorted(self._client.post("", json=body).json(), key=lambda answer: answer["id"])
        assert all("result" in answer for answer in answers), answers
        return [answer["result"] for answer in answers]


class Interface:
    """A contract's ABI: calldata of its functions, its events by topic, errors by selector.

    ``refusing`` are contracts that it calls, whose errors become its own.
    """

    def __init__(self, artifact: compiler.Artifact, *, refusing: Sequence[compiler.Artifact] = ()) -> None:
        self._functions: dict[str, tuple[bytes, list[str], list[str]]] = {}
        self._events: dict[bytes, dict[str, Any]] = {}
        self._errors: dict[bytes, tuple[str, list[str]]] = {}
        for entry in artifact.abi:
            types = [collapse_if_tuple(given) for given in entry.get("inputs", [])]
            if entry["type"] == "function":
                outputs = [collapse_if_tuple(given) for given in entry["outputs"]]
                self._functions[entry["name"]] = (function_abi_to_4byte_selector(entry), types, outputs)
            elif entry["type"] == "event":
                self._events[bytes(event_abi_to_log_topic(entry))] = entry
        for entry in (entry for given in (artifact, *refusing) for entry in given.abi):
            if entry["type"] == "error":
                types = [collapse_if_tuple(given) for given in entry["inputs"]]
                selector = keccak(text=f"{entry['name']}({','.join(types)})")[:4]
                self._errors[selector] = (entry["name"], types)

    def data(self, function: str, *arguments: Any) -> bytes:
        selector, types, _ = self._functions[function]
        return selector + encode(types, arguments)

    def answer(self, function: str, raw: str) -> tuple[Any, ...]:
        return tuple(decode(self._functions[function][2], bytes.fromhex(raw[2:])))

    def event(self, log: dict[str, Any]) -> tuple[Any, ...]:
        """(name, *arguments) in the ABI's order."""
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        entry = self._events[topics[0]]
        indexed = iter(topics[1:])
        types = [collapse_if_tuple(given) for given in entry["inputs"] if not given["indexed"]]
        others = iter(decode(types, bytes.fromhex(log["data"][2:])))
        values = [
            decode([given["type"]], next(indexed))[0] if given["indexed"] else next(others)
            for given in entry["inputs"]
        ]
        return (entry["name"], *values)

    def error(self, data: bytes) -> tuple[Any, ...]:
        """(name, *arguments)."""
        name, types = self._errors.get(data[:4], (f"unknown {data[:4].hex()}", []))
        return (name, *decode(types, data[4:])) if types else (name,)


def struct_hash(primary_type: str, values: Sequence[Any]) -> bytes:
    """EIP-712's; all of our types are flat."""
    kinds = typed_data.TYPES[primary_type]
    declared = ",".join(f"{kind} {name}" for kind, name in kinds)
    type_hash = keccak(text=f"{primary_type}({declared})")
    return keccak(encode(["bytes32", *(kind for kind, _ in kinds)], [type_hash, *values]))


@dataclass(frozen=True)
class Domain:
    """Whom a signature is for."""

    chain_id: int
    contract: str

    def sign(self, hashed: bytes, signer: str) -> bytes:
        """r, s and v of the key that belongs to ``signer``."""
        separator = keccak(
            encode(
                ["bytes32", "bytes32", "bytes32", "uint256", "address"],
                [
                    _EXCHANGE_DOMAIN,
                    keccak(text=typed_data.DOMAIN_NAME),
                    keccak(text=typed_data.DOMAIN_VERSION),
                    self.chain_id,
                    self.contract,
                ],
            )
        )
        digest = keccak(b"\x19\x01" + separator + hashed)
        return bytes(Account.unsafe_sign_hash(digest, _KEYS[signer]).signature)

    def sign_compactly(self, hashed: bytes, signer: str) -> str:
        """The same in 64 bytes, 0x hex."""
        return packing.compact("0x" + self.sign(hashed, signer).hex())


Transaction = tuple[str, str, bytes, int]
"""Sender, receiver (empty: a creation), data, gas."""


@dataclass(frozen=True)
class Side:
    """An exchange on a chain, and how the model's operations are said to it."""

    interface: Interface
    address: str
    token: str
    domain: Domain
    oracle: Domain
    terms: Terms
    is_reference: bool = False
    settlement_gas: int = SETTLEMENT_GAS

    def call(self, operation: str, arguments: Sequence[Any]) -> Transaction:
        """The transaction that is the model's ``operation``."""
        make = getattr(self, f"_{operation}", None)
        if make is not None:
            sender, data, gas = make(*arguments)
            return sender, self.address, data, gas
        function = {
            "request_withdrawal": "requestWithdrawal",
            "revoke_mandate": "revokeMandate",
            "end_supply": "endSupply",
            "cancel_nonce": "cancelNonce",
            "cancel_before": "cancelBefore",
        }.get(operation, operation)
        sender, *rest = arguments
        return sender, self.address, self.interface.data(function, *rest), GAS

    def _deposit(self, payer: str, account: str, amount: int) -> tuple[str, bytes, int]:
        return payer, self.interface.data("depositFor", account, amount), GAS

    def _release(self, interval_start: int) -> tuple[str, bytes, int]:
        return address_of("stranger"), self.interface.data("release", interval_start), GAS

    def _register_mandate(self, mandate: Mandate) -> tuple[str, bytes, int]:
        *values, signer = astuple(mandate)
        signature = self.domain.sign(struct_hash("Mandate", values), signer)
        return address_of("stranger"), self.interface.data("registerMandate", tuple(values), signature), GAS

    def _register_supply(self, supply: Supply) -> tuple[str, bytes, int]:
        *values, signer = astuple(supply)
        signature = self.domain.sign(struct_hash("SupplyAgreement", values), signer)
        return address_of("stranger"), self.interface.data("registerSupply", tuple(values), signature), GAS

    def _record_order(
        self, interval_start: int, member: BatchMember, order: BatchOrder
    ) -> tuple[str, bytes, int]:
        values = self._order(interval_start, member, order)
        signature = self.domain.sign(struct_hash("Order", values), order.signer)
        return address_of("stranger"), self.interface.data("recordOrder", tuple(values), signature), GAS

    def _commit(
        self, caller: str, interval_start: int, parts: Sequence[Batch | None] | None
    ) -> tuple[str, bytes, int]:
        root = bytes(32) if parts is None else self._root(parts)
        return caller, self.interface.data("commitBatch", interval_start, root), GAS

    def _settle(
        self,
        caller: str,
        part: Batch,
        following: Sequence[Batch],
        readings: Sequence[Reading],
        proof: Proof,
    ) -> tuple[str, bytes, int]:
        given = self._json(part)
        following_root = self._root(following) if following else bytes(32)
        proven = self._proof(part, readings, proof)
        if self.is_reference:
            batch = encode([_BATCH_TYPE], [_as_struct(given)])
            registers = [1 << 64 if r is None else r[0] << 32 | r[1] for r in readings]
            data = self.interface.data("settleBatch", batch, registers, proven, following_root)
        else:
            evidence = packing.pack_registers(readings) + proven
            data = self.interface.data("settleBatch", packing.pack(given), evidence, following_root)
        return caller, data, self.settlement_gas

    def _root(self, parts: Sequence[Batch | None]) -> bytes:
        if None in parts:
            return UNKNOWN_ROOT
        given = [self._json(part) for part in parts if part is not None]
        if self.is_reference:
            return packing.root_of([encode([_BATCH_TYPE], [_as_struct(part)]) for part in given])[0]
        return packing.root_of([packing.pack(part) for part in given])[0]

    def _proof(self, part: Batch, readings: Sequence[Reading], proof: Proof) -> bytes:
        pairs = list(zip(part.members, readings, strict=False))
        if proof.kind == "meters":
            present = [(member, reading) for member, reading in pairs if reading is not None]
            signatures = [
                self._sign_reading(part.interval_start, member, reading, signer)
                for (member, reading), signer in zip(present, proof.signers, strict=True)
            ]
            return packing.SIGNED_BY_METERS + b"".join(signatures)
        listed = {"members": [{"account": m.account, "number": m.number} for m, _ in pairs]}
        packed = packing.pack_readings(listed, [reading for _, reading in pairs])
        gaps = proof.kind == "attested_with_gaps"
        type_hash = keccak(
            text=("AttestationWithGaps" if gaps else "Attestation")
            + "(uint64 intervalStart,uint32 intervalSeconds,bytes32 readingsHash)"
        )
        hashed = keccak(
            encode(
                ["bytes32", "uint64", "uint32", "bytes32"],
                [type_hash, part.interval_start, self.terms.interval_s, keccak(packed)],
            )
        )
        kind = packing.ATTESTED_WITH_GAPS if gaps else packing.ATTESTED
        return kind + b"".join(
            b"\x01" + bytes.fromhex(self.oracle.sign_compactly(hashed, account)[2:])
            if account in proof.signers
            else b"\x00" + bytes.fromhex(account[2:])
            for account in proof.listed(self.terms)
        )

    def _sign_reading(
        self, interval_start: int, member: BatchMember, reading: tuple[int, int], signer: str | None
    ) -> bytes:
        meter = bytes.fromhex(meter_ids.meter_id(member.account, member.number)[2:])
        hashed = struct_hash("MeterReading", [meter, interval_start, self.terms.interval_s, *reading])
        key = signer or meter_key(member.account, member.number)
        return bytes.fromhex(self.oracle.sign_compactly(hashed, key)[2:])

    def _order(self, interval_start: int, member: BatchMember, order: BatchOrder) -> list[Any]:
        """The order as EIP-712 lists it."""
        return [
            member.account,
            bytes.fromhex(meter_ids.meter_id(member.account, member.number)[2:]),
            order.side,
            interval_start,
            self.terms.interval_s,
            order.energy_wh,
            order.limit_price,
            order.fee_cap,
            order.imbalance_cap,
            interval_start * 256 + order.k,
            order.expiry,
        ]

    def _json(self, part: Batch) -> dict[str, Any]:
        """The part as ``backend.settlement.batch`` writes it, signed."""
        chains = [bytes(32) for _ in part.agents]
        for member, order in part.orders():
            place = order.authority - FIRST_AGENT
            if 0 <= place < len(chains):
                hashed = struct_hash("Order", self._order(part.interval_start, member, order))
                chains[place] = keccak(chains[place] + hashed)
        agents = [
            {
                "agent": agent.agent,
                "signature": self.domain.sign_compactly(
                    struct_hash("AgentOrders", [part.interval_start, chain]), agent.signer
                ),
            }
            for agent, chain in zip(part.agents, chains, strict=True)
        ]
        prices = dict(zip(packing.PRICE_NAMES, astuple(part.prices), strict=True))
        members = [
            {
                "account": member.account,
                "number": member.number,
                "orders": [self._order_json(part, member, order) for order in member.orders],
            }
            for member in part.members
        ]
        return {
            "intervalStart": part.interval_start,
            "prices": prices,
            "trades": part.trades,
            "members": members,
            "agents": agents,
        }

    def _order_json(self, part: Batch, member: BatchMember, order: BatchOrder) -> dict[str, Any]:
        signature = "0x"
        if order.authority == BY_OWNER:
            hashed = struct_hash("Order", self._order(part.interval_start, member, order))
            signature = self.domain.sign_compactly(hashed, order.signer)
        return {
            "side": order.side,
            "k": order.k,
            "energyWh": order.energy_wh,
            "limitPrice": order.limit_price,
            "feeCap": order.fee_cap,
            "imbalanceCap": order.imbalance_cap,
            "expiry": order.expiry,
            "authority": order.authority,
            "signature": signature,
            "executions": [
                {"trade": e.trade, "energyWh": e.energy_wh, "price": e.price} for e in order.executions
            ],
        }


_BATCH_TYPE = (
    "(uint40,(uint32,uint32,uint32,uint32,uint32),uint16,uint256[],(uint256,bytes32,bytes32)[],uint256[],"
    "(address,bytes32,bytes32)[])"
)


def _as_struct(given: dict[str, Any]) -> tuple[Any, ...]:
    """A part's JSON as the reference's ``Batch``."""
    members = [
        _word((int(member["account"], 16), 160), (member["number"], 16), (len(member["orders"]), 16))
        for member in given["members"]
    ]
    listed = [order for member in given["members"] for order in member["orders"]]
    orders = [
        (
            _word(
                *((order[name], 8) for name in ("side", "k", "authority")),
                (len(order["executions"]), 8),
                *((order[name], 32) for name in ("energyWh", "limitPrice", "feeCap", "imbalanceCap")),
                (order["expiry"], 40),
            ),
            *_halves(order["signature"]),
        )
        for order in listed
    ]
    executions = [
        _word((e["price"], 32), (e["energyWh"], 32), (e["trade"], 16))
        for order in listed
        for e in order["executions"]
    ]
    agents = [(agent["agent"], *_halves(agent["signature"])) for agent in given["agents"]]
    prices = tuple(given["prices"][name] for name in packing.PRICE_NAMES)
    return (given["intervalStart"], prices, given["trades"], members, orders, executions, agents)


def _word(*fields: tuple[int, int]) -> int:
    """Values of so many bits, from the lowest one."""
    word, shift = 0, 0
    for value, bits in fields:
        assert value >> bits == 0
        word |= value << shift
        shift += bits
    return word


def _halves(signature: str) -> tuple[bytes, bytes]:
    """r and vs of a compact signature; zeros of none."""
    raw = bytes.fromhex(signature[2:]).ljust(64, b"\x00")
    return raw[:32], raw[32:]


def meter_key(account: str, number: int) -> str:
    """The address of a meter's key."""
    return address_of(f"meter {account} {number}")


class Senders:
    """Everybody who sends transactions, with the nonces that come next."""

    def __init__(self, chain_id: int) -> None:
        self.chain_id = chain_id
        self.nonces: dict[str, int] = defaultdict(int)

    def sign(self, transaction: Transaction) -> str:
        """The raw transaction, 0x hex; it uses up a nonce of its sender."""
        sender, to, data, gas = transaction
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self.nonces[sender],
            "gas": gas,
            "maxFeePerGas": 10**12,
            "maxPriorityFeePerGas": 0,
            "value": 0,
            "data": data,
        }
        if to:
            fields["to"] = bytes.fromhex(to[2:])
        self.nonces[sender] += 1
        return "0x" + Account.sign_transaction(fields, _KEYS[sender]).raw_transaction.hex()


class Pair:
    """Both exchanges, deployed; ``reset`` takes them back to that."""

    def __init__(
        self,
        url: str,
        terms: Terms,
        meters: Sequence[tuple[str, int]],
        tokens: dict[str, int],
        *,
        settlement_gas: int = SETTLEMENT_GAS,
    ) -> None:
        self.node = Node(url)
        self._senders = Senders(int(self.node.rpc("eth_chainId"), 16))
        self._settlement_gas = settlement_gas
        artifacts = compiled()
        reference = artifacts["EnergyExchangeReference"]
        self._deployer = address_of("deployer")
        self._artifacts = artifacts
        self._shared = {name: Interface(artifact) for name, artifact in artifacts.items()}
        self._head = int(self.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC's own argument
        senders = [*tokens, terms.operator, terms.pauser, address_of("stranger"), self._deployer]
        self.node.all([("anvil_setBalance", [sender, hex(10**24)]) for sender in senders])
        registry = self._create(
            artifacts["ParticipantRegistry"], ["address", "uint32"], [self._deployer, 86_400]
        )
        oracle = self._create(
            artifacts["MeterOracle"],
            ["address", "address", "uint8", "uint32"],
            [registry, self._deployer, terms.attestors_needed, terms.reading_deadline_s],
        )
        self._grant("ParticipantRegistry", registry, "REGISTRAR_ROLE", address_of("registrar"))
        for attestor in terms.attestors:
            self._grant("MeterOracle", oracle, "ATTESTOR_ROLE", attestor)
        self.node.rpc("anvil_setBalance", address_of("registrar"), hex(10**24))
        register = self._shared["ParticipantRegistry"]
        self._do(
            (
                address_of("registrar"),
                registry,
                register.data(
                    "register", account, number, (meter_key(account, number), bytes(32), bytes(32))
                ),
                GAS,
            )
            for account, number in meters
        )
        self.sides = [
            self._side(artifact, terms, oracle, tokens, is_reference=is_reference)
            for artifact, is_reference in ((artifacts["EnergyExchange"], False), (reference, True))
        ]
        self._base = (self.node.rpc("evm_snapshot"), dict(self._senders.nonces), self._head)

    @property
    def head(self) -> int:
        """Instant of the latest block."""
        return self._head

    def reset(self) -> None:
        """Back to the deployment."""
        snapshot, nonces, head = self._base
        assert self.node.rpc("evm_revert", snapshot)
        self._senders.nonces = defaultdict(int, nonces)
        self._head = head
        self._base = (self.node.rpc("evm_snapshot"), nonces, head)

    def apply(
        self, operations: Sequence[tuple[str, Sequence[Any]]], *, at: int
    ) -> list[list[list[tuple[Any, ...]] | Refused]]:
        """For each operation and side its events or its refusal. All in one block at the instant ``at``."""
        return [
            [self._outcome(side, receipt) for side, receipt in zip(self.sides, receipts, strict=True)]
            for receipts in self.receipts(operations, at=at)
        ]

    def receipts(
        self, operations: Sequence[tuple[str, Sequence[Any]]], *, at: int
    ) -> list[list[dict[str, Any]]]:
        """For each operation and side what the node says of its transaction. All in one block at ``at``."""
        transactions = [side.call(name, arguments) for name, arguments in operations for side in self.sides]
        receipts = self._mine(transactions, at=at)
        count = len(self.sides)
        return [receipts[i : i + count] for i in range(0, len(receipts), count)]

    def state(self, accounts: Sequence[str], intervals: Sequence[int]) -> list[dict[Any, Any]]:
        """Of each side what everybody has, and how far intervals are.

        Withdrawals come with the instant from which they are payable; commitments say whether something is to
        be settled, how many parts are, and when it was committed.
        """
        token = self._shared["MockStablecoin"]
        asked: list[tuple[Any, str, Interface, str, bytes]] = []
        for side in self.sides:
            wanted = [(("tokens", "exchange"), side.token, token, "balanceOf", side.address)]
            for account in accounts:
                wanted += [
                    (("balance", account), side.address, side.interface, "balanceOf", account),
                    (("withdrawal", account), side.address, side.interface, "withdrawalOf", account),
                    (("tokens", account), side.token, token, "balanceOf", account),
                ]
            for start in intervals:
                wanted += [
                    (("commitment", start), side.address, side.interface, "commitments", start),
                    (("settled", start), side.address, side.interface, "isSettled", start),
                ]
            asked += [(key, to, of, name, of.data(name, given)) for key, to, of, name, given in wanted]
        answers = self.node.all(
            [("eth_call", [{"to": to, "data": "0x" + data.hex()}, "latest"]) for _, to, _, _, data in asked]
        )
        found = []
        for (key, _, of, name, _), answer in zip(asked, answers, strict=True):
            values = of.answer(name, answer)
            found.append((key, (any(values[0]), *values[1:]) if name == "commitments" else values))
        half = len(found) // len(self.sides)
        return [dict(found[:half]), dict(found[half:])]

    # How it is done

    def _side(
        self,
        artifact: compiler.Artifact,
        terms: Terms,
        oracle: str,
        tokens: dict[str, int],
        *,
        is_reference: bool,
    ) -> Side:
        token = self._create(self._artifacts["MockStablecoin"], [], [])
        values = (
            token,
            oracle,
            terms.retailer,
            terms.fund,
            self._deployer,
            terms.interval_s,
            terms.withdrawal_delay_s,
            terms.settlement_term_s,
        )
        kinds = ["(address,address,address,address,address,uint32,uint32,uint32)"]
        exchange = self._create(artifact, kinds, [values])
        own = Interface(
            artifact, refusing=(self._artifacts["MeterOracle"], self._artifacts["MockStablecoin"])
        )
        for role, holder in (("OPERATOR_ROLE", terms.operator), ("PAUSER_ROLE", terms.pauser)):
            data = own.data("grantRole", keccak(text=role), holder)
            self._do([(self._deployer, exchange, data, GAS)])
        erc20 = self._shared["MockStablecoin"]
        for account, amount in tokens.items():
            self._do(
                [
                    (self._deployer, token, erc20.data("mint", account, amount), GAS),
                    (account, token, erc20.data("approve", exchange, 2**256 - 1), GAS),
                ]
            )

        return Side(
            interface=own,
            address=exchange,
            token=token,
            domain=Domain(self._senders.chain_id, exchange),
            oracle=Domain(self._senders.chain_id, oracle),
            terms=terms,
            is_reference=is_reference,
            settlement_gas=self._settlement_gas,
        )

    def _create(self, artifact: compiler.Artifact, kinds: Sequence[str], values: Sequence[Any]) -> str:
        data = bytes.fromhex(artifact.bytecode[2:]) + encode(kinds, values)
        (receipt,) = self._do([(self._deployer, "", data, DEPLOYMENT_GAS)])
        return str(receipt["contractAddress"]).lower()

    def _grant(self, name: str, contract: str, role: str, holder: str) -> None:
        data = self._shared[name].data("grantRole", keccak(text=role), holder)
        self._do([(self._deployer, contract, data, GAS)])

    def _do(self, transactions: Iterable[Transaction]) -> list[dict[str, Any]]:
        receipts = self._mine(list(transactions), at=self._head + 1)
        assert all(int(receipt["status"], 16) for receipt in receipts), receipts
        return receipts

    def _mine(self, transactions: Sequence[Transaction], *, at: int) -> list[dict[str, Any]]:
        """Receipts in the order of the transactions."""
        raw = [self._senders.sign(given) for given in transactions]
        hashes = self.node.all([("eth_sendRawTransaction", [given]) for given in raw])
        self.node.rpc("evm_setNextBlockTimestamp", at)
        self.node.rpc("evm_mine")
        self._head = at
        receipts = {r["transactionHash"]: r for r in self.node.rpc("eth_getBlockReceipts", "latest")}
        return [receipts[tx_hash] for tx_hash in hashes]

    def _outcome(self, side: Side, receipt: dict[str, Any]) -> list[tuple[Any, ...]] | Refused:
        if int(receipt["status"], 16):
            logs = [log for log in receipt["logs"] if log["address"].lower() == side.address]
            events = [side.interface.event(log) for log in logs]
            return [in_words(event) for event in events]
        trace = self.node.rpc("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        name, *arguments = side.interface.error(bytes.fromhex(trace.get("output", "0x")[2:]))
        if name in _METER_ERRORS:
            arguments[0] = (f"0x{arguments[0][:20].hex()}", int.from_bytes(arguments[0][20:]))
        return Refused(name, *arguments)


def in_words(event: tuple[Any, ...]) -> tuple[Any, ...]:
    """A decoded event as the model says it."""
    name, *values = event
    match name:
        case "TradeSettled":
            buyer, seller, trade = values
            heads = [(trade >> shift & 0xFFFFFFFF) for shift in (104, 136)]
            return (
                name,
                buyer,
                seller,
                trade >> 64 & 0xFFFFFFFFFF,
                trade >> 32 & 0xFFFFFFFF,
                trade & 0xFFFFFFFF,
                *((head >> 16, head & 0xFFFF) for head in heads),
            )
        case "BatchSettled":
            start, summary, lines = values
            fields = [summary >> shift & 0xFFFFFFFF for shift in (128, 96, 64, 32, 0)]
            delta = int.from_bytes((summary >> 160 & (1 << 80) - 1).to_bytes(10), signed=True)
            end = (summary >> 240) * 30
            assert lines[end : end + 2] == bytes(2)
            return (
                name,
                start,
                SettlementPrices(*fields),
                delta,
                _readings(lines[:end]),
                _fills(lines[end + 2 :]),
            )
        case _:
            return event


def _readings(data: bytes) -> list[tuple[str, int, Reading]]:
    found = []
    for i in range(0, len(data), 30):
        entry = data[i : i + 30]
        account, number = "0x" + entry[:20].hex(), int.from_bytes(entry[20:22])
        reading = (int.from_bytes(entry[22:26]), int.from_bytes(entry[26:30]))
        if number & packing.MISSING_FLAG:
            assert reading == (0, 0)
        missing = bool(number & packing.MISSING_FLAG)
        found.append((account, number & ~packing.MISSING_FLAG, None if missing else reading))
    return found


def _fills(data: bytes) -> list[tuple[int, int, int, int]]:
    """(position, side, k, Wh)."""
    found = []
    for i in range(0, len(data), 8):
        position, sold, k = int.from_bytes(data[i : i + 2]), data[i + 2], data[i + 3]
        assert sold in {0, 0x80}
        found.append((position, sold >> 7, k, int.from_bytes(data[i + 4 : i + 8])))
    return found
