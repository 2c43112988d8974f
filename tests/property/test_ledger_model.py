"""Random histories of a community, told to the ledger's model and to both exchanges: all three must agree.

After each block we compare what happened (events, or the error of a refusal) and what everybody has. How many
histories: ``COMMONWATT_LEDGER_EXAMPLES``, in steps of a block each.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from launch.embedded import running
from launch.environment import State
from launch.ports import any_free
from launch.services import anvil
from tests.property.exchange_pair import Pair
from tests.property.ledger_histories import ACCOUNTS, METERS, TERMS, TOKENS, Dice, History
from tests.property.ledger_model import LedgerModel, Mandate, Refused, Supply

EXAMPLES = int(os.environ.get("COMMONWATT_LEDGER_EXAMPLES", "20"))
STEPS = 40
seeds = st.integers(0, 2**64 - 1)


class Comparison(RuleBasedStateMachine):
    """One history; ``pair`` is set by the test. What a step does is in its seed and the instant before."""

    pair: Pair

    @initialize(seed=seeds)
    def open(self, seed):
        self.pair.reset()
        self.model = LedgerModel(TERMS, METERS, TOKENS)
        dice = Dice(seed)
        self.history = History(self.model, dice)
        self.do(*self.history.opening(dice))

    @rule(seed=seeds)
    def step(self, seed):
        self.do(*self.history.step(Dice(f"{seed} at {self.history.now}")))

    def do(self, at, operations):
        """Operations in one block at the instant ``at``."""
        note(f"{at}: {operations}")
        self.history.now = at
        expected = []
        for name, arguments in operations:
            try:
                expected.append(self.model.apply(name, *arguments, at=at))
            except Refused as refusal:
                expected.append(refusal)
        outcomes = self.pair.apply(operations, at=at)
        for (name, _), wanted, found in zip(operations, expected, outcomes, strict=True):
            for side, outcome in zip(("EnergyExchange", "reference"), found, strict=True):
                assert shown(outcome) == shown(wanted), f"{side}, {name}"
        self.compare_state()

    def compare_state(self):
        state = self.model.state
        wanted = {("tokens", "exchange"): (state.held,)}
        for account in ACCOUNTS:
            pending = state.withdrawals.get(account)
            payable = (0, 0)
            if pending is not None:
                payable = (pending.amount, pending.requested_at + TERMS.withdrawal_delay_s)
            wanted["balance", account] = (state.balances[account],)
            wanted["withdrawal", account] = payable
            wanted["tokens", account] = (state.tokens[account],)
        for start, commitment in state.commitments.items():
            waiting = (True, len(commitment.settled), commitment.committed_at)
            wanted["commitment", start] = waiting if commitment.parts else (False, 0, 0)
            wanted["settled", start] = (self.model.is_settled(start),)
        for side, found in zip(
            ("EnergyExchange", "reference"), self.pair.state(ACCOUNTS, list(state.commitments)), strict=True
        ):
            assert found == wanted, side


def shown(outcome):
    """What is compared: a refusal's name and arguments, or events with agreements spelt out."""
    if isinstance(outcome, Refused):
        return ("refused", outcome.name, *outcome.arguments)
    return [tuple(spelt(value) for value in event) for event in outcome]


def spelt(value):
    if isinstance(value, Supply | Mandate):
        return tuple(term for name, term in vars(value).items() if name != "signer")
    return value


@pytest.fixture(scope="module")
def pair():
    """Both exchanges on a node of their own: the reference is larger than a chain allows."""
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder))
        state.create()
        port = any_free()["anvil"]
        process = anvil(state, port, f"http://127.0.0.1:{port}")
        process = replace(process, argv=(*process.argv, "--disable-code-size-limit"))
        with running(process, log=state.logs / "anvil.log"):
            yield Pair(process.address, TERMS, METERS, TOKENS)


@pytest.mark.timeout(max(600, 20 * EXAMPLES))
def test_the_model_and_both_exchanges_agree_on_every_history(pair):
    Comparison.pair = pair
    run_state_machine_as_test(
        Comparison,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
