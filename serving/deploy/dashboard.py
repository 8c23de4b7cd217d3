"""The Grafana dashboard, of the metrics that this server and TensorFlow Serving have."""

_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
_BATCHING = ":tensorflow:serving:batching_session"


def dashboard():
    """Makes the dashboard.

    Returns:
        A dict in Grafana's JSON model.
    """
    quantile = "histogram_quantile({q}, sum by (le) (rate({name}_bucket[$__rate_interval])))"

    def quantiles(name):
        return [(f"p{100 * q:g}", quantile.format(q=q, name=name)) for q in (0.5, 0.9, 0.99)]

    rows = [
        (
            "Requests per second, by status",
            "reqps",
            [("{{status}}", f"sum by (status) (rate({_COUNT}[$__rate_interval]))")],
        ),
        (
            "Share of requests that failed",
            "percentunit",
            [
                (
                    "failed",
                    f'sum(rate({_COUNT}{{status!="OK"}}[$__rate_interval])) / sum(rate({_COUNT}[$__rate_interval]))',
                )
            ],
        ),
        ("Latency of requests", "µs", quantiles(_LATENCY)),
        ("Latency of TensorFlow", "µs", quantiles(":tensorflow:serving:runtime_latency")),
        ("Wait for a batch", "µs", quantiles(f"{_BATCHING}:queuing_latency")),
        (
            "Rows in a batch, mean",
            "short",
            [
                (
                    "rows",
                    f"rate({_BATCHING}:processed_batch_size_sum[$__rate_interval]) / "
                    f"rate({_BATCHING}:processed_batch_size_count[$__rate_interval])",
                )
            ],
        ),
        ("Batches per second", "short", [("batches", f"rate({_BATCHING}:wrapped_run_count[$__rate_interval])")]),
        (
            "Requests under way (embedded server)",
            "short",
            [("{{entrypoint}}", ":fer_keras:serving:requests_in_flight")],
        ),
        (
            "Versions served (embedded server)",
            "short",
            [("{{model_name}} {{version}}", ":fer_keras:serving:version_available")],
        ),
        (
            "Attempts to load a version",
            "short",
            [
                (
                    "{{model_path}} {{status}}",
                    "sum by (model_path, status) (increase(:tensorflow:cc:saved_model:load_attempt_count[1h]))",
                )
            ],
        ),
    ]
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": title,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend}
                for place, (legend, expression) in enumerate(targets)
            ],
        }
        for number, (title, unit, targets) in enumerate(rows)
    ]
    return {
        "title": "fer-keras serving",
        "uid": "fer-keras-serving",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
        },
        "panels": panels,
    }
