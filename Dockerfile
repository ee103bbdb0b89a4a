# One image for every process of the Procfile; which one it is, the command says.

FROM python:3.13-slim AS packages
COPY requirements.lock .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
 && printf '#!/venv/bin/python\nfrom cli import main\nmain()\n' > /venv/bin/callboard \
 && chmod +x /venv/bin/callboard

FROM python:3.13-slim
# The folder is made here so that a volume mounted on it belongs to the user.
RUN useradd --create-home --uid 10001 callboard && install -d -o callboard /home/callboard/state
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 CALLBOARD_HOME=/home/callboard/state
USER callboard
EXPOSE 8000
CMD ["sh", "-c", "exec uvicorn web:app --host 0.0.0.0 --port ${PORT:-8000}"]
