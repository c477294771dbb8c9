"""Cross-entropy with smoothed labels, which Keras lacks for integer labels."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("training")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy between integer labels and probabilities, or logits, with the labels smoothed.

    Source: arXiv 1512.00567, section 7.
    """

    def __init__(
        self, smoothing: float = 0.1, from_logits: bool = False, name: str = "smoothed_crossentropy", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.smoothing, self.from_logits = smoothing, from_logits

    def call(self, y_true, y_pred):
        """Return the loss of each example."""
        hot = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(hot, y_pred, self.from_logits, label_smoothing=self.smoothing)

    def get_config(self) -> dict:
        """Return the loss's configuration."""
        return {**super().get_config(), "smoothing": self.smoothing, "from_logits": self.from_logits}
