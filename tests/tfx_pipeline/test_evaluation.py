import pytest

pytestmark = pytest.mark.tfx


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ((0.5, 0.5), ""),
        ((0.25, 0.5), "accuracy 0.250 < threshold 0.500"),
        ((0.6, 0.5, 0.6), ""),
        ((0.6, 0.5, 0.7), "accuracy 0.600 < 0.700 of the model that is served"),
        ((0.6, 0.5, 0.7, 0.1), ""),
        ((0.6, 0.5, 0.75, 0.1), "accuracy 0.600 < 0.750 - 0.100 of the model that is served"),
        ((0.6, 0.5, 0.7, 0.0, "which learnt"), "accuracy 0.600 < 0.700 of the model that is served, which learnt"),
    ],
)
def test_why_a_model_is_refused(figures, reason):
    from tfx_pipeline.evaluation import refusal

    assert refusal(*figures) == reason


def test_thresholds_hold_for_all_records_together_alone():
    from tfx_pipeline.evaluation import eval_config

    config = eval_config(0.5, 0.1, ("label", "corpus"), classes=3)
    (accuracy, *_) = config.metrics_specs[0].metrics
    (of_slices,) = accuracy.per_slice_thresholds
    assert [list(spec.feature_keys) for spec in of_slices.slicing_specs] == [[]]
    assert of_slices.threshold.value_threshold.lower_bound.value == 0.5
    assert of_slices.threshold.change_threshold.absolute.value == pytest.approx(-0.1)
    assert [spec.is_baseline for spec in config.model_specs] == [False, True]
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["label"], ["corpus"]]
    assert list(config.metrics_specs[1].binarize.class_ids.values) == [0, 1, 2]


def test_a_fold_of_a_cross_validation_has_no_threshold():
    from tfx_pipeline.evaluation import eval_config

    config = eval_config()
    assert not config.metrics_specs[0].metrics[0].per_slice_thresholds
    assert len(config.model_specs) == 1
