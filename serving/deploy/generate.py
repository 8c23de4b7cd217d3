"""Writes every file of this folder from the one place below.

    python -m serving.deploy.generate

A test compares what is checked in with what this writes.
"""

import dataclasses
import json
import pathlib

from serving.deploy.dashboard import dashboard

FOLDER = pathlib.Path(__file__).parent
NOTE = "Written by `python -m serving.deploy.generate`; not run here, where there is no Docker, cluster or GPU."


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the files agree on.

    Attributes:
        model: str, the model's name in requests, and its folder in the storage.
        image: str, TensorFlow Serving for GPUs.
        grpc_port: int.
        rest_port: int.
        batch: int, rows in a batch at most; a power of two. Batches are padded to powers of two, so that a GPU's
            libraries meet few shapes.
        batch_wait_micros: int, how long a batch that is not full waits.
        enqueued_batches: int, batches that wait at most before requests are UNAVAILABLE.
        batch_threads: int, batches computed at once.
        replicas: tuple of int, pods at least and at most.
        cpu: str, processors that a pod asks for.
        memory: str, memory that a pod gets.
        drain_seconds: int, how long a server goes on answering after it has been taken off the list. TensorFlow Serving
            does not drain: what it has accepted when it is killed then is lost, and is the clients' to ask again.
    """

    model: str = "fer"
    image: str = "tensorflow/serving:2.19.1-gpu"
    grpc_port: int = 8500
    rest_port: int = 8501
    batch: int = 64
    batch_wait_micros: int = 2000
    enqueued_batches: int = 64
    batch_threads: int = 4
    replicas: tuple = (2, 8)
    cpu: str = "2"
    memory: str = "8Gi"
    drain_seconds: int = 30

    @property
    def batch_sizes(self):
        """The allowed batch sizes."""
        return [2**power for power in range(self.batch.bit_length())]

    @property
    def arguments(self):
        """The arguments of `tensorflow_model_server`, other than ports."""
        return [
            "--model_config_file=/config/models.config",
            "--model_config_file_poll_wait_seconds=60",
            "--allow_version_labels_for_unavailable_models=true",
            "--file_system_poll_wait_seconds=5",
            "--enable_batching=true",
            "--batching_parameters_file=/config/batching_parameters.txt",
            "--monitoring_config_file=/config/monitoring.config",
            "--enable_model_warmup=true",
            "--enable_grpc_healthcheck_service=true",
            "--rest_api_timeout_in_ms=30000",
        ]


def files(settings):
    """Makes the files.

    Args:
        settings: `Settings`.

    Returns:
        A dict, path within the folder to text.
    """
    config = {
        "config/models.config": _models(settings),
        "config/batching_parameters.txt": _batching(settings),
        "config/monitoring.config": _monitoring(settings),
    }
    return config | {
        "docker-compose.yaml": _compose(settings),
        "prometheus.yaml": _prometheus(settings),
        "kubernetes.yaml": _kubernetes(settings, config),
        "kserve.yaml": _kserve(settings),
        "grafana_dashboard.json": json.dumps(dashboard(), indent=2) + "\n",
    }


def main():
    """Writes the files beside this one."""
    for name, text in files(Settings()).items():
        file = FOLDER / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def _models(s):
    return f"""\
# {NOTE}
# The newest two versions, so that one can be gone back to by its number while clients move on.
model_config_list {{
  config {{
    name: "{s.model}"
    base_path: "/models/{s.model}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 2 }} }}
  }}
}}
"""


def _batching(s):
    sizes = "".join(f"allowed_batch_sizes: {size}\n" for size in s.batch_sizes)
    return f"""\
# {NOTE}
max_batch_size {{ value: {s.batch} }}
batch_timeout_micros {{ value: {s.batch_wait_micros} }}
max_enqueued_batches {{ value: {s.enqueued_batches} }}
num_batch_threads {{ value: {s.batch_threads} }}
# Few shapes for the GPU's libraries to be tuned to.
{sizes}"""


def _monitoring(s):
    return f"""\
# {NOTE}
prometheus_config {{
  enable: true
  path: "/monitoring/prometheus/metrics"
}}
"""


def _yaml_list(items, indent):
    return "\n".join(f"{' ' * indent}- {json.dumps(item)}" for item in items)


def _compose(s):
    return f"""\
# {NOTE}
# From this folder, with a model in ../../saved_models/{s.model}: docker compose up
# A burst of requests, and its latencies: docker compose run --rm demo
services:
  serving:
    image: {s.image}
    command:
{_yaml_list(s.arguments, 6)}
    ports: # this machine only; put a proxy with TLS in front for others
      - "127.0.0.1:{s.grpc_port}:8500"
      - "127.0.0.1:{s.rest_port}:8501"
    volumes:
      - ../../saved_models:/models:ro
      - ./config:/config:ro
    stop_grace_period: {s.drain_seconds}s # TensorFlow Serving takes no notice of SIGTERM
    restart: unless-stopped
    read_only: true
    tmpfs: [/tmp]
    security_opt: ["no-new-privileges:true"]
    deploy:
      resources:
        limits: {{ memory: {s.memory.replace("i", "b").lower()} }}
        reservations:
          devices: [{{ driver: nvidia, count: 1, capabilities: [gpu] }}]
    healthcheck:
      # The image has no curl; bash opens the connection itself.
      test: ["CMD-SHELL", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8500'"]
      interval: 10s
      timeout: 3s
      start_period: 120s
      retries: 3
  demo:
    profiles: [demo]
    build: {{ context: ../.., dockerfile: serving/deploy/Dockerfile }}
    command: ["fer-keras", "load-test", "--address", "serving:8500", "--clients", "32"]
    depends_on: {{ serving: {{ condition: service_healthy }} }}
  prometheus:
    image: prom/prometheus:v3.5.0
    volumes: ["./prometheus.yaml:/etc/prometheus/prometheus.yml:ro"]
    ports: ["127.0.0.1:9090:9090"]
    restart: unless-stopped
"""


def _prometheus(s):
    return f"""\
# {NOTE}
scrape_configs:
  - job_name: tensorflow_serving
    scrape_interval: 5s
    metrics_path: /monitoring/prometheus/metrics
    static_configs: [{{ targets: ["serving:8501"] }}]
"""


def _kubernetes(s, config):
    low, high = s.replicas
    documents = [
        f"""\
# {NOTE}
# The models come from the claim {s.model}-models, which any pod may read (ReadOnlyMany): bring your own.
# A warm-up file in a version's assets.extra is replayed before it is served.
apiVersion: v1
kind: ConfigMap
metadata: {{ name: {s.model}-serving, labels: {{ app: {s.model}-serving }} }}
data:
"""
        + "".join(
            f"  {pathlib.Path(name).name}: |\n" + "".join(f"    {line}\n" for line in text.splitlines())
            for name, text in config.items()
        ),
        f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {s.model}-serving, labels: {{ app: {s.model}-serving }} }}
spec:
  # No replicas: their number is the autoscaler's.
  selector: {{ matchLabels: {{ app: {s.model}-serving }} }}
  strategy: {{ rollingUpdate: {{ maxUnavailable: 0, maxSurge: 1 }} }}
  template:
    metadata:
      labels: {{ app: {s.model}-serving }}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8501"
        prometheus.io/path: /monitoring/prometheus/metrics
    spec:
      # TensorFlow Serving takes no notice of SIGTERM: it goes on for this long and is killed.
      terminationGracePeriodSeconds: {s.drain_seconds}
      automountServiceAccountToken: false
      containers:
        - name: serving
          image: {s.image}
          args:
{_yaml_list(s.arguments, 12)}
          ports:
            - {{ name: grpc, containerPort: 8500 }}
            - {{ name: rest, containerPort: 8501 }}
          resources:
            requests: {{ cpu: "{s.cpu}", memory: {s.memory} }}
            limits: {{ memory: {s.memory}, nvidia.com/gpu: 1 }}
          volumeMounts:
            - {{ name: models, mountPath: /models, readOnly: true }}
            - {{ name: config, mountPath: /config, readOnly: true }}
            - {{ name: tmp, mountPath: /tmp }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{ drop: [ALL] }}
          # A GPU's libraries and a large model take minutes to load; then the model itself must be there.
          startupProbe:
            httpGet: {{ path: /v1/models/{s.model}, port: rest }}
            periodSeconds: 5
            failureThreshold: 60
          readinessProbe:
            httpGet: {{ path: /v1/models/{s.model}/metadata, port: rest }}
            periodSeconds: 5
            timeoutSeconds: 3
          livenessProbe:
            grpc: {{ port: 8500 }}
            periodSeconds: 10
            timeoutSeconds: 3
      volumes:
        - {{ name: models, persistentVolumeClaim: {{ claimName: {s.model}-models, readOnly: true }} }}
        - {{ name: config, configMap: {{ name: {s.model}-serving }} }}
        - {{ name: tmp, emptyDir: {{}} }}
      tolerations:
        - {{ key: nvidia.com/gpu, operator: Exists, effect: NoSchedule }}
""",
        f"""\
apiVersion: v1
kind: Service
metadata: {{ name: {s.model}-serving, labels: {{ app: {s.model}-serving }} }}
spec:
  # Headless, so that gRPC clients that balance (dns:///{s.model}-serving:8500, round_robin) see every pod: one
  # connection through a virtual address would keep to one pod.
  clusterIP: None
  selector: {{ app: {s.model}-serving }}
  ports:
    - {{ name: grpc, port: {s.grpc_port}, targetPort: grpc }}
    - {{ name: rest, port: {s.rest_port}, targetPort: rest }}
""",
        f"""\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{ name: {s.model}-serving }}
spec:
  scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: {s.model}-serving }}
  minReplicas: {low}
  maxReplicas: {high}
  metrics:
    # Processors say little of a busy GPU. With an adapter for Prometheus, scale on the queue instead:
    # :tensorflow:serving:batching_session:queuing_latency.
    - type: Resource
      resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: 70 }} }}
  behavior:
    scaleDown: {{ stabilizationWindowSeconds: 300 }}
""",
        f"""\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{ name: {s.model}-serving }}
spec:
  minAvailable: 1
  selector: {{ matchLabels: {{ app: {s.model}-serving }} }}
""",
    ]
    return "---\n".join(documents)


def _kserve(s):
    low, high = s.replicas
    # KServe names the model and its storage itself; files of configuration come from the ConfigMap of kubernetes.yaml.
    left_out = ("--model_config_file", "--allow_version_labels")
    arguments = [one for one in s.arguments if not one.startswith(left_out)]
    return f"""\
# {NOTE}
# Needs the ConfigMap of kubernetes.yaml and the claim {s.model}-models.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {s.model}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "8080"
    prometheus.io/path: /monitoring/prometheus/metrics
spec:
  predictor:
    minReplicas: {low}
    maxReplicas: {high}
    scaleMetric: concurrency
    scaleTarget: {2 * s.batch}
    timeout: 30
    volumes:
      - {{ name: config, configMap: {{ name: {s.model}-serving }} }}
    model:
      modelFormat: {{ name: tensorflow }}
      storageUri: pvc://{s.model}-models/{s.model}
      image: {s.image}
      args:
{_yaml_list(arguments, 8)}
      ports: # without this KServe exposes REST alone; Knative takes one port
        - {{ name: h2c, containerPort: 9000, protocol: TCP }}
      resources:
        requests: {{ cpu: "{s.cpu}", memory: {s.memory} }}
        limits: {{ cpu: "{s.cpu}", memory: {s.memory}, nvidia.com/gpu: "1" }}
      volumeMounts:
        - {{ name: config, mountPath: /config, readOnly: true }}
"""


if __name__ == "__main__":
    main()
