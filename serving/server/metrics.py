"""What Prometheus reads, under TensorFlow Serving's names where it has one.

Its exporter (util/prometheus_exporter.cc) turns /tensorflow/serving/request_count into
:tensorflow:serving:request_count and so on; names, labels and buckets are from its servables/tensorflow/util.cc,
batching/batching_session.cc and servables/tensorflow/saved_model_warmup_util.cc. Latencies are in microseconds.
What it has no name for is under :fer_keras:serving:.
"""

import re

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# prometheus_client would write a gauge with the time of creation beside every counter and histogram.
prometheus_client.disable_created_metrics()


def _exponential(scale, growth, count):
    return [scale * growth**index for index in range(count)]


_LATENCY = _exponential(10, 1.8, 33)
_QUEUING = _exponential(100, 1.2, 52)
_SIZES = _exponential(1, 2, 15)


class Metrics:
    """The metrics of one server."""

    def __init__(self):
        self.registry = registry = CollectorRegistry()
        self._versions_of = dict

        def counter(name, text, *labels):
            return Counter(name, text, labels, registry=registry)

        def histogram(name, text, buckets, *labels):
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self._requests = counter(
            ":tensorflow:serving:request_count", "The total number of requests.", "model_name", "status"
        )
        self._request_latency = histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for a request.",
            _LATENCY,
            *("model_name", "API", "entrypoint"),
        )
        self._runtime_latency = histogram(
            ":tensorflow:serving:runtime_latency",
            "Distribution of wall time (in microseconds) for the TensorFlow runtime, the wait for a batch included.",
            _LATENCY,
            *("model_name", "API", "runtime"),
        )
        self._examples = histogram(
            ":tensorflow:serving:request_example_counts",
            "The number of tensorflow.Examples per request.",
            _SIZES,
            "model",
        )
        self._queuing = histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            "Distribution of wall time spent (in microseconds) in queuing.",
            _QUEUING,
            "thread_pool_name",
        )
        self._runs = counter(":tensorflow:serving:batching_session:wrapped_run_count", "Batches computed.")
        self._batch_sizes = histogram(
            ":tensorflow:serving:batching_session:processed_batch_size", "Rows in a batch, padding included.", _SIZES
        )
        self._input_sizes = histogram(
            ":tensorflow:serving:batching_session:input_batch_size", "Rows in a request that is batched.", _SIZES
        )
        self._loads = counter(
            ":tensorflow:cc:saved_model:load_attempt_count",
            "The number of times a SavedModel was requested to be loaded.",
            *("model_path", "status"),
        )
        self._load_latency = histogram(
            ":fer_keras:serving:load_latency",
            "Distribution of wall time (in microseconds) to load a version and warm it up.",
            _LATENCY,
            "model_name",
        )
        self._refused = counter(":fer_keras:serving:refused_version_count", "Versions that did not load.", "model_name")
        self._warmup_latency = histogram(
            ":tensorflow:serving:model_warmup_latency",
            "Distribution of wall time (in microseconds) for warming up the model.",
            _LATENCY,
            *("model_path", "status"),
        )
        self._warmup_records = counter(
            ":tensorflow:serving:model_warmup_records_read",
            "Total number of warmup records read during model warmup.",
            *("model_path", "status"),
        )
        self._under_way = Gauge(
            ":fer_keras:serving:requests_in_flight",
            "Requests accepted and not answered yet, those in a queue included.",
            ["entrypoint"],
            registry=registry,
        )
        registry.register(_Versions(self))

    def watch(self, versions_of):
        """Says where the served versions are looked up: a callable that returns a dict, model name to versions."""
        self._versions_of = versions_of

    def request(self, model_name, api, entrypoint, code, seconds):
        """Counts an answered request.

        Args:
            model_name: str, as the request names it; one that is not served counts as none, for a client could
                otherwise fill the memory with names.
            api: str, such as `Predict`.
            entrypoint: `GRPC` or `REST`.
            code: `errors.Code` of the answer.
            seconds: float, from the request to the answer.
        """
        name = model_name if model_name in self._versions_of() else ""
        self._requests.labels(name, code.name).inc()
        if not code:  # TensorFlow Serving takes the time of answers only (model_servers/prediction_service_impl.cc)
            self._request_latency.labels(name, api, entrypoint).observe(seconds * 1e6)

    def runtime(self, model_name, api, seconds):
        """Takes the time that TensorFlow took."""
        self._runtime_latency.labels(model_name, api, "TF2").observe(seconds * 1e6)

    def examples(self, model_name, count):
        """Counts the examples of a request."""
        self._examples.labels(model_name).observe(count)

    def batches(self, sizes, rows, waited):
        """Counts batches.

        Args:
            sizes: list of int, the sizes of those batches whose first row was this request's.
            rows: int, rows of the request.
            waited: float, seconds that the request waited in the queue.
        """
        for size in sizes:
            self._runs.inc()
            self._batch_sizes.observe(size)
        self._input_sizes.observe(rows)
        self._queuing.labels("model_server_batch_threads").observe(max(waited, 0.0) * 1e6)

    def load(self, model_name, path, ok, seconds):
        """Counts an attempt to load a version."""
        # The directory above, not the version's own: every push would add a series.
        self._loads.labels(str(path.parent), "success" if ok else "fail").inc()
        self._load_latency.labels(model_name).observe(seconds * 1e6)
        if not ok:
            self._refused.labels(model_name).inc()

    def warmup(self, path, ok, records, seconds):
        """Counts the warm-up of a version."""
        labels = (str(path.parent), "OK" if ok else "FAILED")
        self._warmup_latency.labels(*labels).observe(seconds * 1e6)
        self._warmup_records.labels(*labels).inc(records)

    def under_way(self, entrypoint):
        """Returns a context manager, within which a request is counted as under way."""
        return self._under_way.labels(entrypoint).track_inprogress()

    def requests_under_way(self):
        """Returns the number of requests under way."""
        return sum(sample.value for metric in self._under_way.collect() for sample in metric.samples)

    def value(self, name):
        """Returns the first value of a metric by TensorFlow Serving's name, such as /tensorflow/serving/request_count.

        Args:
            name: str.

        Returns:
            int, 0 for a metric that is not known or has no value yet.
        """
        name = name.replace("/", ":")
        for metric in self.registry.collect():
            if metric.name == name and metric.samples:
                return int(metric.samples[0].value)
        return 0

    def page(self):
        """Returns the page that Prometheus reads, as bytes."""
        # prometheus_client gives every counter the suffix _total, which TensorFlow Serving's names lack.
        return re.sub(
            rb"^((?:# (?:HELP|TYPE) )?[\w:]+)_total(?=[ {])", rb"\1", generate_latest(self.registry), flags=re.M
        )


class _Versions:
    """Collects which versions are served at the moment that Prometheus asks."""

    def __init__(self, metrics):
        self._metrics = metrics

    def collect(self):
        gauge = GaugeMetricFamily(
            ":fer_keras:serving:version_available",
            "1 for every version served.",
            labels=["model_name", "version"],
        )
        for name, versions in self._metrics._versions_of().items():
            for version in versions:
                gauge.add_metric([name, str(version)], 1)
        yield gauge
