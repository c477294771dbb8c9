"""A run from top to bottom: configuration, data, network, fit, evaluation, export, report."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

import keras_resnet
from keras_resnet.adaptation import freeze
from keras_resnet.analysis import count_multiply_adds, count_parameters
from keras_resnet.files import write_text
from training.averaging import shown_average
from training.callbacks import SaveRun, SeedLayers, StopAt
from training.checks import check_compiled, check_export, check_resumable, check_scales, check_start
from training.clock import EpochClock
from training.config import RunConfig, Start
from training.data import batches, datasets
from training.data.arrays import Arrays
from training.data.augmentation import streams
from training.data.augmentation.registry import mixes
from training.data.standardization import make_preprocessing
from training.data_record import check_data, check_steps, write_data
from training.distribution import MergeReplicas, choose_devices, make_distribution
from training.distribution.interface import Distribution
from training.divergence import CountSkippedSteps, StopAtDivergence
from training.evaluation.scores import check_views
from training.evaluation.testing import CheckCount, evaluate, metrics_for
from training.learner import learning, takes_logits
from training.networks import image_size, load_start, make_architecture, make_model
from training.optimization.averages import make_average
from training.optimization.losses import make_loss
from training.optimization.optimizers import make_optimizer, scaled_rate
from training.optimization.rules import layer_rates
from training.optimization.schedules import make_schedule
from training.plan import Phase, Plan
from training.processor import warn_of_emulation
from training.progress import Progress
from training.publishing import known_about
from training.report import write_report
from training.resizing import Size, check_sizes, spans, taking
from training.run_folder import RunFolder
from training.run_log import RunLog, log_examples
from training.selection import StopEarly, best_epoch, early_epochs, following, is_stalled
from training.session import prepare_session, restored
from training.tasks import ANY
from training.whitening import whiten_stem

if TYPE_CHECKING:
    from training.hosts.worker import Worker


@dataclass(frozen=True)
class Run:
    """What a run is made of, before its network."""

    config: RunConfig
    folder: RunFolder
    source: datasets.Source
    plan: Plan
    distribution: Distribution

    @property
    def replicas(self) -> int:
        """Devices that share each batch."""
        return self.distribution.replicas


def train(
    config: RunConfig,
    folder: RunFolder,
    resume: bool = False,
    overwrite: bool = False,
    export: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    arrays: Arrays | None = None,
    worker: Worker | None = None,
) -> dict[str, Any]:
    """Train a network and leave a run folder that explains itself.

    Seeds, dtype policy and determinism of the process are after it as they were before.

    Args:
        config: RunConfig.
        folder: RunFolder to make.
        resume: bool, whether to go on with an interrupted run in that folder.
        overwrite: bool, whether to replace a run in that folder.
        export: bool, whether to write a SavedModel too.
        callbacks: sequence of further Keras callbacks, called after the run's own.
        arrays: Arrays, the data of a configuration whose dataset is 'arrays'.
        worker: Worker of `training.hosts`, where this process is one of several hosts'.

    Returns:
        Dict of the test results, as of `training.evaluation.testing.evaluate`.

    Raises:
        ValueError: something in the configuration, the data or the folder does not work.
        OSError: a file cannot be written.
        KeyboardInterrupt: the user stopped the run; the folder holds everything up to the last epoch.
    """
    check_start(config)
    check_export(export)
    architecture = make_architecture(config.network, config.start, config.hardware.synchronized)
    if resume:
        check_resumable(folder, config)
    else:
        check_compiled(config)
        folder.check_free(overwrite)
    if export and resume and folder.savedmodel.exists():
        raise ValueError(f"{folder.savedmodel} exists; remove it or leave out --export.")
    with folder.held(), restored():
        distribution = make_distribution(config.hardware, config.batch_size, mixes(config.augmentation))
        with worker.opening() if worker else contextlib.nullcontext():
            source = datasets.open_source(config.data, arrays)
        make_loss(config.loss, task=source.task)  # refused before images are read
        if not resume:
            datasets.check_trained(source, config.data)
        run = Run(config, folder, source, Plan.of(source, config), distribution)
        if worker:
            worker.agree_on_data(source, config)
        datasets.check_images(source, source.train_split, source.watched.test_split, source.test_split)
        prepare_session(config)  # not before: preparing a data set draws from the generators that are seeded here
        with distribution.scope():
            model = resumed(run) if resume else begin(run, architecture, overwrite)
        print(summary(model, run))
        warn_of_emulation(config.hardware.dtype, choose_devices(config.hardware.devices))
        print(f"run folder {folder.path}", flush=True)
        with distribution.computing():
            fit(model, run, callbacks)
            return finish(model, run, export)


def begin(run: Run, architecture: keras_resnet.Architecture | None, overwrite: bool) -> keras.Model:
    """Make the network of a new run, a fresh one or one that somebody trained, and its folder."""
    model = new_network(run.config, architecture, run.source)
    prepare(model, run)
    run.folder.create(overwrite)
    write_text(run.folder.config_file, run.config.to_yaml())
    write_data(run.folder, run.source)
    model.preprocessing.save(run.folder.preprocessing_file)
    return model


def new_network(
    config: RunConfig, architecture: keras_resnet.Architecture | None, source: datasets.Source
) -> keras.Model:
    """Build the network that a run begins with, which carries its input contract."""
    loaded = load_start(config.network, config.start, architecture, config.hardware.synchronized)
    size, crop = image_size(architecture, loaded), config.evaluation.test_crop
    contract = loaded.preprocessing if loaded else None
    preprocessing = make_preprocessing(source, config.data, crop, size, contract)
    streams.check_images(config.augmentation, preprocessing.size, preprocessing.channels)
    classes, given = len(source.classes), {"name": config.network.name, "start": config.start, "loaded": loaded}
    model = make_model(architecture, preprocessing, classes, task=source.task, **given)
    model.labels = tuple(source.classes)
    check_sizes(model, config)
    check_views(model, config)
    check_scales(model, config)
    whiten_stem(model, config, source)
    return learning(model, config.hardware.accumulation, config.hardware.remat)


def resumed(run: Run) -> keras.Model:
    """Load the network of a run, and its optimizer, as the last complete epoch left them, to go on with its data."""
    check_data(run.folder, run.source)
    hardware = run.config.hardware
    model = learning(run.folder.load_model(), hardware.accumulation, hardware.remat)
    model.preprocessing = run.folder.read_preprocessing()
    prepare(model, run)
    run.folder.load_checkpoint(model)
    check_steps(run.folder, run.plan, steps_done(model))
    return model


def prepare(model: keras.Model, run: Run) -> None:
    """Give a network the optimizer of its run, with a state for all that will ever learn."""
    config, plan = run.config, run.plan
    freeze(model, config.start.freeze)
    schedule = make_schedule(config.schedule, plan.iterations, plan.head_steps)
    average = make_average(config.averaging, plan.iterations)
    rates = layer_rates(model, config.start.stage_decay)
    given = {"batch_size": config.batch_size, "average": average, "dtype": config.hardware.dtype}
    optimizer = make_optimizer(config.optimizer, schedule, rates, **given)
    compile_model(model, run, optimizer)
    model.optimizer.build(model.trainable_variables)


def compile_model(model: keras.Model, run: Run, optimizer: keras.optimizers.Optimizer) -> None:
    """Compile the network with an optimizer, which may have taken steps, and the run's loss and metrics."""
    model.compile(
        optimizer=optimizer,
        loss=make_loss(run.config.loss, takes_logits(), run.source.task),
        weighted_metrics=metrics_for(len(run.source.classes), run.source.task),
        # JAX compiles by XLA alone, and without it each operation by itself.
        jit_compile=run.config.hardware.jit_compile or keras.backend.backend() == "jax",
        steps_per_execution=run.config.hardware.steps_per_execution,
    )


def fit(model: keras.Model, run: Run, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
    """Train from where the optimizer stands to the end of the plan, phase by phase.

    Raises ValueError where a metric or a weight is no longer a number.
    """
    plan, done = run.plan, steps_done(model)
    # A run that was killed before its last checkpoint has a row more than epochs, of one that is made again.
    rows, patience = run.folder.read_metrics()[: done // plan.steps], run.config.evaluation.patience
    if is_stalled(rows, patience, early_epochs(run.config, plan)):
        return
    own = run.config.data.sizes, model.preprocessing.size
    parts = [part for phase in plan.phases for part in spans(*own, phase, plan.epochs)]
    if not done:
        first = model.preprocessing.for_images(parts[0][1], model.preprocessing.channels)
        log_examples(run.folder.tensorboard, run.source.watched, first, run.config)
    for phase, size in parts:
        if done >= min(phase.last * plan.steps, plan.iterations):
            continue
        with taking(model, size):
            fit_phase(model, run, phase._replace(first=max(phase.first, done // plan.steps)), size, callbacks)
        if model.stop_training:
            return


def fit_phase(model: keras.Model, run: Run, phase: Phase, size: Size, callbacks: Sequence[Any]) -> None:
    """Train for the epochs of a phase on images of a size, and save each of them."""
    config, source, preprocessing = run.config, run.source.watched, model.preprocessing
    share = run.distribution.share
    with run.distribution.scope():
        freeze(model, phase.frozen)
        compile_model(model, run, model.optimizer)
    training = batches.training_batches(
        source,
        preprocessing.for_images(size, preprocessing.channels),
        config.data,
        range(phase.first, phase.last),
        augmentation=config.augmentation,
        batch_size=config.batch_size,
        seed=config.seed,
        share=share,
    )
    test = batches.test_batches(source, source.test_split, preprocessing, config.batch_size, run.replicas, share=share)
    clock = EpochClock(config.batch_size, run.replicas)
    progress = Progress(run.plan, clock)
    with contextlib.closing(progress):
        model.fit(
            training,
            initial_epoch=phase.first,
            epochs=phase.last,
            steps_per_epoch=run.plan.steps,
            validation_data=test,
            validation_freq=1 if config.evaluation.each_epoch else [run.plan.epochs],
            callbacks=[*callbacks_of(model, run, clock), progress, *callbacks],
            shuffle=False,
            verbose=0,
        )


def callbacks_of(model: keras.Model, run: Run, clock: EpochClock) -> list[keras.callbacks.Callback]:
    """Make what a run does at each step and epoch, in this order."""
    config, source, folder = run.config, run.source.watched, run.folder
    patience = config.evaluation.patience
    parts = run.distribution.parts(config.hardware.synchronized)
    average = shown_average(config, run.source, model.preprocessing, run.plan.iterations, parts)
    return [
        clock,
        MergeReplicas(run.distribution),
        *([average] if average else []),
        CheckCount(source, run.replicas),
        StopAtDivergence(run.plan, folder, config.hardware.steps_per_execution),
        CountSkippedSteps(run.plan),
        SaveRun(folder, clock, config.evaluation.keep_best, average),
        *([StopEarly(folder, patience, early_epochs(config, run.plan))] if patience else []),
        *following(model.optimizer, folder, config, run.plan),
        StopAt(run.plan),
        SeedLayers(run.plan, config.seed, config.hardware.accumulation),
        RunLog(folder.tensorboard, clock),
    ]


def steps_done(model: keras.Model) -> int:
    """Count the steps that a compiled model's optimizer has taken, on one device or several."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def finish(model: keras.Model, run: Run, export: bool) -> dict[str, Any]:
    """Evaluate a network that has been trained, write the report and, where asked for, a SavedModel."""
    if run.config.averaging["name"] != "none":
        with run.distribution.scope():
            model = run.folder.load_model()  # the average; the other holds the weights of the last step
    results = evaluate(model, run.source, model.preprocessing, run.config)
    facts = {
        "network": network_name(model, run.config),
        "parameters": count_parameters(model),
        "multiply-adds": count_multiply_adds(model),
    }
    if rate := scaled_rate(run.config.optimizer, run.config.batch_size):
        facts["learning rate"] = rate
    if run.source.skipped:
        facts["images left out"] = f"{len(run.source.skipped):,}, see {run.folder.skipped_file.name}"
    if run.config.evaluation.keep_best:
        facts["best epoch"] = best_epoch(run.folder.read_metrics())
    write_report(run.folder, run.config, facts, results)
    if export:
        exported, epoch = run.folder.load_saved()
        about = known_about(run.folder, exported, epoch)
        keras_resnet.export(exported, run.folder.savedmodel, labels=run.source.classes, about=about)
    return results


def summary(model: keras.Model, run: Run) -> str:
    """Say in a line what is about to be trained."""
    height, width, channels = model.input_shape[1:]
    source, replicas = run.source, run.replicas
    rate = scaled_rate(run.config.optimizer, run.config.batch_size)
    return (
        f"{network_name(model, run.config)}: {count_parameters(model):,} parameters{_frozen(run.config.start)}; "
        f"{source.name}: {len(source.classes)} classes{_several(source)}, "
        f"{source.count(source.train_split):,} images to train on, {source.count(source.test_split):,} to test, "
        f"{height}x{width}x{channels}; {run.plan.iterations:,} steps of {run.config.batch_size} on {replicas} "
        f"device{'s' if replicas > 1 else ''}{f'; learning rate {rate}' if rate else ''}."
    )


def _several(source: datasets.Source) -> str:
    return " of which an image may have any number" if source.task is ANY else ""


def _frozen(start: Start) -> str:
    head = f", of which only the head learns for {start.head_epochs} epochs" if start.head_epochs else ""
    return head + (f", {' and '.join(start.freeze)} frozen" if start.freeze else "")


def network_name(model: keras.Model, config: RunConfig) -> str:
    """Name the network of a run as its configuration does, or as the weights that it started from."""
    return config.network.name or model.name


def default_folder(name: str) -> RunFolder:
    """Name a new run folder under `runs` by recipe and time."""
    path = Path("runs", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    later = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return RunFolder(next(place for place in itertools.chain([path], later) if not place.exists()))
