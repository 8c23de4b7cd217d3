"""What clients may count on, of this server and of TensorFlow Serving alike: the suite knows an address and no more.

    FER_SERVING_GRPC=127.0.0.1:8500 FER_SERVING_REST=127.0.0.1:8501 pytest tests/serving/contract

asks a server that serves what contract_models.py wrote. Without the two, an embedded server is started.
"""

import http.client
import json
import os
import pathlib
import sys

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

# pytest's importlib mode leaves a test's own directory off the path, and these files share modules.
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import contract_models
from contract_models import NAME, OLDER, VERSION
from expectations import GRPC_FAULTS, REGRESS, REST, URL

CLASSIFY_METHOD, REGRESS_METHOD = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """Host and port of gRPC and REST."""
    if "FER_SERVING_GRPC" in os.environ:
        yield os.environ["FER_SERVING_GRPC"], os.environ["FER_SERVING_REST"]
        return
    from serving.server.config_files import read_models
    from serving.server.server import Server

    config = contract_models.write(tmp_path_factory.mktemp("contract"))
    with Server(models=read_models(config), grpc_port=0, rest_port=0) as server:
        yield f"127.0.0.1:{server.grpc_port}", f"127.0.0.1:{server.rest_port}"


@pytest.fixture(scope="module")
def channel(addresses):
    with grpc.insecure_channel(addresses[0]) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def fill(spec, name=NAME, version=None, label=None, signature=""):
    spec.name = name
    spec.signature_name = signature
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label


def predict_request(inputs=None, output_filter=(), **spec):
    request = predict_pb2.PredictRequest(output_filter=output_filter)
    fill(request.model_spec, **spec)
    for name, value in ({"x": [1.0, 2.0, 5.0]} if inputs is None else inputs).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def add_examples(request, *values):
    for value in values:
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(value)
    return request


def refused(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=20)
    return caught.value.code().name, caught.value.details()


@pytest.mark.parametrize("case", REST, ids=str)
def test_rest(addresses, case):
    connection = http.client.HTTPConnection(addresses[1], timeout=20)
    body = case.body if case.body is None or isinstance(case.body, bytes) else json.dumps(case.body).encode()
    connection.request("GET" if body is None else "POST", case.path, body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == case.status, answer
    assert response.getheader("content-type") == "application/json"
    if case.status == 200:
        assert answer == case.answer, case.source
    else:
        assert list(answer) == ["error"]  # g3doc/api_rest.md
        assert case.answer in answer["error"], case.source
    connection.close()


def test_rest_metadata(addresses):
    """g3doc/api_rest.md: the JSON form of GetModelMetadataResponse."""
    connection = http.client.HTTPConnection(addresses[1], timeout=20)
    connection.request("GET", f"{URL}/versions/{OLDER}/metadata")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["model_spec"] == {"name": NAME, "signature_name": "", "version": str(OLDER)}
    x = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


def test_predict(stub):
    """apis/predict.proto; servables/tensorflow/util.cc, MakeModelSpec: the answer says which version gave it."""
    response = stub.Predict(predict_request(), timeout=20)
    assert (response.model_spec.name, response.model_spec.version.value) == (NAME, VERSION)
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["y"].float_val) == [
        3.5,
        4.0,
        5.5,
    ]  # typed fields, servables/tensorflow/predict_util.cc
    assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [3]


@pytest.mark.parametrize(
    ("which", "version"),
    [({"version": OLDER}, OLDER), ({"label": "stable"}, OLDER), ({"label": "canary"}, VERSION)],
)
def test_predict_of_a_version(stub, which, version):
    """apis/model.proto: a version by number or by label."""
    response = stub.Predict(predict_request(**which), timeout=20)
    assert response.model_spec.version.value == version
    assert response.outputs["y"].float_val[0] == {OLDER: 2.5, VERSION: 3.5}[version]


def test_output_filter(stub):
    """apis/predict.proto: only the outputs asked for."""
    inputs = {"tag_bytes": ["a"], "signal": tf.constant([[1, 2]], tf.int32)}
    response = stub.Predict(predict_request(inputs, ["sum"], signature="echo"), timeout=20)
    assert list(response.outputs) == ["sum"]
    assert list(response.outputs["sum"].int_val) == [3]


@pytest.mark.parametrize("case", GRPC_FAULTS, ids=str)
def test_predict_faults(stub, case):
    code, details = refused(stub.Predict, predict_request(**case.changes))
    assert code == case.code, case.source
    assert case.message in details, case.source


@pytest.mark.parametrize("method", ["Predict", "Classify", "Regress"])
def test_missing_model_spec(stub, method):
    """servables/tensorflow/classification_service.cc and its like."""
    request = {
        "Predict": predict_pb2.PredictRequest,
        "Classify": classification_pb2.ClassificationRequest,
        "Regress": regression_pb2.RegressionRequest,
    }[method]()
    assert refused(getattr(stub, method), request) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_classify(stub):
    """apis/classification.proto; servables/tensorflow/classifier.cc."""
    request = classification_pb2.ClassificationRequest()
    fill(request.model_spec, signature="classify_x_to_y")
    response = stub.Classify(add_examples(request, 1.0, 2.0), timeout=20)
    assert response.model_spec.version.value == VERSION
    assert response.model_spec.signature_name == "classify_x_to_y"
    rows = [[(one.label, one.score) for one in row.classes] for row in response.result.classifications]
    assert rows == [[("y", 3.5), ("minus_y", -3.5)], [("y", 4.0), ("minus_y", -4.0)]]


def test_regress(stub):
    """apis/regression.proto; servables/tensorflow/regressor.cc."""
    request = regression_pb2.RegressionRequest()
    fill(request.model_spec, signature=REGRESS)
    response = stub.Regress(add_examples(request, 1.0, 2.0), timeout=20)
    assert [one.value for one in response.result.regressions] == [3.5, 4.0]


def test_context_of_examples(stub):
    """apis/input.proto: features of the context are every example's."""
    request = regression_pb2.RegressionRequest()
    fill(request.model_spec, signature=REGRESS)
    examples = request.input.example_list_with_context
    examples.context.features.feature["x"].float_list.value.append(2.0)
    examples.examples.add()
    assert [one.value for one in stub.Regress(request, timeout=20).result.regressions] == [4.0]


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("none", "No signature was found with the name: none"),
        ("echo", "Expected one input Tensor."),
        ("serving_default", "No classification inputs found in SignatureDef"),
        (REGRESS, "Expected classification signature outputs to contain at least one of"),
    ],
)
def test_classify_faults(stub, signature, message):
    """servables/tensorflow/classifier.cc."""
    request = classification_pb2.ClassificationRequest()
    fill(request.model_spec, signature=signature)
    code, details = refused(stub.Classify, add_examples(request, 1.0))
    assert code == "INVALID_ARGUMENT"
    assert message in details


def test_no_examples(stub):
    """servables/tensorflow/util.cc."""
    request = regression_pb2.RegressionRequest()
    fill(request.model_spec, signature=REGRESS)
    assert refused(stub.Regress, request) == ("INVALID_ARGUMENT", "Input is empty.")


def multi_inference(*tasks):
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in tasks:
        fill(request.tasks.add(method_name=method).model_spec, signature=signature)
    return add_examples(request, 1.0)


def test_multi_inference(stub):
    """apis/inference.proto; servables/tensorflow/multi_inference.cc."""
    request = multi_inference(("classify_x_to_y", CLASSIFY_METHOD), (REGRESS, REGRESS_METHOD))
    first, second = stub.MultiInference(request, timeout=20).results
    assert first.model_spec.version.value == VERSION
    assert first.classification_result.classifications[0].classes[0].score == 3.5
    assert second.regression_result.regressions[0].value == 3.5


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ([(REGRESS, REGRESS_METHOD)] * 2, "INVALID_ARGUMENT", f"Duplicate evaluation of signature: {REGRESS}"),
        ([("none", REGRESS_METHOD)], "INVALID_ARGUMENT", "Requested signature not found in model graph: none"),
        ([(REGRESS, "dance")], "UNIMPLEMENTED", "Unsupported signature method_name: dance"),
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ],
)
def test_multi_inference_faults(stub, tasks, code, message):
    """servables/tensorflow/multi_inference.cc."""
    assert refused(stub.MultiInference, multi_inference(*tasks)) == (code, message)


def test_metadata(stub):
    """apis/get_model_metadata.proto; servables/tensorflow/get_model_metadata_impl.cc."""
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    fill(request.model_spec)
    code, details = refused(stub.GetModelMetadata, request)
    assert (code, details) == (
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request, timeout=20)
    assert (response.model_spec.name, response.model_spec.version.value) == (NAME, VERSION)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", REGRESS, "classify_x_to_y", "echo"} <= set(signatures.signature_def)
    request.metadata_field.append("weights")
    assert refused(stub.GetModelMetadata, request) == (
        "INVALID_ARGUMENT",
        "Metadata field weights is not supported",
    )


def test_status(models):
    """apis/get_model_status.proto; model_servers/get_model_status_impl.cc."""
    state = get_model_status_pb2.ModelVersionStatus.State
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refused(models.GetModelStatus, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    fill(request.model_spec)
    found = models.GetModelStatus(request, timeout=20).model_version_status
    assert [(one.version, one.state) for one in found] == [(VERSION, state.AVAILABLE), (OLDER, state.AVAILABLE)]
    fill(request.model_spec, version=OLDER)
    (found,) = models.GetModelStatus(request, timeout=20).model_version_status
    assert (found.version, found.state, found.status.error_code, found.status.error_message) == (
        OLDER, state.AVAILABLE, 0, "",
    )  # fmt: skip
    fill(request.model_spec, version=9)
    assert refused(models.GetModelStatus, request) == ("NOT_FOUND", f"Could not find version 9 of model {NAME}")


def reload_request(*configs):
    request = model_management_pb2.ReloadConfigRequest()
    for name, base_path, platform in configs:
        request.config.model_config_list.config.add(name=name, base_path=base_path, model_platform=platform)
    return request


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([("a", "/a", "tensorflow")] * 2, "Illegal to list model a multiple times in config list"),
        (
            [("a", "here/a", "tensorflow")],
            "Expected model a to have an absolute path or URI; got base_path()=here/a",
        ),
    ],
)
def test_reload_of_a_config_that_cannot_be(models, configs, message):
    """model_servers/server_core.cc, ValidateModelConfigList: nothing changes."""
    assert refused(models.HandleReloadConfigRequest, reload_request(*configs)) == ("INVALID_ARGUMENT", message)
    test_status(models)


def test_reload_without_a_list(models):
    """model_servers/model_service_impl.cc."""
    code, details = refused(models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())
    assert code == "INVALID_ARGUMENT"
    assert details.startswith("ServerModelConfig type not supported by HandleReloadConfigRequest.")


def test_an_expired_deadline(stub):
    """gRPC's own: a client that no longer waits is told so."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(predict_request(), timeout=1e-6)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
