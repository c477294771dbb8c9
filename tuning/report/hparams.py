"""What TensorBoard's HParams page shows of a study."""

from __future__ import annotations

from tuning.results import StudyResults


def write_hparams(results: StudyResults) -> None:
    """Write every trial that has a score, and was not written before, for TensorBoard's HParams page."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    for trial in results.ranked():
        place = results.folder / "tensorboard" / trial.id
        if not place.exists():
            with tf.summary.create_file_writer(str(place)).as_default():
                api.hparams(trial.values, trial_id=trial.id)
                tf.summary.scalar(results.study.objective, trial.score, step=0)
