import functools
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.layers import CenterLoss, IslandLoss
from fer_keras.losses import ArcFace, FocalLoss, TripletLoss, VerificationLoss
from fer_keras.models import AlexNetEmotion, JointSupervision
from fer_keras.testing import check_classifier

pytestmark = pytest.mark.slow

NAMES = ("anger", "fear", "sadness")
CROSS_ENTROPY = functools.partial(keras.losses.SparseCategoricalCrossentropy, from_logits=True)


def backbone(dimension=4, seed=3):
    faces = keras.Input((3, 3, 1))
    dense = keras.layers.Dense(dimension, kernel_initializer=keras.initializers.GlorotUniform(seed))
    return keras.Model(faces, dense(keras.layers.Flatten()(faces)))


def joint(loss=None, rate=0.05, metrics=("accuracy",), **options):
    keras.utils.set_random_seed(1)
    model = JointSupervision(backbone(), NAMES, **options)
    model.compile(keras.optimizers.SGD(rate), loss or CROSS_ENTROPY(), metrics=list(metrics), jit_compile=False)
    return model


@pytest.fixture
def faces():
    return np.random.default_rng(0).normal(size=(12, 3, 3, 1)).astype("float32")


@pytest.fixture
def labels():
    return np.arange(12) % 3


def cross_entropy(logits, labels):
    logits = np.array(logits, "float64")
    logits -= logits.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels])


def assert_same_weights(first, second, rtol=1e-6):
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=rtol, atol=1e-7, err_msg=one.path)


def test_contract_without_metric_loss(faces, labels):
    check_classifier(lambda: JointSupervision(backbone(), NAMES), faces, labels, batch_size=4)


def test_contract_with_margin_and_metric_loss(faces, labels):
    def make():
        return JointSupervision(
            backbone(), NAMES, head=ArcFace(3, scale=8.0), metric_loss=IslandLoss(3), metric_weight=0.01
        )

    check_classifier(make, faces, labels, batch_size=4)


def test_loss_is_cross_entropy_and_weighted_metric_loss(faces, labels):
    model = joint(metric_loss=CenterLoss(3), metric_weight=0.3)
    features, logits = model.backbone(faces), model(faces)
    expected = cross_entropy(logits, labels)
    metric = float(model.metric_loss(features, labels))
    found = model.evaluate(faces, labels, batch_size=12, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], expected + 0.3 * metric, rtol=1e-5)
    np.testing.assert_allclose(found["metric_loss"], metric, rtol=1e-5)


def test_evaluate_averages_the_metric_loss_over_samples_and_moves_no_centre(faces, labels):
    model = joint(metric_loss=CenterLoss(3))
    before = model.metric_loss.centers.numpy()
    expected = float(model.metric_loss(model.backbone(faces), labels))
    found = model.evaluate(faces, labels, batch_size=5, verbose=0, return_dict=True)  # 5, 5 and 2
    np.testing.assert_allclose(found["metric_loss"], expected, rtol=1e-5)
    np.testing.assert_array_equal(model.metric_loss.centers, before)


def test_training_moves_the_centres_by_the_features_of_the_batch(faces, labels):
    model = joint(rate=0.0, metric_loss=IslandLoss(3))
    same = IslandLoss(3)
    same.build((None, 4))
    same.centers.assign(model.metric_loss.centers)
    model.train_on_batch(faces, labels)
    same.update(model.backbone(faces), labels)
    np.testing.assert_allclose(model.metric_loss.centers, same.centers, rtol=1e-5)


def test_margin_acts_on_the_training_loss_alone(faces, labels):
    model = joint(rate=0.0, head=ArcFace(3, scale=8.0))
    features = model.backbone(faces)
    plain, margin = model.head(features), model.head(features, labels)
    np.testing.assert_allclose(model.predict(faces, verbose=0), plain, rtol=1e-5)
    found = model.evaluate(faces, labels, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], cross_entropy(plain, labels), rtol=1e-5)
    trained = model.fit(faces, labels, batch_size=12, verbose=0).history
    np.testing.assert_allclose(trained["loss"], [cross_entropy(margin, labels)], rtol=1e-5)
    assert trained["loss"][0] > found["loss"]
    np.testing.assert_allclose(trained["accuracy"], [np.mean(np.argmax(plain, axis=1) == labels)], rtol=1e-6)


def test_annealing_advances_once_a_training_step(faces, labels):
    from fer_keras.losses import ASoftmax

    model = joint(head=ASoftmax(3))
    model.fit(faces, labels, batch_size=4, epochs=2, verbose=0)
    model.evaluate(faces, labels, verbose=0)
    assert float(model.head.steps.numpy()) == 6


@pytest.mark.parametrize(
    "metric_loss", [lambda: CenterLoss(3), lambda: IslandLoss(3, threshold=1.0), lambda: VerificationLoss(3.0)]
)
def test_class_weight_is_sample_weight_and_acts_on_the_metric_loss(faces, labels, metric_loss):
    fit = {"batch_size": 4, "shuffle": False, "verbose": 0}
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    by_class, by_sample, without = (joint(metric_loss=metric_loss(), metric_weight=0.5) for _ in range(3))
    by_class.fit(faces, labels, class_weight=weights, **fit)
    by_sample.fit(faces, labels, sample_weight=np.array([weights[label] for label in labels]), **fit)
    without.fit(faces, labels, **fit)
    assert_same_weights(by_class, by_sample)
    assert not np.allclose(by_class.get_weights()[0], without.get_weights()[0], rtol=1e-3)

    one_step = joint(rate=0.0, metric_loss=metric_loss())
    logs = one_step.fit(faces, labels, class_weight=weights, **{**fit, "batch_size": 12}).history
    fresh = joint(metric_loss=metric_loss())
    rows = np.array([weights[label] for label in labels])
    expected = float(fresh.metric_loss(fresh.backbone(faces), labels, rows))
    np.testing.assert_allclose(logs["metric_loss"], [expected], rtol=1e-5)


def test_labels_of_every_form_train_the_same(faces, labels):
    rows = np.eye(3, dtype="float32")[labels]
    models = []
    for y, loss in [(labels, None), (labels[:, None], None), (rows, keras.losses.CategoricalCrossentropy(True))]:
        head = ArcFace(3, scale=8.0, kernel_initializer=keras.initializers.GlorotUniform(1))
        model = joint(loss, metric_loss=IslandLoss(3), head=head)
        model.fit(faces, y, batch_size=4, shuffle=False, verbose=0)
        models.append(model)
    assert_same_weights(models[0], models[1])
    assert_same_weights(models[0], models[2], rtol=1e-4)


def test_focal_loss_and_triplets_together(faces, labels):
    model = joint(FocalLoss(), metric_loss=TripletLoss(), metric_weight=0.5)
    losses = model.fit(faces, labels, batch_size=12, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_hard_fraction_is_a_metric(faces, labels):
    model = joint(metric_loss=IslandLoss(3, threshold=1.5))
    squared = model.metric_loss.squared_distances(model.backbone(faces), labels).numpy()
    found = model.evaluate(faces, labels, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["hard_fraction"], np.mean(squared > 1.5), rtol=1e-6)
    assert 0 < found["hard_fraction"] < 1


def test_two_replicas_report_the_metrics_of_one(faces, labels):
    from fer_keras.testing import two_replicas

    def logs():
        model = joint(metric_loss=IslandLoss(3, threshold=1.5))
        return model.fit(faces, labels, batch_size=6, shuffle=False, verbose=0).history

    one = logs()
    with two_replicas().scope():
        two = logs()
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-5, err_msg=name)


def test_initialize_centers(faces, labels):
    model = joint(metric_loss=IslandLoss(3))
    features = model.backbone(faces).numpy()
    means = [features[labels == label].mean(axis=0) for label in range(3)]
    model.initialize_centers(faces, labels, batch_size=5)
    np.testing.assert_allclose(model.metric_loss.centers, means, rtol=1e-5, atol=1e-6)

    other = joint(metric_loss=CenterLoss(3))
    batches = tf.data.Dataset.from_tensor_slices((faces, labels, np.ones(12))).shuffle(12).batch(5)
    other.initialize_centers(batches)
    np.testing.assert_allclose(other.metric_loss.centers, means, rtol=1e-5, atol=1e-6)

    for x, message in [(faces, r"an array of faces needs labels. Received: y=None"), ([], "Received: no batch")]:
        with pytest.raises(ValueError, match=message):
            other.initialize_centers(x)
    with pytest.raises(ValueError, match="no centres"):
        joint(metric_loss=TripletLoss()).initialize_centers(faces, labels)
    with pytest.raises(ValueError, match="no centres"):
        joint().initialize_centers(faces, labels)


def test_initialize_centers_of_a_backbone_with_two_inputs(faces, labels):
    inputs = [keras.Input((3, 3, 1)), keras.Input((2,))]
    both = keras.layers.Concatenate()([keras.layers.Flatten()(inputs[0]), inputs[1]])
    model = JointSupervision(keras.Model(inputs, keras.layers.Dense(4)(both)), NAMES, metric_loss=CenterLoss(3))
    x = [faces, np.ones((12, 2), "float32")]
    features = model.backbone(x).numpy()
    model.initialize_centers(x, labels)
    means = [features[labels == label].mean(axis=0) for label in range(3)]
    np.testing.assert_allclose(model.metric_loss.centers, means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("eager", [False, True])
def test_metric_loss_of_another_dtype_than_the_compiled_loss(faces, labels, eager):
    model = JointSupervision(backbone(), NAMES, metric_loss=IslandLoss(3, dtype="float64"))
    model.compile("sgd", CROSS_ENTROPY(), run_eagerly=eager)
    assert np.isfinite(model.fit(faces, labels, verbose=0).history["loss"]).all()


def test_metric_loss_that_is_no_scalar_is_named(faces, labels):
    class PerSample(CenterLoss):
        def call(self, features, labels, sample_weight=None):
            return self.squared_distances(features, labels)

    with pytest.raises(ValueError, match="`metric_loss` must return a scalar"):
        joint(metric_loss=PerSample(3)).fit(faces, labels, verbose=0)


@pytest.mark.parametrize("eager", [False, True])
def test_label_out_of_range_is_named(faces, labels, eager):
    model = JointSupervision(backbone(), NAMES, metric_loss=CenterLoss(3, name="centers_of_mine"))
    model.compile("sgd", FocalLoss(), run_eagerly=eager, jit_compile=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels must be in \[0, 3\)"):
        model.fit(faces, labels + 1, verbose=0)


def test_compute_loss_of_predictions_made_elsewhere(faces, labels):
    model = joint(metric_loss=CenterLoss(3))
    with_features = model.compute_loss(faces, labels, model(faces), training=False)
    without = model.compute_loss(faces, labels, tf.identity(model(faces)), training=False)
    np.testing.assert_allclose(with_features, without, rtol=1e-6)


def test_preset_round_trip(faces, tmp_path):
    model = joint(metric_loss=IslandLoss(3), head=ArcFace(3))
    model.save_to_preset(tmp_path / "preset")
    loaded = JointSupervision.from_preset(tmp_path / "preset")
    assert loaded.label_names == NAMES
    assert_same_weights(model, loaded, rtol=0)
    np.testing.assert_array_equal(model.predict(faces, verbose=0), loaded.predict(faces, verbose=0))
    with pytest.raises(InputError, match="holds a JointSupervision, expected a AlexNetEmotion"):
        AlexNetEmotion.from_preset(tmp_path / "preset")


def test_faults_are_named():
    for options, message in [
        ({"label_names": ("a",)}, "two or more distinct names"),
        ({"label_names": ("a", "a", "b")}, "two or more distinct names"),
        ({"metric_loss": CenterLoss(4)}, "`metric_loss` is for 4 classes, but there are 3 `label_names`"),
        ({"head": keras.layers.Dense(5)}, "`head` returns 5 logits, but there are 3 `label_names`"),
        ({"head": ArcFace(2)}, "`head` returns 2 logits, but there are 3 `label_names`"),
    ]:
        with pytest.raises(ValueError, match=message):
            JointSupervision(**{"backbone": backbone(), "label_names": NAMES, **options})
    pictures = keras.Input((3, 3, 1))
    with pytest.raises(ValueError, match=r"Received a backbone that returns \(None, 3, 3, 2\)"):
        JointSupervision(keras.Model(pictures, keras.layers.Dense(2)(pictures)), NAMES)


def test_parts_of_the_wrong_kind_are_named():
    for options, message in [
        ({"metric_loss": FocalLoss()}, "`metric_loss` must be a fer_keras.layers.MetricLoss"),
        ({"metric_loss": IslandLoss}, "`metric_loss` must be a fer_keras.layers.MetricLoss"),
        ({"metric_loss": ArcFace(3)}, "`metric_loss` must be a fer_keras.layers.MetricLoss"),
        ({"head": CenterLoss(3)}, "`head` must be a layer from features to logits"),
        ({"head": ArcFace}, "`head` must be a layer from features to logits"),
        ({"metric_weight": -0.1}, "`metric_weight` must be a finite number and ≥ 0"),
        ({"metric_weight": float("nan")}, "`metric_weight` must be a finite number and ≥ 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            JointSupervision(backbone(), NAMES, **options)
    with pytest.raises(ValueError, match="two or more distinct names"):
        JointSupervision(backbone(), "abc")


@keras.saving.register_keras_serializable("tests_of_joint_supervision")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)

    def call(self, faces):
        return self.dense(keras.layers.Flatten()(faces))


def test_subclassed_backbone(faces, labels):
    with pytest.raises(ValueError, match=r"keras\.Model\(inputs, model\(inputs\)\)"):
        JointSupervision(Subclassed(), NAMES)
    inputs = keras.Input((3, 3, 1))
    model = JointSupervision(keras.Model(inputs, Subclassed()(inputs)), NAMES, metric_loss=CenterLoss(3))
    model.compile("sgd", CROSS_ENTROPY())
    history = model.fit(faces, labels, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_an_export_answers_a_plain_array(faces, tmp_path):
    model = joint(metric_loss=CenterLoss(3))
    model.export(str(tmp_path / "export"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    np.testing.assert_allclose(exported.serve(faces), model(faces), rtol=1e-5, atol=1e-6)


def test_an_export_of_named_inputs(faces, tmp_path):
    inputs = {"face": keras.Input((3, 3, 1), name="face"), "age": keras.Input((1,), name="age")}
    both = keras.layers.Concatenate()([keras.layers.Flatten()(inputs["face"]), inputs["age"]])
    model = JointSupervision(keras.Model(inputs, keras.layers.Dense(4)(both)), NAMES, metric_loss=CenterLoss(3))
    named = {"face": faces, "age": np.ones((12, 1), "float32")}
    model.export(str(tmp_path / "export"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    np.testing.assert_allclose(exported.serve(named), model(named), rtol=1e-5, atol=1e-6)


def test_clones_and_pickles(faces, labels):
    model = joint(metric_loss=IslandLoss(3, threshold=2.0), head=ArcFace(3, scale=8.0))
    clone = keras.models.clone_model(model)
    assert clone.metric_loss.threshold == 2.0
    assert clone.head.scale == 8.0
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone(faces), model(faces), rtol=1e-6)
    copy = pickle.loads(pickle.dumps(model))
    assert_same_weights(copy, model)
    copy.fit(faces, labels, verbose=0)
