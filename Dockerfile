# The server in a container: `docker build -t switchhook .`, then run it with the settings of docs/deployment.md.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    DATA_DIR=/data \
    PORT=8080

RUN useradd --system --create-home --uid 10001 switchhook && install -d -o switchhook /data
WORKDIR /srv/switchhook

COPY requirements.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt

COPY LICENSE Procfile wsgi.py ./
COPY config config
COPY vonage_simulator vonage_simulator
COPY app app

USER 10001
# What Redis does not take is kept here: give it a volume that outlives the container.
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["gunicorn", "-c", "config/gunicorn.py", "wsgi:app"]
