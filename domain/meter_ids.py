"""What a meter's id says: ``meter_id`` = account (20 bytes) ‖ number (12 bytes), as 0x hex in lower case.

So ids, compared as text, are in the order in which meters stand in a batch: by account, then by number.
"""

from domain.errors import FieldError

FIRST_NUMBER = {"grid": 0, "pv": 0x4000, "battery": 0x8000}
"""By role. Grid meters are settled and generation meters certified; the chain knows no others."""
_ID_LENGTH = 66
_ACCOUNT_LENGTH = 42
_LAST_NUMBER = 0xFFFF


def meter_id(account: str, number: int) -> str:
    """The id of the account's meter ``number``.

    >>> meter_id("0x" + "Ab" * 20, 0x4000)
    '0xabababababababababababababababababababab000000000000000000004000'
    """
    return f"{account.lower()}{number:024x}"


def account_of(meter_id: str) -> str:
    """The account of the meter's owner, 0x hex in lower case."""
    return meter_id[:_ACCOUNT_LENGTH]


def number_of(meter_id: str) -> int:
    """The meter's number among its owner's."""
    return int(meter_id[_ACCOUNT_LENGTH:], 16)


def require_own(meter_id: str, *, account: str, role: str) -> None:
    """FieldError unless ``meter_id`` is one that a meter of this account and role can have."""
    first = FIRST_NUMBER[role]
    following = [number for number in FIRST_NUMBER.values() if number > first]
    last = min(following, default=_LAST_NUMBER + 1) - 1
    own = len(meter_id) == _ID_LENGTH and meter_id.lower().startswith(account.lower())
    if not own or not first <= number_of(meter_id) <= last:
        raise FieldError(
            "meter_id", f"of a {role} meter must be its owner's wallet and a number in [{first}, {last}]"
        )
