"""Settlement's tasks: the outbox's sender."""

from celery import shared_task
from django.core.cache import cache

from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.registry.tasks import announce, request_tick
from backend.settlement import connection, queries, services

ANNOUNCED = {"commitBatch": "committed", "settleBatch": "settled"}
NEXT_ROUND_S = 0.5
EXPIRES_S = 10


@shared_task(name="backend.settlement.tasks.pump")
def pump() -> int:
    """One round of the outbox, and another one soon while it is not empty.

    A chain that does not answer is waited for, and said once; the next tick tries again. Returns how many
    rows changed state.
    """
    try:
        keys = services.Keys(
            operator=connection.secret_key("OPERATOR_KEY"), registrar=connection.secret_key("REGISTRAR_KEY")
        )
        changed = services.pump(connection.chain(), keys)
    except (ChainUnavailableError, ContractsMissingError) as error:
        services.waits(str(error))
        return 0
    for row in changed:
        if row.function in ANNOUNCED and row.on_chain:
            announce(ANNOUNCED[row.function], key=row.key)
        elif row.error == services.LOST:
            announce("undone", key=row.key)
    if changed:
        request_tick()
    if queries.has_unconfirmed() and cache.add("settlement:next-pump", 1, timeout=1):
        pump.apply_async(countdown=NEXT_ROUND_S, expires=EXPIRES_S)
    return len(changed)
