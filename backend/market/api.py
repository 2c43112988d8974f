"""Intervals, books, orders and trades."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.market import queries, services
from backend.market.agents import OrderTerms, place_for_member
from backend.market.models import DeliveryInterval, Order, Trade
from backend.market.serializers import (
    AgentOrderSerializer,
    BookSerializer,
    IntervalSerializer,
    IntervalStartSerializer,
    ListQuerySerializer,
    NonceSerializer,
    OrderSerializer,
    SignedOrderSerializer,
    StartSerializer,
    TradeSerializer,
)
from backend.registry import queries as registry
from backend.registry import signing
from backend.registry.permissions import STAFF, participant_of, require_participant, role_of
from backend.registry.serializers import RangeSerializer
from backend.registry.tasks import announce
from domain.errors import FieldError
from domain.market import Side

MAX_RANGE = timedelta(days=40)
RANGE = [OpenApiParameter("from", datetime, required=True), OpenApiParameter("to", datetime, required=True)]


def requested_range(request: Request) -> tuple[datetime, datetime]:
    """``from`` and ``to`` of the query string, checked."""
    query = RangeSerializer(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    start, end = query.validated_data["from"], query.validated_data["to"]
    if not start < end or end - start > MAX_RANGE:
        raise FieldError("to", f"must be after from by at most {MAX_RANGE.days} days")
    return start, end


class IntervalsView(APIView):
    """Delivery intervals."""

    @extend_schema(parameters=RANGE, responses=IntervalSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the intervals that begin in a range."""
        found = queries.intervals(*requested_range(request)).prefetch_related("orders")
        return Response([IntervalSerializer(_interval_facts(i)).data for i in found])


def _interval_facts(interval: DeliveryInterval) -> dict[str, Any]:
    return {
        "start": interval.start,
        "end": interval.end,
        "state": interval.state,
        "gate_closure": interval.gate_closure,
        "price_micro_per_kwh": interval.clearing_micro_per_kwh,
        "retail_micro_per_kwh": interval.retail_micro_per_kwh,
        "feed_in_micro_per_kwh": interval.feed_in_micro_per_kwh,
        "imbalance_micro_per_kwh": interval.imbalance_micro_per_kwh,
        "fee_micro_per_kwh": interval.fee_micro_per_kwh,
        "reference_micro_per_kwh": interval.reference_micro_per_kwh,
        "traded_wh": interval.traded_wh,
        "orders": len(interval.orders.all()),
    }


class BookView(APIView):
    """Depth of one interval; prices and quantities only, no names."""

    @extend_schema(responses=BookSerializer)
    def get(self, request: Request, start: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Show what is bid and offered."""
        asked = StartSerializer(data={"start": start})
        asked.is_valid(raise_exception=True)
        interval = queries.interval_at(asked.validated_data["start"])
        if interval is None:
            raise Http404
        return Response(BookSerializer(queries.book(interval)).data)


class OrdersView(APIView):
    """Own orders; staff see all."""

    @extend_schema(
        parameters=[OpenApiParameter("state", str), OpenApiParameter("limit", int)],
        responses=OrderSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """List orders, newest first."""
        own = participant_of(request)
        if own is None and role_of(request) not in STAFF:
            require_participant(request)
        found = queries.orders_of(own.pk if own else None)
        query = _list_query(request)
        if query["state"]:
            found = found.filter(state=query["state"])
        rows = [order_facts(order) for order in found[: query["limit"]]]
        return Response([OrderSerializer(row).data for row in rows])

    @extend_schema(request=SignedOrderSerializer, responses={201: OrderSerializer})
    def post(self, request: Request) -> Response:
        """Place an order signed by its owner (or by an agent with a mandate)."""
        participant = require_participant(request)
        body = SignedOrderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        terms = body.validated_data
        terms["owner"] = signing.checksum_address(terms["owner"], "owner")
        if terms["owner"] != participant.wallet_address:
            raise FieldError("owner", "is not your wallet", code="unknown_owner")
        order = services.place_order(services.SignedOrder(**terms), as_of=registry.now())
        announce("order")
        return Response(OrderSerializer(order_facts(order)).data, status=201)


class NonceView(APIView):
    """What a wallet needs before it can sign."""

    @extend_schema(
        parameters=[OpenApiParameter("interval_start", datetime, required=True)], responses=NonceSerializer
    )
    def get(self, request: Request) -> Response:
        """Show a nonce that my next order for the interval can have."""
        participant = require_participant(request)
        query = IntervalStartSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        nonce = queries.free_nonce(participant.pk, query.validated_data["interval_start"])
        return Response(NonceSerializer({"nonce": nonce}).data)


class AgentOrderView(APIView):
    """Orders that the member's agent signs inside the member's mandate."""

    @extend_schema(request=AgentOrderSerializer, responses={201: OrderSerializer})
    def post(self, request: Request) -> Response:
        """Let my agent sign and place an order."""
        participant = require_participant(request)
        body = AgentOrderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        interval = queries.interval_at(wanted["interval_start"])
        if interval is None:
            raise FieldError(
                "interval_start", "is not a delivery interval whose gate has opened", code="unknown_interval"
            )
        site = registry.site_of(participant)
        limit = wanted["limit_micro_per_kwh"]
        shortfall = max(interval.imbalance_micro_per_kwh - limit, 0)
        terms = OrderTerms(
            side=Side(wanted["side"]),
            energy_wh=wanted["energy_wh"],
            limit_micro_per_kwh=limit,
            imbalance_cap_micro_per_kwh=shortfall if wanted["side"] == Side.SELL else 0,
        )
        order = place_for_member(registry.grid_meter(site), interval, terms, as_of=registry.now())
        announce("order")
        return Response(OrderSerializer(order_facts(order)).data, status=201)


class OrderView(APIView):
    """One own order."""

    @extend_schema(responses=OrderSerializer)
    def delete(self, request: Request, order_id: UUID) -> Response:
        """Cancel an open order before its gate closes."""
        participant = require_participant(request)
        try:
            order = services.cancel_order(str(order_id), participant_id=participant.pk, as_of=registry.now())
        except Order.DoesNotExist as error:
            raise Http404 from error
        announce("order")
        return Response(OrderSerializer(order_facts(order)).data)


class TradesView(APIView):
    """Trades: own by default, the community's with pseudonyms."""

    @extend_schema(
        parameters=[
            OpenApiParameter("scope", str, enum=["mine", "community"]),
            OpenApiParameter("limit", int),
        ],
        responses=TradeSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """List trades, newest first."""
        own, query = participant_of(request), _list_query(request)
        found = queries.trades(own.pk if own and query["scope"] == "mine" else None)
        rows = [trade_facts(trade, own.pk if own else None) for trade in found[: query["limit"]]]
        return Response([TradeSerializer(row).data for row in rows])


def order_facts(order: Order) -> dict[str, Any]:
    """An order as the API shows it."""
    names = (
        "id", "side", "energy_wh", "limit_micro_per_kwh", "state", "matched_wh", "signer", "digest",
        "placed_at", "by_agent",
    )  # fmt: skip
    return {
        **{name: getattr(order, name) for name in names},
        "participant": order.participant.pseudonym,
        "interval_start": order.interval.start,
        "gate_closure": order.interval.gate_closure,
    }


def trade_facts(trade: Trade, own_id: int | None) -> dict[str, Any]:
    """A trade as the API shows it; ``state`` is the interval's, with ``cleared`` shown as ``matched``.

    Trades that are left in a lapsed interval are those that were settled in time.
    """
    shown = {DeliveryInterval.State.CLEARED: "matched", DeliveryInterval.State.LAPSED: "settled"}
    state = DeliveryInterval.State(trade.interval.state)
    return {
        "id": trade.pk,
        "interval_start": trade.interval.start,
        "energy_wh": trade.energy_wh,
        "price_micro_per_kwh": trade.price_micro_per_kwh,
        "buyer": trade.buy_order.participant.pseudonym,
        "seller": trade.sell_order.participant.pseudonym,
        "state": shown.get(state, state.value),
        "mine": own_id in {trade.buy_order.participant_id, trade.sell_order.participant_id},
    }


def _list_query(request: Request) -> dict[str, Any]:
    query = ListQuerySerializer(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    checked: dict[str, Any] = query.validated_data
    return checked


urlpatterns = [
    path("intervals", IntervalsView.as_view()),
    path("intervals/<str:start>/book", BookView.as_view()),
    path("orders", OrdersView.as_view()),
    path("orders/nonce", NonceView.as_view()),
    path("orders/agent", AgentOrderView.as_view()),
    path("orders/<uuid:order_id>", OrderView.as_view()),
    path("trades", TradesView.as_view()),
]
