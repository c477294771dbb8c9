"""A run from top to bottom: configuration, data, network, fit, evaluation, export, report."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import keras_resnet
from keras_resnet.adaptation import freeze
from keras_resnet.analysis import count_multiply_adds, count_parameters
from keras_resnet.files import write_atomically
from keras_resnet.formats.savedmodel import export_savedmodel
from keras_resnet.labels import write_labels
from keras_resnet.preprocessing import Preprocessing
from training import batches, datasets
from training.callbacks import SaveRun, SeedLayers, StopAt
from training.config import RunConfig
from training.distribution import MergeReplicas, make_strategy
from training.evaluation import CheckCount, evaluate, metrics_for
from training.networks import image_size, make_architecture, make_model, start_of
from training.optimizers import layer_rates, make_loss, make_optimizer
from training.plan import Plan
from training.report import write_report
from training.run_folder import RunFolder


def train(
    config: RunConfig,
    folder: RunFolder,
    resume: bool = False,
    overwrite: bool = False,
    export: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train a network and leave a run folder that explains itself.

    Args:
        config: RunConfig.
        folder: RunFolder to make.
        resume: bool, whether to go on with an interrupted run in that folder.
        overwrite: bool, whether to replace a run in that folder.
        export: bool, whether to write a SavedModel too.
        callbacks: sequence of further Keras callbacks, called after the run's own.

    Returns:
        Dict of the test results, as of `evaluation.evaluate`.

    Raises:
        ValueError: something in the configuration, the data or the folder does not work.
        OSError: a file cannot be written.
        KeyboardInterrupt: the user stopped the run; the folder holds everything up to the last epoch.
    """
    architecture = make_architecture(config)
    if resume:
        check_resumable(folder, config)
    else:
        folder.check_free(overwrite)
    if export and resume and folder.savedmodel.exists():
        raise ValueError(f"{folder.savedmodel} exists; remove it or leave out --export.")
    with folder.held():
        return _train(config, architecture, folder, resume, overwrite, export, callbacks)


def _train(
    config: RunConfig,
    architecture: keras_resnet.Architecture | None,
    folder: RunFolder,
    resume: bool,
    overwrite: bool,
    export: bool,
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, Any]:
    """Train in a folder that this process holds."""
    strategy = make_strategy(config)
    source = datasets.open_source(config)
    plan = Plan.of(source, config)
    datasets.check_images(source, source.train_split, source.test_split)
    prepare_session(config)  # not before: preparing a data set draws from the generators that are seeded here
    with strategy.scope():
        model = folder.load_model() if resume else begin(config, architecture, source)
        preprocessing = folder.read_preprocessing() if resume else model.preprocessing
        prepare(model, config, source, plan)
        if resume:
            folder.load_checkpoint(model)
    if not resume:
        start_folder(folder, config, preprocessing, source, overwrite)
    print(summary(model, config, source, plan, strategy.num_replicas_in_sync))
    print(f"run folder {folder.path}", flush=True)
    fit(model, config, folder, source, preprocessing, plan, callbacks)
    results = evaluate(model, source, preprocessing, config)
    facts = {
        "network": name_of(model, config),
        "parameters": count_parameters(model),
        "multiply-adds": count_multiply_adds(model),
    }
    write_report(folder, config, facts, results)
    if export:
        export_savedmodel(folder.load_model(), folder.savedmodel, source.classes)
    return results


def prepare_session(config: RunConfig) -> None:
    """Set what belongs to the whole process: seeds, determinism, dtype policy.

    Args:
        config: RunConfig.
    """
    # Not zero: TensorFlow fails to combine a global seed of zero with a shuffle seed that is a tensor.
    keras.utils.set_random_seed(config.seed + 1)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(config.dtype)


def check_resumable(folder: RunFolder, config: RunConfig) -> None:
    """Refuse to go on with a run under another configuration.

    Args:
        folder: RunFolder.
        config: RunConfig of this call.

    Raises:
        ValueError: there is no such run, or it was made with other settings.
    """
    before = folder.read_config()
    free = {"devices", "data_dir", "download", "cache"}
    changed = [
        name for name in RunConfig.model_fields if name not in free and getattr(before, name) != getattr(config, name)
    ]
    if changed:
        differences = ", ".join(f"{name} was {getattr(before, name)!r}" for name in changed)
        raise ValueError(f"{folder.path} cannot be resumed with other settings: {differences}.")
    if not folder.checkpoint_file.is_file():
        raise ValueError(f"{folder.path} holds no checkpoint to resume from; start it anew with --overwrite.")


def start_folder(
    folder: RunFolder, config: RunConfig, preprocessing: Preprocessing, source: datasets.Source, overwrite: bool
) -> None:
    """Make the run folder and write what is known before training.

    Args:
        folder: RunFolder.
        config: RunConfig.
        preprocessing: Preprocessing.
        source: datasets.Source.
        overwrite: bool, whether to replace an earlier run.
    """
    folder.create(overwrite)
    write_atomically(folder.config_file, lambda part: part.write_text(config.to_yaml(), encoding="utf-8"))
    write_atomically(folder.labels_file, lambda part: write_labels(part, source.classes))
    preprocessing.save(folder.preprocessing_file)


def begin(config: RunConfig, architecture: keras_resnet.Architecture | None, source: datasets.Source) -> keras.Model:
    """Make the network of a new run: a fresh one, or one that somebody trained.

    Args:
        config: RunConfig.
        architecture: keras_resnet.Architecture, or None for that of the weights to start from.
        source: datasets.Source.

    Returns:
        keras.Model that carries its input contract.
    """
    start = start_of(config, architecture)
    contract = start.preprocessing if start else None
    preprocessing = batches.make_preprocessing(source, config, image_size(architecture, start), contract)
    return make_model(architecture, config, source, preprocessing, start)


def prepare(model: keras.Model, config: RunConfig, source: datasets.Source, plan: Plan) -> None:
    """Give a network the optimizer of its run, with a state for all that will ever learn.

    Args:
        model: keras.Model.
        config: RunConfig.
        source: datasets.Source.
        plan: Plan.
    """
    freeze(model, config.freeze)
    rates = layer_rates(model, config.stage_decay)
    optimizer = make_optimizer(config, plan.iterations, plan.head_steps, rates)
    compile_model(model, config, source, optimizer)
    model.optimizer.build(model.trainable_variables)


def compile_model(
    model: keras.Model, config: RunConfig, source: datasets.Source, optimizer: keras.optimizers.Optimizer
) -> None:
    """Compile the network with an optimizer and the run's loss and metrics.

    Args:
        model: keras.Model.
        config: RunConfig.
        source: datasets.Source.
        optimizer: keras.optimizers.Optimizer; it may have taken steps.
    """
    model.compile(
        optimizer=optimizer,
        loss=make_loss(config),
        weighted_metrics=metrics_for(len(source.classes)),
        jit_compile=config.jit_compile,
        steps_per_execution=config.steps_per_execution,
    )


def fit(
    model: keras.Model,
    config: RunConfig,
    folder: RunFolder,
    source: datasets.Source,
    preprocessing: Preprocessing,
    plan: Plan,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train from where the optimizer stands to the end of the plan, phase by phase.

    Args:
        model: keras.Model, compiled.
        config: RunConfig.
        folder: RunFolder, which is written after every epoch.
        source: datasets.Source.
        preprocessing: Preprocessing.
        plan: Plan.
        callbacks: sequence of further Keras callbacks.

    Raises:
        ValueError: a metric or a weight is no longer a number.
    """
    strategy = make_strategy(config)
    done = steps_done(model)
    for phase in plan.phases:
        if done >= min(phase.last * plan.steps, plan.iterations):
            continue
        with strategy.scope():
            freeze(model, phase.frozen)
            compile_model(model, config, source, model.optimizer)
        first, replicas = max(phase.first, done // plan.steps), strategy.num_replicas_in_sync
        model.fit(
            batches.training_batches(source, config, preprocessing, first, phase.last),
            initial_epoch=first,
            epochs=phase.last,
            steps_per_epoch=plan.steps,
            validation_data=batches.test_batches(source, source.test_split, preprocessing, config.batch_size, replicas),
            callbacks=[
                MergeReplicas(),
                CheckCount(source, replicas),
                SaveRun(folder),
                StopAt(plan),
                SeedLayers(plan, config.seed),
                keras.callbacks.TerminateOnNaN(),
                keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
                *callbacks,
            ],
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
        )
        if model.stop_training:
            return


def steps_done(model: keras.Model) -> int:
    """Count the steps that a model's optimizer has taken.

    Args:
        model: keras.Model, compiled, on one device or several.

    Returns:
        int.
    """
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def summary(model: keras.Model, config: RunConfig, source: datasets.Source, plan: Plan, replicas: int) -> str:
    """Say in a line what is about to be trained.

    Args:
        model: keras.Model.
        config: RunConfig.
        source: datasets.Source.
        plan: Plan.
        replicas: int.

    Returns:
        str.
    """
    height, width, channels = model.input_shape[1:]
    return (
        f"{name_of(model, config)}: {count_parameters(model):,} parameters{_frozen(config)}; "
        f"{source.name}: {len(source.classes)} classes, "
        f"{source.count(source.train_split):,} images to train on, {source.count(source.test_split):,} to test, "
        f"{height}x{width}x{channels}; {plan.iterations:,} steps of {config.batch_size} on {replicas} "
        f"device{'s' if replicas > 1 else ''}."
    )


def _frozen(config: RunConfig) -> str:
    head = f", of which only the head learns for {config.head_epochs} epochs" if config.head_epochs else ""
    return head + (f", {' and '.join(config.freeze)} frozen" if config.freeze else "")


def name_of(model: keras.Model, config: RunConfig) -> str:
    """Name the network of a run as its configuration does, or as the weights that it started from.

    Args:
        model: keras.Model.
        config: RunConfig.

    Returns:
        str.
    """
    return config.network or model.name


def default_folder(name: str) -> RunFolder:
    """Name a new run folder by recipe and time.

    Args:
        name: str, the recipe.

    Returns:
        RunFolder under `runs`.
    """
    path = Path("runs", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    later = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return RunFolder(next(place for place in itertools.chain([path], later) if not place.exists()))
