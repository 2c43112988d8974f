"""Settings; every one that differs between machines comes from an environment variable."""

import os
from pathlib import Path

import dj_database_url
from kombu import Exchange, Queue

BASE_DIR = Path(__file__).resolve().parents[2]
STATE_DIR = Path(os.environ.get("COMMONWATT_STATE", BASE_DIR / ".commonwatt"))

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1],testserver").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if o]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("HTTPS") == "1"

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL", "postgresql://commonwatt@127.0.0.1:5432/commonwatt"), conn_max_age=60
    )
}
if os.environ.get("DATABASE_POOL"):  # set by the ASGI process, whose many threads share connections
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": int(os.environ["DATABASE_POOL"])}}
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
CHAIN_RPC_URL = os.environ.get("CHAIN_RPC_URL", "http://127.0.0.1:8545")
CHAIN_CONFIRMATIONS = os.environ.get("CHAIN_CONFIRMATIONS", "")  # these four: backend/settlement/caution.py
CHAIN_STALE_AFTER_S = os.environ.get("CHAIN_STALE_AFTER_S", "")
CHAIN_PATIENCE_BLOCKS = os.environ.get("CHAIN_PATIENCE_BLOCKS", "")
CHAIN_MAX_FEE_WEI = os.environ.get("CHAIN_MAX_FEE_WEI", "")
AGENT_KEY = os.environ.get("AGENT_KEY", "")  # signs members' orders inside their mandates
ADMIN_DELAY_S = int(os.environ.get("ADMIN_DELAY_S") or 0) or None  # of the timelock; None: by network
MQTT_URL = os.environ.get("MQTT_URL", "mqtt://127.0.0.1:1883")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "backend.registry",
    "backend.telemetry",
    "backend.planning",
    "backend.dispatch",
    "backend.market",
    "backend.flexibility",
    "backend.settlement",
    "backend.kpi",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "backend.config.urls"
ASGI_APPLICATION = "backend.config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "dist"],
        "APP_DIRS": True,
        "OPTIONS": {},
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "frontend" / "dist"]
WHITENOISE_USE_FINDERS = True  # the built pages are served as they lie, without a copying step

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["backend.registry.parsers.MessageParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "STRICT_JSON": False,  # NaN reaches the serializer, which refuses it by name
    "EXCEPTION_HANDLER": "backend.registry.problems.problem_response",
    "DATETIME_INPUT_FORMATS": ["iso-8601"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Commonwatt",
    "VERSION": "1",
    "DESCRIPTION": "Readings in, plans and commands out, orders, trades, receipts and statements.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",  # with the platform, not from elsewhere
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"TradingSide": "backend.market.models.SideChoice.choices"},
}

FORECAST_CHALLENGERS = (os.environ.get("FORECAST_CHALLENGERS") or "lightgbm").split(",")

CELERY_BROKER_URL = REDIS_URL
# A worker without -Q serves both; one with -Q training keeps long trainings away from the market's stages.
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("celery", "training")]
CELERY_TASK_ROUTES = {"backend.pipeline.train": {"queue": "training"}}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True  # but for fleets, whose shards answer to prices
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_RESULT_EXPIRES = 3_600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "backend.pipeline.tick",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}},
}
