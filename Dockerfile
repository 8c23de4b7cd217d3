# Image of the pipeline's containers, with CUDA: docker build -t fer-keras .
# What is installed is what uv.lock says, of the stack for Python 3.11.
FROM python:3.11-slim-trixie
COPY --from=ghcr.io/astral-sh/uv:0.8 /uv /bin/uv
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/opt/fer PATH=/opt/fer/bin:$PATH
WORKDIR /src
# Dependencies first: a change of the code leaves this layer as it is.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project --python 3.11 \
    --extra pipeline --extra tuner --extra report --extra serving --extra gpu
COPY fer_keras fer_keras
COPY tfx_pipeline tfx_pipeline
COPY serving serving
RUN uv sync --frozen --no-dev --no-editable --python 3.11 \
    --extra pipeline --extra tuner --extra report --extra serving --extra gpu
ENV TF_CPP_MIN_LOG_LEVEL=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["fer-keras"]
