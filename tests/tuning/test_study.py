"""The description of a study."""

import pytest
import yaml

from training.config import RunConfig, load_recipe, make_config
from tuning.search import check_folder
from tuning.study import make_study, read_study


def test_study_survives_its_yaml(study, tmp_path):
    made = study({"activation": ["relu", {"name": "prelu", "slope": [0.1, 0.2]}]}, trials=7, repeats=2)
    (tmp_path / "study.yaml").write_text(made.to_yaml(), encoding="utf-8")
    assert read_study(tmp_path) == made
    written = yaml.safe_load(made.to_yaml())["fields"]
    assert written["optimizer"] == load_recipe("digits")["optimizer"]


def test_trials_share_a_validation_split_and_differ_in_seed(study):
    made = study(seed=3, validation=0.2)
    first, second = (made.config({"activation": "gelu"}, repeat) for repeat in (0, 1))
    assert (first.data.validation, first.data.validation_seed, first.network.activation) == (0.2, 3, "gelu")
    assert first.model_copy(update={"seed": second.seed}) == second != first
    assert made.config({}, epochs=1).epochs == 1


def test_finalists_train_on_everything(study):
    final = study().final_config({"activation": "gelu"})
    assert (final.data.validation, final.data.test_split, final.data.train_split) == (0, None, "train")


def test_validation_decides_even_where_a_test_split_is_named(study):
    made = study(fields={"test_split": "test[:50%]"})
    assert (made.config({}).data.test_split, made.final_config({}).data.test_split) == (None, "test[:50%]")


@pytest.mark.parametrize("recipe", ["he2015-imagenet", "cifar10-94"])  # with a validation split; tested at the end
def test_study_decides_the_split_and_the_tests_whatever_its_recipe_says(recipe):
    made = make_study({"recipe": recipe, "space": {"activation": ["relu"]}, "tuner": "grid"}, "x")
    assert (made.config({}).data.validation, made.final_config({}).data.validation) == (0.1, 0)
    assert made.config({}).evaluation.each_epoch and not made.final_config({}).evaluation.each_epoch


def test_option_of_the_same_name_builds_on_the_recipes_optimizer(study):
    made = study({"optimizer": [{"name": "sgd", "learning_rate": [0.2]}, "muon"]})
    recipe = make_config(load_recipe("digits")).optimizer
    assert made.config({"optimizer": {"name": "sgd", "learning_rate": 0.2}}).optimizer == {
        **recipe,
        "learning_rate": 0.2,
    }
    assert made.config({"optimizer": "muon"}).optimizer == RunConfig(epochs=1, optimizer="muon").optimizer


def test_searched_parameter_takes_the_place_of_the_recipes(study):
    made = study({"learning_rate": [0.2, 0.3]})
    assert "learning_rate" not in made.fields["optimizer"]
    assert made.config({"learning_rate": 0.2}).optimizer["learning_rate"] == 0.2


def test_fields_of_version_0_1_0_are_translated(study):
    made = study(fields={"momentum": 0.5, "flip": "random", "label_smoothing": 0.2})
    config = made.config({})
    assert (config.optimizer["momentum"], config.loss["label_smoothing"]) == (0.5, 0.2)
    assert config.augmentation == ({"name": "flip", "alternating": False},)


def test_iterations_take_the_place_of_the_recipes_epochs():
    made = make_study(
        {"recipe": "digits", "fields": {"iterations": 5}, "space": {"activation": ["relu"]}, "trials": 1}, "x"
    )
    assert (made.config({}).iterations, made.config({}).epochs) == (5, None)


BOTH = {"activation": ["relu"], "learning_rate": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trials": 3, "hours": float("inf")}, "hours: Input should be a finite number; received inf"),
        ({"tuner": "random"}, "a random search needs an end: give trials, total_epochs or hours"),
        ({"tuner": "greedy"}, "tuner: Input should be 'random', 'grid', 'bayesian', 'tpe' or 'hyperband'"),
        ({"trial": 3}, "test: Unknown setting of a study: 'trial'. Did you mean 'trials'"),
        ({"repeats": 0}, "repeats: Input should be greater than or equal to 1; received 0"),
        ({"validation": 1.0}, "validation: Input should be less than 1"),
        ({"fields": {"activation": "relu"}}, "activation cannot be both in fields and in space"),
        (
            {"fields": {"activation": {"name": "prelu", "slope": 0.1}, "learning_rate": 0.1}, "space": BOTH},
            "activation, learning_rate cannot be both in fields and in space",
        ),
        ({"space": {}}, "The search space is empty"),
        ({"fields": {"epochs": object()}}, "test: Unable to serialize .*; give plain numbers, texts, lists"),
        ({"fields": [{"epochs": 3}]}, "fields must be those of a run by name, as in {epochs: 30}; received "),
        ({"fields": {"validation": 0.3}}, "test: validation cannot be in fields: give validation as a setting of the"),
        ({"fields": {"seed": 5}}, "test: seed cannot be in fields: give seed as a setting of the study"),
        ({"fields": {"data": {"validation_seed": 5}}}, "data.validation_seed cannot be in fields: the seed of the"),
        (
            {"fields": {"evaluation.each_epoch": False, "momentum": 0.5}},
            "evaluation.each_epoch cannot be in fields: trials are tested after each epoch, and finalists once",
        ),
        (
            {"fields": {"network.choices": {"activation": "gelu"}}},
            "activation cannot be both among network.choices and",
        ),
        (
            {
                "fields": {"shortcut": {"name": "A", "zeros": "both"}},
                "space": {"network.choices": [{}, {"shortcut": "B"}]},
            },
            "shortcut cannot be both among network.choices and a field of its own",
        ),
        (
            {"space": {"network.choices": {"placement": "original", "l2": 0.1}, "network.placement": ["original"]}},
            "placement cannot be both among network.choices and a field of its own",
        ),
    ],
)
def test_what_is_no_study_is_refused_in_words(settings, sentence):
    usual = {"recipe": "digits", "fields": {}, "tuner": "grid", "space": {"activation": ["relu"]}}
    with pytest.raises(ValueError, match=sentence):
        make_study({**usual, **settings}, "test")


def test_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(ValueError, match="is no study: it has no study"):
        read_study(tmp_path)


@pytest.mark.parametrize("read", [read_study, lambda folder: check_folder(folder, None)])
def test_study_file_whose_fields_are_a_list_is_refused_in_words(tmp_path, read):
    (tmp_path / "study.yaml").write_text("{fields: [{epochs: 3}], space: {activation: [relu]}}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"fields must be those of a run by name, .* received \[{'epochs': 3}\]"):
        read(tmp_path)


def test_trials_are_tested_after_each_epoch_and_finalists_once(study):
    described = study()
    assert described.config({}).evaluation.each_epoch
    assert not described.final_config({}).evaluation.each_epoch


def test_finalists_choose_no_epoch_by_a_split_that_they_have_not(study):
    fixed = study(fields={"evaluation.keep_best": True, "evaluation.patience": 3})
    searched = study({"evaluation.patience": [3, 5]})
    for made, point in ((fixed, {}), (searched, {"evaluation.patience": 3})):
        final = made.final_config(point)
        assert made.config(point).evaluation.patience == 3
        assert (final.evaluation.keep_best, final.evaluation.patience) == (False, None)


def test_epochs_that_a_finalist_makes_take_the_place_of_iterations_that_are_searched():
    made = make_study({"recipe": "digits", "space": {"iterations": [100, 200]}, "tuner": "grid"}, "x")
    config = made.final_config({"iterations": 100}, epochs=3)
    assert (config.epochs, config.iterations) == (3, None)
