"""What belongs to no single app: the pipeline's state, the live channel and the web page."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.views.decorators.csrf import ensure_csrf_cookie
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend import pipeline
from backend.market.models import DeliveryInterval
from backend.registry import queries as registry
from backend.registry.permissions import IsOperator, IsStaffReader
from backend.registry.tasks import LIVE_CHANNEL
from backend.settlement import queries as settlement

KEEP_ALIVE_S = 15


class PendingSerializer(serializers.Serializer[dict[str, Any]]):
    """A stage that is due, and what it waits for (empty: it runs)."""

    stage = serializers.CharField()
    interval_start = serializers.DateTimeField()
    waits_for = serializers.CharField(allow_blank=True)


class ChainTroubleSerializer(serializers.Serializer[dict[str, Any]]):
    """Why nothing is sent to the chain or learned from it, and for how long (seconds of the wall clock)."""

    reason = serializers.CharField()
    age_s = serializers.IntegerField()


class OutboxRowSerializer(serializers.Serializer[dict[str, Any]]):
    """A transaction that is not final; a failed one needs a person."""

    key = serializers.CharField()
    stage = serializers.ChoiceField(choices=["register", "commit", "settle", "release"])
    interval_start = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=["pending", "sent", "mined", "reverted", "failed"])
    reason = serializers.CharField()
    age_s = serializers.IntegerField()


class PipelineStatusSerializer(serializers.Serializer[dict[str, Any]]):
    """What the pipeline has done and has still to do."""

    now = serializers.DateTimeField()
    ready = serializers.BooleanField(help_text="members are on chain and the clock runs or can be advanced")
    pending = PendingSerializer(many=True)
    committed = serializers.IntegerField()
    settled = serializers.IntegerField()
    chain_trouble = ChainTroubleSerializer(allow_null=True)
    outbox = OutboxRowSerializer(many=True)


class PipelineStatusView(APIView):
    """The pipeline's state, for operators and auditors."""

    permission_classes = (IsOperator | IsStaffReader,)

    @extend_schema(responses=PipelineStatusSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Show what is due."""
        community = registry.community()
        now = registry.now(community)
        states = DeliveryInterval.State
        facts = {
            "now": now,
            "ready": pipeline.ready(),
            "pending": [
                {"stage": d.stage, "interval_start": d.interval_start, "waits_for": d.waits_for}
                for d in pipeline.due(community, now)
            ],
            "committed": DeliveryInterval.objects.filter(state=states.COMMITTED).count(),
            "settled": DeliveryInterval.objects.filter(state=states.SETTLED).count(),
            "chain_trouble": settlement.trouble(),
            "outbox": settlement.waiting(),
        }
        return Response(PipelineStatusSerializer(facts).data)


async def events(request: HttpRequest) -> StreamingHttpResponse:  # noqa: ARG001 - Django's signature
    """Server-sent events: names and ids of what happened; a page then asks for what it shows."""
    return StreamingHttpResponse(
        _stream(),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _stream() -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as connection, connection.pubsub() as channel:
        await channel.subscribe(LIVE_CHANNEL)
        while True:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=KEEP_ALIVE_S)
            if message is None:
                yield b": alive\n\n"
                await asyncio.sleep(0)
                continue
            body = json.loads(message["data"])
            yield f"event: {body.pop('event')}\ndata: {json.dumps(body)}\n\n".encode()


class NowhereView(APIView):
    """Addresses of the API at which there is nothing."""

    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *_: object, **__: object) -> None:  # noqa: ARG002 - DRF's signature
        """Refuse, whatever the method."""
        raise NotFound("there is nothing at this address; api/v1/docs lists what there is")


@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The web application; its router knows the rest of the address."""
    try:
        return HttpResponse(get_template("index.html").render({}, request))
    except TemplateDoesNotExist:
        return HttpResponse(
            "The web page is not built: npm --prefix frontend run build",
            status=503,
            content_type="text/plain",
        )
