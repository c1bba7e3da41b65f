# An image that serves Amazon SWF from memory: docker build -t flowy-sim:local .
# Every option of `flowy-sim serve` can be set as a variable, such as FLOWY_SIM_CLOCK=virtual.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
# Extras of the distribution; a worker needs others than the server.
ARG EXTRAS=cli,serve
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY flowy flowy
COPY flowy_sim flowy_sim
RUN python -m venv /opt/flowy && /opt/flowy/bin/pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/flowy /opt/flowy
ENV PATH=/opt/flowy/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FLOWY_SIM_HOST=0.0.0.0 \
    FLOWY_SIM_PORT=4567
# A place for FLOWY_SIM_DB=/data/swf.db, if a volume is mounted there.
RUN useradd --system --uid 10001 --no-create-home flowy && install -d -o 10001 /data
USER 10001
WORKDIR /data
EXPOSE 4567
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=2s --timeout=5s --start-period=10s --retries=15 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['FLOWY_SIM_PORT'] + '/_flowy/health', timeout=4)"]
ENTRYPOINT ["flowy-sim"]
CMD ["serve"]
