"""The API under /api/v1/, and the web page for everything else."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from backend.config.api import NowhereView, PipelineStatusView, events, page

api: list[URLPattern | URLResolver] = [
    path("", include("backend.registry.api")),
    path("", include("backend.telemetry.api")),
    path("", include("backend.planning.api")),
    path("", include("backend.dispatch.api")),
    path("", include("backend.market.api")),
    path("", include("backend.settlement.api")),
    path("", include("backend.settlement.agreements")),
    path("", include("backend.kpi.api")),
    path("pipeline/status", PipelineStatusView.as_view()),
    path("events", events),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="schema")),
]
urlpatterns = [
    path("api/v1/", include(api)),
    re_path(r"^api(?:/|$)", NowhereView.as_view()),
    re_path(r"^(?!api(?:/|$)|static/).*$", page),
]
