"""Whatever goes wrong on the command line ends in one sentence."""

import shutil

import pytest
import tensorflow as tf

import keras_resnet
from tests.keras_resnet.helpers import run_python
from tests.training.helpers import instead, unread, write_image, write_yaml
from training import command_line, run
from training.__main__ import main
from training.run_folder import RunFolder


def test_unknown_network_is_told_the_form_of_the_depth(refused, training):
    sentence = refused(*instead(training, "--network", "ResNet21"))
    assert "6n+2 layers; received 21. The nearest are 20 and 26." in sentence


def test_misspelt_recipe_suggests_the_nearest(refused):
    assert refused("--recipe", "cifr10").startswith("Unknown recipe 'cifr10'. Did you mean 'cifar10'?")


def test_misspelt_field_in_a_yaml_suggests_the_nearest(refused, tmp_path):
    path = write_yaml(tmp_path / "my.yaml", epoch=3)
    assert refused("--config", path).startswith(f"{path}: Unknown field 'epoch'. Did you mean 'epochs'?")


def test_yaml_that_is_not_yaml_is_named(refused, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("epochs: [1\nseed: 2", encoding="utf-8")
    assert refused("--config", path).startswith(f"'{path}' is not valid YAML: ")


def test_missing_yaml_is_named(refused, tmp_path):
    path = tmp_path / "none.yaml"
    assert refused("--config", path) == f"Cannot read the configuration '{path}': No such file or directory."


def test_yaml_that_is_not_text_is_named(refused, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert str(path) in refused("--config", path)


def test_both_lengths_are_refused(refused, training):
    assert refused(*training, "--iterations", 3).startswith("give either epochs or iterations; received epochs=1 and")


def test_xla_in_a_run_that_repeats_bit_for_bit_is_refused(refused, training):
    sentence = refused(*training, "--hardware.jit-compile")
    assert sentence.startswith("jit_compile=True compiles nothing in a run that repeats bit for bit")
    assert sentence.endswith("pass --no-deterministic too.")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--augmentation", "[{name: pad_crop", "augmentation='[{name: pad_crop' is not a mapping or a list, such as"),
        ("--shortcut", "{name: A", "shortcut='{name: A' is not a mapping or a list, such as '{name: A, zeros: both}'."),
        ("--choices", "{l2: 1", "choices='{l2: 1' is not a mapping or a list, such as"),
        ("--augmentation", "flip", "augmentation: give a list, as in [{name: pad_crop, pixels: 4}, flip]; received "),
        ("--optimizer", "[sgd]", "optimizer: Unknown optimizer ['sgd']."),
    ],
)
def test_choice_that_cannot_be_read_is_named(refused, option, value, sentence):
    assert refused(option, value).startswith(sentence)


def test_impossible_value_is_named(refused, training):
    sentence = refused(*instead(training, "--batch-size", 0))
    assert sentence == "batch_size: Input should be greater than or equal to 1; received 0."


def test_existing_run_folder_is_refused(refused, training, trained):
    before = trained.folder.config_file.read_bytes()
    sentence = refused(*instead(training, "--run-dir", trained.folder.path))
    assert sentence.startswith(f"{trained.folder.path} exists. Pass --resume to go on with it, --overwrite")
    assert trained.folder.config_file.read_bytes() == before


def test_class_folder_without_an_image_is_named(refused, training, image_dir):
    (image_dir / "train" / "horse").mkdir()
    sentence = refused(*instead(training, "--data-dir", image_dir), "--recipe", "image-folder")
    assert sentence.startswith(f"The class folder {image_dir / 'train' / 'horse'} holds no image")


@pytest.fixture
def damaged(image_dir):
    path = image_dir / "train" / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:100])
    return path


def on_images(training: list, image_dir) -> list:
    arguments = instead(instead(training, "--data-dir", image_dir), "--batch-size", 2)
    return [*arguments, "--recipe", "image-folder", "--image-size", 8]


def test_damaged_training_image_is_named(refused, training, image_dir, damaged):
    sentence = refused(*on_images(training, image_dir))
    assert sentence == unread(damaged, 9)


def test_damaged_image_is_named_when_the_moments_are_taken(refused, training, image_dir, damaged):
    sentence = refused(*on_images(training, image_dir), "--data.standardize", "channel")
    assert sentence == unread(damaged, 9)


def test_damaged_validation_image_is_named_before_training(refused, training, image_dir, tmp_path):
    damaged = image_dir / "val" / "cat" / "0.jpg"
    damaged.write_bytes(damaged.read_bytes()[:100])
    sentence = refused(*on_images(training, image_dir))
    assert sentence == unread(damaged, 9)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("share", "lost"),
    [(0.84, "the class cat"), (0.99, "the classes cat, dog")],  # of three cats and ten dogs
)
def test_validation_that_leaves_no_training_image_of_a_class_is_refused(
    refused, training, image_dir, tmp_path, share, lost
):
    for number in range(3, 10):
        write_image(image_dir / "train" / "dog" / f"{number}.png", (9, 9), seed=number)
    assert refused(*on_images(training, image_dir), "--validation", share) == (
        f"validation={share} takes every training image of {lost} to test on, and leaves none to learn from; give a "
        "smaller share."
    )
    assert not (tmp_path / "run").exists()


def test_border_as_wide_as_the_image_is_refused(refused, training):
    sentence = refused(*training, "--augmentation", "[{name: pad_crop, pixels: 4000}]")
    assert sentence == "pad_crop: pixels=4000 needs images of more than 4000 pixels; these are 8x8."


FORMER = "is an option of version 0.1.0; write"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pad-crop", 4], f"--pad-crop {FORMER} --augmentation '[{{name: pad_crop, pixels: 4}}]' instead."),
        (["--flip=random"], f"--flip {FORMER} --augmentation '[flip]' instead."),
        (["--label-smoothing", 0.1], f"--label-smoothing {FORMER} --loss.label-smoothing 0.1 instead."),
        (["--milestones", 10, 20, "--seed", 3], f"--milestones {FORMER} --schedule.milestones 10 20 instead."),
        (["--choices", "{unit: basic}"], f"--choices {FORMER} --network.choices '{{unit: basic}}' instead."),
        (["--no-cache"], f"--no-cache {FORMER} --data.no-cache instead."),
        (["--nesterov"], f"--nesterov {FORMER} --optimizer.nesterov instead."),
        (["--optimiser", "sgd"], "Unknown option '--optimiser'. Did you mean '--optimizer'? --help lists all."),
        (["--data.cach"], "Unknown option '--data.cach'. Did you mean '--data.cache'? --help lists all."),
        (["--rec", "digits"], "Unknown option '--rec'. Did you mean '--recipe'? --help lists all."),
    ],
)
def test_unknown_option_names_the_new_one_or_the_nearest(refused, arguments, sentence):
    assert refused(*arguments).startswith(sentence)


def test_parameter_of_another_choice_is_refused(refused):
    sentence = refused("--optimizer.kernel-rate", 0.1)
    assert sentence.startswith("optimizer: Unknown parameter of optimizer 'sgd': 'kernel_rate'. ")


def test_images_beyond_memory_are_refused(refused, training):
    sentence = refused(*training, "--image-size", 100_000)
    assert sentence == "image_size: Input should be less than or equal to 4096; received 100000."


def test_weights_of_another_network_are_refused(refused, training, tmp_path):
    path = tmp_path / "other.weights.h5"
    keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1), classes=7).save_weights(path)
    sentence = refused(*training, "--weights", path)
    assert sentence.startswith(f"weights='{path}' does not hold the weights of 'resnet8': ")


def test_scales_that_are_fixed_at_zero_are_refused(refused, training):
    muon = ("--optimizer", "{name: muon, scale_share: 0}")
    sentence = refused(*training, *muon, "--network.choices", "{zero_init_residual: true}")
    assert sentence.startswith("optimizer.scale_share=0 fixes scales, and those of conv2_block1_2_bn are zeros")
    assert "Leave out zero_init_residual=True;" in sentence


def test_fine_tuning_needs_something_to_start_from(refused, training, tmp_path):
    assert refused("--recipe", "fine-tune", "--run-dir", tmp_path / "run").startswith("new_head=True needs weights")


def test_missing_weights_are_named(refused, training, tmp_path):
    path = tmp_path / "none.weights.h5"
    assert refused(*training, "--weights", path).startswith(
        f"weights='{path}' is neither a file nor a run folder with a network."
    )


def test_impossible_image_size_is_refused(refused, training):
    sentence = refused(*training, "--image-size", 2)
    assert sentence.startswith("input_shape=(2, 2, 1) is too small") and "at least 4 pixels" in sentence


def test_resuming_a_folder_that_is_none_is_refused(refused, tmp_path):
    path = tmp_path / "none"
    assert f"'{path / 'config.yaml'}': No such file" in refused("--resume", "--run-dir", path)


@pytest.mark.parametrize("command", ["evaluate", "export", "predict"])
def test_commands_refuse_what_is_no_run_folder(refused, tmp_path, command):
    more = [tmp_path / "image.png"] if command == "predict" else []
    assert refused(command, tmp_path, *more).startswith(f"{tmp_path} is no run folder: it has no config.yaml.")


def test_evaluation_refuses_an_impossible_batch(refused, trained):
    sentence = refused("evaluate", trained.folder.path, "--batch-size", 0)
    assert sentence.endswith("batch_size: Input should be greater than or equal to 1; received 0.")


def test_prediction_without_a_contract_is_refused(refused, trained, digit, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for name in ("config.yaml", "model.keras", "labels.txt"):
        shutil.copy(trained.folder.path / name, folder.path)
    assert "preprocessing.json" in refused("predict", folder.path, digit)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--recipe", "digits", "--recipe", "cifar10"], "--recipe is given 2 times; give it once."),
        (["--recipe=digits", "--recipe", "cifar10"], "--recipe is given 2 times; give it once."),
        (["--run_dir", "a", "--run-dir=b", "--run-dir", "c"], "--run-dir is given 3 times; give it once."),
        (["--data.cache", "--data.no-cache"], "--data.cache is given 2 times; give it once."),
        (["--epochs=5", "--epochs", "6"], "--epochs is given 2 times; give it once."),
        (["evaluate", "run", "--json", "--json"], "--json is given 2 times; give it once."),
        (["--network", ""], "--network is given with nothing in it; give a value, or leave it out."),
        (["--network="], "--network is given with nothing in it; give a value, or leave it out."),
        (["--recipe", " "], "--recipe is given with nothing in it; give a value, or leave it out."),
        (["--data-dir", "", "--epochs", 3], "--data-dir is given with nothing in it; give a value, or leave it out."),
    ],
)
def test_option_that_would_be_lost_is_refused(refused, arguments, sentence):
    assert refused(*arguments) == sentence


def test_white_space_may_part_labels(refused, training):
    sentence = refused(*training, "--data.label-separator", " ")
    assert sentence == "label_separator is for the labels in a CSV file; the dataset is 'digits'."
    assert refused(*training, "--data.label-separator=").startswith("--data.label-separator is given with nothing in")


@pytest.mark.parametrize(
    ("written", "short"), [("--optimizer.learning_rate", "--learning-rate"), ("--network.name=ResNet8", "--network")]
)
def test_option_by_the_path_of_its_field_is_told_its_short_name(refused, written, short):
    flag = written.partition("=")[0].replace("_", "-")
    assert refused(written) == f"{flag} has a short name; write {short} instead."


def test_configuration_that_is_a_folder_is_named(refused, tmp_path):
    assert refused("--config", tmp_path) == f"Cannot read the configuration '{tmp_path}': Is a directory."


@pytest.mark.parametrize("value", ["inf", "nan"])
@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--learning-rate", "optimizer: learning_rate must be a number above 0, and finite; received "),
        ("--optimizer.weight-decay", "optimizer: weight_decay must be a number from 0, and finite; received "),
        ("--schedule.warmup", "schedule: warmup must be a number from 0, and finite; received "),
        ("--start.stage-decay", "start.stage_decay: Input should be "),
    ],
)
def test_number_that_is_none_is_refused(refused, training, option, value, sentence):
    assert refused(*training, option, value).startswith(sentence)


def message_of(error: Exception, refused, training, monkeypatch) -> str:
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(run, "train", fail)
    return refused(*training)


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")])
def test_lack_of_memory_is_told_with_what_to_do(refused, training, monkeypatch, error):
    sentence = message_of(error, refused, training, monkeypatch)
    assert sentence.startswith("Out of memory. Lower --batch-size or --image-size, or leave out --data.cache; ")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            "/runs/events.v2; No space left on device",
            "/runs/events.v2; No space left on device. Make room on that disk",
        ),
        ("/runs/events.v2; Disk quota exceeded", "/runs/events.v2; Disk quota exceeded. Make room within your quota"),
        (
            "/data/a.png; Too many open files",
            "/data/a.png; Too many open files. Let processes open more files, as by `u",
        ),
        (
            "/data/a.png; Too many open files in system",
            "/data/a.png; Too many open files in system. End other programs",
        ),
    ],
)
def test_full_disk_and_too_many_files_are_not_taken_for_a_lack_of_memory(
    refused, training, monkeypatch, message, sentence
):
    told = f"{{{{function_node __wrapped__Flush_device_/CPU:0}}}} {message} [Op:Flush] name: "
    error = tf.errors.ResourceExhaustedError(None, None, told)
    assert message_of(error, refused, training, monkeypatch).startswith(sentence)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded"),
        (tf.errors.InternalError(None, None, "first\n\t [[{{node x}}]]"), "InternalError: first"),
        (AssertionError(), "AssertionError: no details"),
    ],
)
def test_error_that_nobody_foresaw_is_one_line(refused, training, monkeypatch, error, sentence):
    expected = f"{sentence}. This is unexpected; KERAS_RESNET_DEBUG=1 shows where it happened."
    assert message_of(error, refused, training, monkeypatch) == expected


@pytest.mark.parametrize("error", [ValueError("one\n  two"), OSError("one two"), ImportError("one two")])
def test_any_expected_failure_is_one_line(refused, training, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(run, "train", fail)
    assert refused(*training).startswith("one two")


def test_traceback_is_shown_to_those_who_ask(training, monkeypatch):
    monkeypatch.setenv("KERAS_RESNET_DEBUG", "1")
    with pytest.raises(ValueError, match=r"6n\+2"):
        main([str(part) for part in instead(training, "--network", "ResNet21")])


@pytest.mark.slow
def test_bad_input_ends_a_process_with_status_1_and_no_traceback(tmp_path):
    process = run_python("-m", "training", "--network", "ResNet21", "--run-dir", tmp_path / "run", check=False)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("error: Unknown network 'ResNet21'")
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("began", [False, True])
def test_ctrl_c_ends_with_status_130_and_says_how_to_go_on(training, tmp_path, monkeypatch, capsys, began):
    def press(_, folder, *others, **named):
        folder.path.mkdir()
        if began:
            folder.model_file.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train", press)
    assert main([str(part) for part in training]) == 130
    captured = capsys.readouterr()
    hint = f"Go on with: python -m training --run-dir {tmp_path / 'run'} --resume"
    assert (hint in captured.out) == began
    assert "Traceback" not in captured.out + captured.err


def test_broken_pipe_that_is_not_the_output_is_told(refused, training, monkeypatch):
    monkeypatch.setattr(command_line, "output_is_closed", lambda: False)
    assert message_of(BrokenPipeError(32, "Broken pipe"), refused, training, monkeypatch) == "[Errno 32] Broken pipe"
