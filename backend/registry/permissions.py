"""Who may do what: prosumers see their own, auditors see all, operators act."""

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from backend.registry.models import Participant

OPERATOR, AUDITOR, PROSUMER = "operator", "auditor", "prosumer"
STAFF = {OPERATOR, AUDITOR}


def role_of(request: Request) -> str | None:
    """The user's role; None when signed out or without one."""
    if not request.user.is_authenticated:
        return None
    names = set(request.user.groups.values_list("name", flat=True))
    return next((role for role in (OPERATOR, AUDITOR, PROSUMER) if role in names), None)


def participant_of(request: Request) -> Participant | None:
    """The participant who is signed in, or None."""
    return Participant.objects.filter(user_id=request.user.pk or 0).first()


def require_participant(request: Request) -> Participant:
    """The participant who is signed in; 403 for anybody else."""
    participant = participant_of(request)
    if participant is None:
        raise PermissionDenied("only a member can do this")
    return participant


def visible_participant(request: Request, pseudonym: str | None) -> Participant:
    """The participant asked for, if the user may see it: members see themselves, staff see everybody."""
    own = participant_of(request)
    if pseudonym is None or (own and own.pseudonym == pseudonym):
        return own or require_participant(request)
    storable = "\0" not in pseudonym  # Postgres holds no such text, and does not compare with it
    if role_of(request) in STAFF and storable:
        found = Participant.objects.filter(pseudonym=pseudonym).first()
        if found is not None:
            return found
    raise PermissionDenied("this member's books are not yours to read")


class IsOperator(BasePermission):
    """Operators only."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Whether the user is an operator."""
        return role_of(request) == OPERATOR


class IsStaffReader(BasePermission):
    """Operators and auditors may read; nobody may write."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Whether the user may read everybody's records."""
        return request.method in SAFE_METHODS and role_of(request) in STAFF
