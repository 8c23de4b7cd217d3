"""What TensorFlow Serving answers, recorded from its documentation, protos and sources (github.com/tensorflow/serving).

Each expectation names the file below tensorflow_serving/ that it is from.
"""

import dataclasses

from contract_models import NAME, OLDER, VERSION

URL = f"/v1/models/{NAME}"
# The sources.
API = "g3doc/api_rest.md"
JSON = "util/json_tensor.cc"
CLASSIFIER = "servables/tensorflow/classifier.cc"
REGRESSOR = "servables/tensorflow/regressor.cc"
HANDLER = "model_servers/http_rest_api_handler.cc"
CORE = "model_servers/server_core.cc"
MANAGER = "core/basic_manager.cc"
PREDICT = "servables/tensorflow/predict_util.cc"
STATUS = "model_servers/get_model_status_impl.cc"

REGRESS = "tensorflow/serving/regress"
OK_STATUS = {"error_code": "OK", "error_message": ""}


@dataclasses.dataclass(frozen=True)
class Rest:
    """A REST request with its answer: the whole body, or a part of its error message."""

    path: str
    body: object
    status: int
    answer: object
    source: str

    def __str__(self):
        return f"{self.path.removeprefix(URL)} {str(self.body)[:40]}"


REST = [
    Rest(f"{URL}:predict", {"instances": [1.0, 2.0, 5.0]}, 200, {"predictions": [3.5, 4.0, 5.5]}, API),
    Rest(f"{URL}:predict", {"inputs": [1.0, 2.0, 5.0]}, 200, {"outputs": [3.5, 4.0, 5.5]}, API),
    Rest(f"{URL}:predict", {"inputs": {"x": [1.0]}}, 200, {"outputs": [3.5]}, API),
    Rest(f"{URL}:predict", {"instances": [{"x": 1.0}]}, 200, {"predictions": [3.5]}, API),
    Rest(
        f"{URL}:predict",
        {"signature_name": "serving_default", "instances": [1.0]},
        200,
        {"predictions": [3.5]},
        API,
    ),
    Rest(f"{URL}/versions/{OLDER}:predict", {"instances": [1.0]}, 200, {"predictions": [2.5]}, API),
    Rest(f"{URL}/labels/stable:predict", {"instances": [1.0]}, 200, {"predictions": [2.5]}, "g3doc/serving_config.md"),
    Rest(f"{URL}/labels/canary:predict", {"instances": [1.0]}, 200, {"predictions": [3.5]}, "g3doc/serving_config.md"),
    Rest(
        f"{URL}:predict",
        {
            "signature_name": "echo",
            "instances": [
                {"tag_bytes": {"b64": "aW1hZ2UgYnl0ZXM="}, "signal": [1, 2]},
                {"tag_bytes": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}, "signal": [3, 4]},
            ],
        },
        200,
        {
            "predictions": [
                {"tag_bytes": {"b64": "aW1hZ2UgYnl0ZXM="}, "signal": [1, 2], "sum": 3},
                {"tag_bytes": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}, "signal": [3, 4], "sum": 7},
            ]
        },
        "g3doc/api_rest.md, output of binary values",
    ),
    Rest(
        f"{URL}:predict",
        {"signature_name": "echo", "inputs": {"tag_bytes": ["a"], "signal": [[1, 2]]}},
        200,
        {"outputs": {"tag_bytes": [{"b64": "YQ=="}], "signal": [[1, 2]], "sum": [3]}},
        "g3doc/api_rest.md, column format",
    ),
    Rest(
        f"{URL}:regress",
        {"signature_name": REGRESS, "examples": [{"x": 1.0}, {"x": 2.0}]},
        200,
        {"results": [3.5, 4.0]},
        API,
    ),
    Rest(
        f"{URL}:regress",
        {"signature_name": REGRESS, "context": {"x": 1.0}, "examples": [{}, {}]},
        200,
        {"results": [3.5, 3.5]},
        "g3doc/api_rest.md, context",
    ),
    Rest(
        f"{URL}:classify",
        {"signature_name": "classify_x_to_y", "examples": [{"x": [1.0]}, {"x": 2.0}]},
        200,
        {"results": [[["y", 3.5], ["minus_y", -3.5]], [["y", 4.0], ["minus_y", -4.0]]]},
        "util/json_tensor.cc, MakeJsonFromClassificationResult",
    ),
    Rest(
        URL,
        None,
        200,
        {
            "model_version_status": [
                {"version": str(version), "state": "AVAILABLE", "status": OK_STATUS} for version in (VERSION, OLDER)
            ]
        },
        API,
    ),
    Rest(
        f"{URL}/versions/{OLDER}",
        None,
        200,
        {"model_version_status": [{"version": str(OLDER), "state": "AVAILABLE", "status": OK_STATUS}]},
        API,
    ),
    Rest(
        "/v1/models/half:predict",
        {"instances": [1.0, 5.0]},
        404,
        "Servable not found for request: Latest(half)",
        API,
    ),
    Rest(
        f"{URL}/versions/9:predict",
        {"instances": [1.0]},
        404,
        f"Servable not found for request: Specific({NAME}, 9)",
        MANAGER,
    ),
    Rest(
        f"{URL}/labels/none:predict",
        {"instances": [1.0]},
        400,
        "Unrecognized servable version label: none",
        CORE,
    ),
    Rest(f"{URL}/versions/9", None, 404, f"Could not find version 9 of model {NAME}", STATUS),
    Rest("/v1/models/half", None, 404, "Could not find any versions of model half", STATUS),
    Rest(f"{URL}:predict", b"{", 400, "JSON Parse error", JSON),
    Rest(f"{URL}:predict", b"", 400, "JSON Parse error: The document is empty", JSON),
    Rest(f"{URL}:predict", [1], 400, "Is not object", JSON),
    Rest(f"{URL}:predict", {}, 400, "Missing 'inputs' or 'instances' key", JSON),
    Rest(
        f"{URL}:predict", {"instances": [1], "inputs": [1]}, 400, "expecting only one of 'inputs' or 'instances'", JSON
    ),
    Rest(f"{URL}:predict", {"instances": "x"}, 400, "Expecting 'instances' to be an list/array", JSON),
    Rest(f"{URL}:predict", {"instances": []}, 400, "No values in 'instances' array", JSON),
    Rest(f"{URL}:predict", {"instances": ["a"]}, 400, "is not of expected type: float", JSON),
    Rest(f"{URL}:predict", {"instances": [{"y": 1.0}]}, 400, "does not have named input: y", JSON),
    Rest(f"{URL}:predict", {"inputs": {"y": 1.0}}, 400, "Missing named input: x in 'inputs' object.", JSON),
    Rest(f"{URL}:predict", {"signature_name": "echo", "instances": [1]}, 400, "instances is a plain list", JSON),
    Rest(
        f"{URL}:predict",
        {"signature_name": "echo", "inputs": {"tag_bytes": {"b64": "?!"}, "signal": [[1, 2]]}},
        400,
        "Unable to base64 decode",
        JSON,
    ),
    Rest(
        f"{URL}:predict",
        {"signature_name": "none", "instances": [1.0]},
        400,
        'Serving signature name: "none" not found in signature def',
        HANDLER,
    ),
    Rest(f"{URL}:predict", None, 400, f"Malformed request: GET {URL}:predict", HANDLER),
    Rest(URL, {}, 400, f"Malformed request: POST {URL}", HANDLER),
    Rest(
        f"{URL}:classify",
        {"signature_name": "none", "examples": [{"x": 1.0}]},
        400,
        "No signature was found with the name: none",
        CLASSIFIER,
    ),
    Rest(
        f"{URL}:classify", {"examples": [{"x": 1.0}]}, 400, "No classification inputs found in SignatureDef", CLASSIFIER
    ),
    Rest(f"{URL}:regress", {"examples": [{"x": 1.0}]}, 400, "No regression inputs found in SignatureDef", REGRESSOR),
    Rest(
        f"{URL}:classify",
        {"signature_name": "echo", "examples": [{"x": 1.0}]},
        400,
        "Expected one input Tensor.",
        CLASSIFIER,
    ),
    Rest(f"{URL}:regress", {"signature_name": REGRESS}, 400, "key 'examples' is expected and was not found", JSON),
    Rest(
        f"{URL}:regress", {"signature_name": REGRESS, "examples": []}, 400, "'examples' value is an empty array", JSON
    ),
    Rest(
        f"{URL}:regress",
        {"signature_name": REGRESS, "examples": [1]},
        400,
        "Example must be JSON object but got JSON Number",
        JSON,
    ),
    Rest(
        f"{URL}:regress",
        {"signature_name": REGRESS, "examples": [{"x": [1.0, "a"]}]},
        400,
        "Unexpected element type in feature: x expecting type: float",
        JSON,
    ),
    Rest(
        f"{URL}:regress",
        {"signature_name": REGRESS, "examples": [{"x": None}]},
        400,
        "has element with unexpected JSON type: Null",
        JSON,
    ),
]


@dataclasses.dataclass(frozen=True)
class Fault:
    """A `PredictRequest` that is refused."""

    changes: dict  # of the request: name, version, label, signature, inputs, output_filter
    code: str
    message: str
    source: str

    def __str__(self):
        return f"{self.changes}"[:60]


GRPC_FAULTS = [
    Fault({"name": "half"}, "NOT_FOUND", "Servable not found for request: Latest(half)", MANAGER),
    Fault({"version": 9}, "NOT_FOUND", f"Servable not found for request: Specific({NAME}, 9)", MANAGER),
    Fault(
        {"label": "none"},
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: none",
        CORE,
    ),
    Fault({"name": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified.", CORE),
    Fault(
        {"signature": "none"},
        "FAILED_PRECONDITION",
        'Serving signature key "none" not found.',
        PREDICT,
    ),
    Fault(
        {"inputs": {}},
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1",
        PREDICT,
    ),
    Fault(
        {"output_filter": ["none"]},
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: none",
        PREDICT,
    ),
    Fault(
        {"output_filter": ["y", "y"]},
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: y",
        PREDICT,
    ),
    # What the graph itself refuses: the code is fixed, the words are TensorFlow's.
    Fault({"inputs": {"x": ["a"]}}, "INVALID_ARGUMENT", "", "the graph"),
    Fault({"signature": REGRESS, "inputs": {"inputs": ["a"]}}, "INVALID_ARGUMENT", "", "the graph"),
]
