"""Planning's tasks: a fleet's shards, worked for by whichever worker is free.

Tasks pass ids and an instant, never data; here they pass the name of a shard's file and prices, and give back
sums, because a negotiation of a hundred rounds would else write a hundred tables that nobody reads again. All
is plain JSON, and nothing but the files that the caller removes lasts: a task may run twice, or too late.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import numpy as np
from celery import Task, shared_task
from celery.exceptions import TaskRevokedError, TimeLimitExceeded, WorkerLostError
from celery.exceptions import TimeoutError as TooLateError
from celery.result import ResultSet
from kombu.exceptions import OperationalError
from redis import RedisError

from backend.planning import fleet
from ess.negotiation import Answer
from ess.portfolio import GROUPS
from ess.problem import BatteryProblem, Floats

SHARDS = 8
ROUND_S = 60.0  # a shard that has not answered by then is asked again, of whoever is free
TRIES = 3
LOGGED = 60  # characters of an answer in the worker's log
LOST = (WorkerLostError, TimeLimitExceeded, TaskRevokedError)

Numbers = list[float]
Table = list[Numbers]


class NoAnswerError(Exception):
    """Workers did not answer in time, several times over, or there is no way to ask them."""


@shared_task(ignore_result=False, resultrepr_maxsize=LOGGED)
def answer_shard(shard: str, price_per_kwh: Numbers) -> tuple[Numbers, Numbers, Table]:
    """Costs (g,), bounds (g,) and grid powers (g, T) of a shard's g groups: ``ess.negotiation.Answer``."""
    cost, bound, grid_kw = fleet.answers(shard, np.array(price_per_kwh))
    return cost.tolist(), bound.tolist(), grid_kw.tolist()


@shared_task(ignore_result=False, resultrepr_maxsize=LOGGED)
def mix_shard(shard: str, prices: Table, shares: Table, turn: int) -> str:
    """Mix the groups' answers to ``prices``, ``shares`` by group; the name of the file with the plans."""
    tried, mixed = ([np.array(row) for row in table] for table in (prices, shares))
    return fleet.write_mixture(shard, tried, mixed, turn=turn)


class CeleryCrew:
    """A crew (``ess.portfolio.Crew``) of Celery's workers for the shards that are stored.

    Raises ``NoAnswerError`` when a shard was asked ``TRIES`` times, ``round_s`` seconds each, and
    ``ShardGoneError`` when workers do not see the shards.
    """

    def __init__(self, shards: Sequence[fleet.Shard], *, round_s: float = ROUND_S) -> None:
        self._shards, self._round_s = shards, round_s
        self._turn = 0

    def answers(self, price_per_kwh: Floats) -> Answer:
        """As ``ess.portfolio.Crew``."""
        price = price_per_kwh.tolist()
        found = self._asked(answer_shard, [(shard.name, price) for shard in self._shards])
        return Answer.joined([Answer(*(np.array(column) for column in columns)) for columns in found])

    def mixtures(self, prices: Sequence[Floats], shares: Sequence[Floats]) -> tuple[Floats, Floats]:
        """As ``ess.portfolio.Crew``."""
        self._turn += 1
        table = [price.tolist() for price in prices]
        by_group = iter([mixed.tolist() for mixed in shares])
        orders = [
            (shard.name, table, list(islice(by_group, shard.groups)), self._turn) for shard in self._shards
        ]
        return fleet.read_mixtures(self._asked(mix_shard, orders))

    def _asked(self, task: Task[..., Any], orders: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What the task answers to each of the orders, which it carries out at the same time."""
        answers: dict[int, Any] = {}
        for _ in range(TRIES):
            missing = {at: order for at, order in enumerate(orders) if at not in answers}
            for at, value in self._arrived(task, missing).items():
                if not isinstance(value, LOST):
                    if isinstance(value, Exception):
                        raise value
                    answers[at] = value
            if len(answers) == len(orders):
                return [answers[at] for at in range(len(orders))]
        silent = ", ".join(self._shards[at].name for at in range(len(orders)) if at not in answers)
        waited = f"{TRIES} times within {self._round_s:g} s"
        raise NoAnswerError(f"no worker answered for {silent}, asked {waited}: does a worker run?")

    def _arrived(self, task: Task[..., Any], orders: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """What has come of each order in time, or the exception that it ended with."""
        try:
            sent = {at: task.apply_async(args=order, expires=self._round_s) for at, order in orders.items()}
            with suppress(TooLateError):  # what has come by then still counts
                ResultSet(list(sent.values())).get(timeout=self._round_s, propagate=False)
            arrived = {at: result.result for at, result in sent.items() if result.ready()}
            for result in sent.values():
                result.forget()  # Redis would keep it
        except (OperationalError, RedisError, RuntimeError) as error:  # the last is how Celery gives up
            raise NoAnswerError(f"Celery's queue does not answer: {error}") from error
        return arrived


@contextmanager
def celery_crew(
    problem: BatteryProblem, *, shards: int = SHARDS, groups: int = GROUPS
) -> Iterator[CeleryCrew]:
    """Workers for the batteries of ``problem``, whose shards lie on disk until the block ends."""
    with fleet.stored(problem, shards=shards, groups=groups) as stored:
        yield CeleryCrew(stored)
