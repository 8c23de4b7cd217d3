import types

from serving.server.drain import DrainInterceptor


def test_calls_are_refused_until_all_before_are_answered_and_no_more_come():
    interceptor = DrainInterceptor()
    predict = types.SimpleNamespace(method="/tensorflow.serving.PredictionService/Predict")
    health = types.SimpleNamespace(method="/grpc.health.v1.Health/Check")
    handler = object()

    def ask(details):
        return interceptor.intercept_service(lambda _: handler, details) is handler

    assert ask(predict)
    looks = []

    def under_way():
        looks.append(ask(predict) or not ask(health) if len(looks) < 5 else False)
        return len(looks) < 20

    interceptor.drain(under_way, longest=60)
    assert not any(looks)  # predictions were refused, health was not
    assert 29 <= len(looks) < 40
    interceptor.drain(lambda: 1, longest=0.1)  # returns in any case
