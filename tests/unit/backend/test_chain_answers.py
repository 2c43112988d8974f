"""What a node may answer, what it may cost to be heard, and how far it is trusted by default."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from eth_account import Account

from backend.chain.answers import fault
from backend.chain.values import Fees
from backend.settlement.caution import CONFIRMATIONS, MAX_FEE_WEI, caution

HASH, OTHER = "0x" + "ab" * 32, "0x" + "cd" * 32
BLOCK = {"number": "0x10", "timestamp": "0x1", "gasLimit": "0x1", "hash": HASH, "transactions": []}
RECEIPT = {
    "transactionHash": HASH,
    "blockHash": OTHER,
    "blockNumber": "0x10",
    "status": "0x1",
    "gasUsed": "0x1",
    "logs": [{"transactionHash": HASH}],
}
SIGNED = Account.from_key("0x" + "01" * 32).sign_transaction(
    {"nonce": 0, "gas": 21_000, "gasPrice": 1, "to": "0x" + "00" * 20, "value": 0, "chainId": 1}
)
RAW, SENT = SIGNED.raw_transaction.to_0x_hex(), SIGNED.hash.to_0x_hex()


def result(value):
    return {"jsonrpc": "2.0", "id": 1, "result": value}


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [
        ("eth_chainId", [], result("0x1")),
        ("eth_call", [{}, "latest"], result("0x")),
        ("eth_getBlockByNumber", ["latest", False], result(BLOCK)),
        ("eth_getBlockByNumber", ["0x10", False], result(BLOCK)),
        ("eth_getBlockByNumber", ["0x11", False], result(None)),
        ("eth_getTransactionByHash", [HASH], result({"hash": HASH.upper().replace("X", "x")})),
        ("eth_getTransactionByHash", [HASH], result(None)),
        ("eth_getTransactionReceipt", [HASH], result(RECEIPT)),
        ("eth_getTransactionReceipt", [HASH], result(None)),
        ("eth_sendRawTransaction", [RAW], result(SENT)),
        ("eth_sendRawTransaction", [RAW], {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}),
        ("evm_whatever", [], result({"any": "thing"})),
    ],
)
def test_answers_that_fit_the_question_pass(method, params, answer):
    assert fault(method, params, answer) == ""


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [
        ("eth_chainId", [], []),
        ("eth_chainId", [], {"id": 1, "result": "0x1"}),
        ("eth_chainId", [], {"jsonrpc": "2.0", "result": "0x1"}),
        ("eth_chainId", [], {"jsonrpc": "2.0", "id": 1}),
        ("eth_chainId", [], result("0x1") | {"error": {"code": 1, "message": ""}}),
        ("eth_chainId", [], {"jsonrpc": "2.0", "id": 1, "error": "no"}),
        ("eth_chainId", [], {"jsonrpc": "2.0", "id": 1, "error": {"code": "1", "message": ""}}),
        ("eth_chainId", [], result("0x")),
        ("eth_chainId", [], result(1)),
        ("eth_getTransactionCount", [HASH, "latest"], result(None)),
        ("eth_call", [{}, "latest"], result("0x1")),
        ("eth_getBlockByNumber", ["0x11", False], result(BLOCK)),
        ("eth_getBlockByNumber", ["latest", False], result(BLOCK | {"hash": None})),
        ("eth_getBlockByNumber", ["latest", False], result(BLOCK | {"timestamp": 1})),
        ("eth_getBlockByNumber", ["latest", False], result(BLOCK | {"transactions": None})),
        ("eth_getTransactionByHash", [HASH], result({"hash": OTHER})),
        ("eth_getTransactionReceipt", [HASH], result("0x1")),
        ("eth_getTransactionReceipt", [HASH], result(RECEIPT | {"transactionHash": OTHER})),
        ("eth_getTransactionReceipt", [HASH], result(RECEIPT | {"logs": [{"transactionHash": OTHER}]})),
        ("eth_getTransactionReceipt", [HASH], result(RECEIPT | {"logs": ["0x"]})),
        ("eth_getTransactionReceipt", [HASH], result(RECEIPT | {"status": None})),
        ("eth_getTransactionReceipt", [HASH], result(RECEIPT | {"blockHash": "0x1"})),
        ("eth_sendRawTransaction", [RAW], result(HASH)),
    ],
)
def test_answers_that_cannot_be_ones_are_named(method, params, answer):
    assert fault(method, params, answer)


@pytest.mark.parametrize("old", [Fees(1, 0), Fees(10, 9), Fees(10**9, 10**9), Fees(3 * 10**9, 1)])
@pytest.mark.parametrize("market", [Fees(0, 0), Fees(5 * 10**9, 2 * 10**9)])
def test_a_replacement_raises_both_fees_by_a_tenth_and_follows_the_market(old, market):
    new = old.replacement(market, cap=10**12)
    assert new.max_fee >= old.max_fee * 1.1
    assert new.max_fee > old.max_fee
    assert new.max_priority_fee >= old.max_priority_fee * 1.1
    assert new.max_priority_fee > old.max_priority_fee
    assert new.max_fee >= market.max_fee
    assert new.max_priority_fee >= market.max_priority_fee
    assert new.max_fee >= new.max_priority_fee


def test_the_cap_is_reached_before_it_is_refused():
    assert Fees(100, 10).replacement(Fees(0, 0), cap=110) == Fees(110, 13)
    assert Fees(100, 10).replacement(Fees(0, 0), cap=109) is None
    assert Fees(100, 100).replacement(Fees(0, 0), cap=100) is None


def test_a_public_chain_is_trusted_less_than_the_local_one():
    local, public = caution(31_337), caution(11_155_111)
    assert (local.confirmations, local.stale_after) == (0, None)
    assert (public.confirmations, public.stale_after) == (CONFIRMATIONS, timedelta(minutes=5))
    assert local.max_fee_wei == public.max_fee_wei == MAX_FEE_WEI


def test_settings_decide_and_nonsense_is_refused(settings):
    settings.CHAIN_CONFIRMATIONS, settings.CHAIN_STALE_AFTER_S = "64", "0"
    assert (caution(1).confirmations, caution(1).stale_after) == (64, None)
    settings.CHAIN_CONFIRMATIONS = "-1"
    with pytest.raises(ImproperlyConfigured, match="CHAIN_CONFIRMATIONS is '-1'"):
        caution(1)
