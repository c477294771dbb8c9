"""The test of a network on a data set, in the views that its configuration chooses."""

from __future__ import annotations

from typing import Any

import keras

from keras_resnet.preprocessing import Preprocessing
from training.config import RunConfig
from training.data import datasets
from training.data.batches import blanks, test_batches
from training.distribution import distribution_of
from training.evaluation.figures import summarize
from training.evaluation.scores import check_count, naming_broken_images, score
from training.learner import learning, takes_logits
from training.metrics import Accuracy, MeanAveragePrecision, Precision, Recall, TopAccuracy
from training.tasks import ANY, ONE, Task

TOP_5_FROM = 100  # classes from which on the top-5 accuracy is told beside the accuracy


def metrics_for(classes: int, task: Task = ONE) -> list[keras.metrics.Metric]:
    """Choose the metrics of a classification."""
    if task is ANY:
        return [MeanAveragePrecision(classes), Precision(name="precision"), Recall(name="recall")]
    metrics = [Accuracy(name="accuracy")]
    if classes >= TOP_5_FROM:
        metrics.append(TopAccuracy(5, name="top_5_accuracy"))
    return metrics


class CheckCount(keras.callbacks.Callback):
    """Ends a run or an evaluation in which not every image of the test split was counted."""

    def __init__(self, source: datasets.Source, replicas: int):
        super().__init__()
        self.source, self.replicas = source, replicas

    def on_test_end(self, logs=None) -> None:
        """Compare the number of examples behind the loss with the size of the split."""
        (loss,) = (metric for metric in self.model.metrics if metric.name == "loss")
        count = self.source.count(self.source.test_split)
        counted = int(keras.ops.convert_to_numpy(loss.count)) - blanks(count, self.replicas)
        check_count(counted, self.source)


def evaluate(
    model: keras.Model,
    source: datasets.Source,
    preprocessing: Preprocessing,
    config: RunConfig,
    progress: bool = False,
) -> dict[str, Any]:
    """Evaluate a network on the test split, every image once, in the views of its configuration.

    Args:
        model: keras.Model that ends in probabilities.
        source: Source.
        preprocessing: Preprocessing, the network's input contract.
        config: RunConfig, of which views, batch size and devices are read.
        progress: bool, whether to show how far it is.

    Returns:
        Dict of the results: split, examples, views where they are not single, loss (cross-entropy, that is the mean
        negative log-likelihood), accuracy, and top_5_accuracy where there are a hundred classes or more. Where images
        may have any number of classes: loss (binary cross-entropy), mean_average_precision, and precision, recall and
        f1 of the classes of a probability over 1/2.

    Raises:
        ValueError: an image cannot be read, the data are incomplete, or the network cannot take the views.
    """
    about = {"split": source.test_split, "examples": source.count(source.test_split)}
    views = config.evaluation.views["name"]
    # Of any number of classes, what is measured after each epoch is of scores in levels, and here of the scores.
    if views == "single" and source.task is ONE:
        return {**about, **_as_validated(model, source, preprocessing, config, progress)}
    scores = score(model, source, preprocessing, config, progress)
    shown = {} if views == "single" else {"views": views}
    return {**about, **shown, **summarize(scores, top_5_from=TOP_5_FROM)}


def _as_validated(
    model: keras.Model, source: datasets.Source, preprocessing: Preprocessing, config: RunConfig, progress: bool
) -> dict[str, float]:
    """Evaluate a network in a single view as it is done after each epoch, with the same bits."""
    distribution = distribution_of(config.hardware)
    replicas = distribution.replicas
    share = distribution.share
    data = test_batches(source, source.test_split, preprocessing, config.batch_size, replicas, share=share)
    with distribution.scope():
        model = learning(model)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=takes_logits())
        model.compile(loss=loss, weighted_metrics=metrics_for(len(source.classes)))
    checks = [CheckCount(source, replicas)]
    with naming_broken_images(source, source.test_split), distribution.computing():
        results = model.evaluate(data, verbose=int(progress), return_dict=True, callbacks=checks)
    return {name: float(value) for name, value in results.items()}
