"""`tensorflow.serving.PredictionService` over gRPC, with the official stubs."""

from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.server import examples
from serving.server.errors import Code, ServingError
from serving.server.grpc_answers import GrpcAnswers, fill_model_spec, model_spec, spec_from_message
from serving.server.predict import DEFAULT_SIGNATURE, predict
from serving.server.tensor_proto import array_from_proto, proto_from_array


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers every method of the service.

    Args:
        store: `model_store.ModelStore`.
        limits: `limits.Limits`.
        metrics: `metrics.Metrics`.
    """

    def __init__(self, store, limits, metrics):
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._answers = GrpcAnswers(metrics)

    def Predict(self, request, context):  # noqa: N802, the stubs' name
        """Answers `PredictRequest` with `PredictResponse`."""
        with (
            self._answers.answering(context, "Predict", request.model_spec.name),
            self._store.get(model_spec(request)).in_use() as model,
        ):
            signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            inputs = {
                name: array_from_proto(name, proto, self._limits.message_bytes)
                for name, proto in request.inputs.items()
            }
            output_filter = tuple(request.output_filter)
            outputs = predict(model, inputs, signature_name, output_filter, self._limits, self._metrics)
            response = predict_pb2.PredictResponse()
            fill_model_spec(response.model_spec, model, signature_name)
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(proto_from_array(value))
            return response

    def Classify(self, request, context):  # noqa: N802
        """Answers `ClassificationRequest` with `ClassificationResponse`."""
        response = classification_pb2.ClassificationResponse()
        return self._on_examples("Classify", examples.classify, request, response, context)

    def Regress(self, request, context):  # noqa: N802
        """Answers `RegressionRequest` with `RegressionResponse`."""
        response = regression_pb2.RegressionResponse()
        return self._on_examples("Regress", examples.regress, request, response, context)

    def MultiInference(self, request, context):  # noqa: N802
        """Answers `MultiInferenceRequest` with `MultiInferenceResponse`."""
        # The first task says which model (servables/tensorflow/multi_inference_helper.cc).
        name = request.tasks[0].model_spec.name if request.tasks else ""
        with self._answers.answering(context, "MultiInference", name):
            if not request.tasks:
                raise ServingError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
            with self._store.get(spec_from_message(request.tasks[0].model_spec)).in_use() as model:
                return examples.multi_inference(model, request, self._limits, self._metrics)

    def GetModelMetadata(self, request, context):  # noqa: N802
        """Answers `GetModelMetadataRequest` (servables/tensorflow/get_model_metadata_impl.cc)."""
        with self._answers.answering(context, "GetModelMetadata", request.model_spec.name):
            spec = model_spec(request)
            if not request.metadata_field:
                raise ServingError(
                    Code.INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field"
                )
            for field in request.metadata_field:
                if field != "signature_def":
                    raise ServingError(
                        Code.INVALID_ARGUMENT,
                        f"Metadata field {field} is not supported",
                        "a metadata_field is not supported",
                    )
            model = self._store.get(spec)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            fill_model_spec(response.model_spec, model)
            response.metadata["signature_def"].Pack(signature_def_map(model))
            return response

    def _on_examples(self, api, answer, request, response, context):
        with (
            self._answers.answering(context, api, request.model_spec.name),
            self._store.get(model_spec(request)).in_use() as model,
        ):
            signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            result = answer(model, request.input, signature_name, self._limits, self._metrics)
            fill_model_spec(response.model_spec, model, signature_name)
            response.result.CopyFrom(result)
            return response


def signature_def_map(model):
    """Returns the `SignatureDefMap` of a `LoadedModel`."""
    message = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signature_defs.items():
        message.signature_def[name].CopyFrom(signature)
    return message
