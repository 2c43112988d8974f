"""Accounts, statements and receipts."""

from datetime import datetime

from django.http import Http404
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.market import queries as market
from backend.market.api import requested_range, trade_facts
from backend.registry import queries as registry
from backend.registry.permissions import STAFF, participant_of, role_of, visible_participant
from backend.settlement import queries, receipts
from backend.settlement.serializers import AccountSerializer, ReceiptSerializer, StatementSerializer

PARTICIPANT = OpenApiParameter("participant", str, description="a pseudonym; staff only")
RANGE = [OpenApiParameter("from", datetime, required=True), OpenApiParameter("to", datetime, required=True)]


class AccountView(APIView):
    """A member's money."""

    @extend_schema(parameters=[PARTICIPANT], responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """Show the balance that the exchange holds for the member."""
        participant = visible_participant(request, request.query_params.get("participant"))
        return Response(AccountSerializer(queries.account(participant, registry.now())).data)


class StatementsView(APIView):
    """A member's bill."""

    @extend_schema(parameters=[*RANGE, PARTICIPANT], responses=StatementSerializer)
    def get(self, request: Request) -> Response:
        """Show what the member owes and is owed for intervals that begin in a range."""
        participant = visible_participant(request, request.query_params.get("participant"))
        return Response(StatementSerializer(queries.statement(participant, *requested_range(request))).data)


class ReceiptView(APIView):
    """A trade's way from order to bill."""

    @extend_schema(responses=ReceiptSerializer)
    def get(self, request: Request, trade_id: int) -> Response:
        """Show each station; the other side's limit, readings and bill stay its own."""
        own = participant_of(request)
        staff = role_of(request) in STAFF
        trade = (
            market.trades(None if staff or own is None else own.pk)
            .select_related("buy_order__meter", "sell_order__meter")
            .filter(pk=trade_id)
            .first()
        )
        if trade is None or (own is None and not staff):
            raise Http404
        facts = {
            "trade": trade_facts(trade, own.pk if own else None),
            "steps": receipts.steps(trade, may_see=lambda who: staff or (own is not None and who == own.pk)),
        }
        return Response(ReceiptSerializer(facts).data)


urlpatterns = [
    path("account", AccountView.as_view()),
    path("statements", StatementsView.as_view()),
    path("trades/<int:trade_id>/receipt", ReceiptView.as_view()),
]
