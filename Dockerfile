# One image for every process of docker-compose.yml: the Python rooms, the built pages, the contracts' tools.
FROM node:22.21.1-bookworm-slim AS node
WORKDIR /app
COPY contracts/package.json contracts/package-lock.json contracts/
RUN cd contracts && npm ci --no-audit --no-fund
COPY frontend/package.json frontend/package-lock.json frontend/
RUN cd frontend && npm ci --no-audit --no-fund
COPY frontend frontend
RUN cd frontend && npm run build

FROM python:3.11.14-slim-bookworm AS python
WORKDIR /app
# libgomp: LightGBM's threads
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY requirements.lock ./
RUN pip install --no-cache-dir -r requirements.lock
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY . .
COPY --from=node /app/contracts/node_modules contracts/node_modules
COPY --from=node /app/frontend/dist frontend/dist
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && ln -s /app/contracts/node_modules/@foundry-rs/anvil-linux-*/bin/anvil /usr/local/bin/anvil \
    && useradd --uid 10001 --create-home commonwatt \
    && mkdir -p /state/keys && chmod 700 /state/keys && chown -R commonwatt /state
USER commonwatt
ENV COMMONWATT_STATE=/state PYTHONUNBUFFERED=1
VOLUME /state
CMD ["python", "-m", "uvicorn", "backend.config.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
