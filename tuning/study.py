"""The description of a study: what is searched, how, for how long, and what every trial has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pydantic
import pydantic_core
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from keras_resnet.messages import unknown
from training.config import RunConfig, explain, former, load_recipe, make_config
from training.config.fields import choice_of, flatten, lay_over, name_of, nest
from training.config.files import is_former, read_mapping
from training.config.groups import NAMED, REGISTRIES
from tuning.claims import ENSEMBLE, TESTED, Claim, Ensemble, Published, absent, has
from tuning.space.dimensions import Space, label_of
from tuning.space.reading import DECIDED, parse_space, read_space, searched_paths

OBJECTIVES = {"accuracy": 1, "loss": -1}  # with the sign with which more of it is better
STUDY_FILE = "study.yaml"
CHOICES_FIELD = "network.choices"
# Of a run without a validation split: what would choose one of its epochs by that.
UNCHOSEN = {"evaluation.each_epoch": False, "evaluation.keep_best": False, "evaluation.patience": None}


class Settings(BaseModel):
    """How a study searches; its options on the command line."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    tuner: Literal["random", "grid", "bayesian", "tpe", "hyperband"] = Field(
        "random", description="how trials are proposed; tpe is Optuna's"
    )
    objective: Literal["accuracy", "loss"] = Field("accuracy", description="what decides, on the validation split")
    trials: int | None = Field(None, ge=1, description="trials at most")
    total_epochs: int | None = Field(None, ge=1, description="epochs of all trials together, after which none begins")
    hours: float | None = Field(None, gt=0, description="hours of the search, after which no trial begins")
    repeats: int = Field(1, ge=1, description="runs of each trial, with seeds of their own")
    finalists: int = Field(3, ge=0, description="best trials that are trained on the whole training set and tested")
    stop: Literal["none", "median"] = Field(
        "none", description="end a trial early where it is worse than the median of those before at the same epoch"
    )
    grace: int = Field(5, ge=1, description="epochs before which no trial is ended early")


class Study(Settings):
    """Everything that decides a study; `study.yaml` of a study folder holds one, complete."""

    validation: float = Field(
        0.1, ge=0, lt=1, description="share of the training set that decides, drawn by class; 0 where nothing is chosen"
    )
    seed: int = Field(0, ge=0, description="decides the proposals, the validation split and the seeds of the runs")
    fields: dict[str, Any] = Field(description="fields of RunConfig that all trials have in common")
    space: dict[str, Any] = Field(description="what is searched, by field; see tuning.space.reading")
    title: str = Field("", description="what the page is called")
    about: str = Field("", description="what the study is for, before all figures")
    claims: tuple[Claim, ...] = Field((), description="what the runs are to show; see tuning.claims")
    published: tuple[Published, ...] = Field((), description="errors that stand beside those of the study")
    ensembles: tuple[Ensemble, ...] = Field((), description="points whose networks are tested together too")

    @model_validator(mode="after")
    def _check(self) -> Study:
        if self.trials is None and self.total_epochs is None and self.hours is None and self.tuner != "grid":
            raise ValueError(f"a {self.tuner} search needs an end: give trials, total_epochs or hours")
        if not self.validation:
            self._check_unchosen()
        self._check_ensembles()
        self._check_statements()
        flat, searched = flatten(self.fields), searched_paths(self.space)
        both = flat.keys() - without_searched(flat, self.space)
        overlap = sorted({name_of(path if path in searched else choice_of(path) or path) for path in both})
        if overlap:
            raise ValueError(f"{', '.join(overlap)} cannot be both in fields and in space")
        self._check_choices([*searched, *(path for path, value in flat.items() if value is not None)])
        return self

    def _check_choices(self, given: Sequence[str]) -> None:
        """Refuse a field of the network, given by its path, that stands among the choices of the network too."""
        searched = self.space.get(CHOICES_FIELD, [])
        options = [flatten(self.fields).get(CHOICES_FIELD), *(searched if isinstance(searched, list) else [searched])]
        among = {name for option in options if isinstance(option, Mapping) for name in option}
        paths = {choice_of(path) or path for path in given}
        if twice := [name for name in NAMED if name in among and f"network.{name}" in paths]:
            raise ValueError(f"{', '.join(twice)} cannot be both among {CHOICES_FIELD} and a field of its own")

    def _check_unchosen(self) -> None:
        """Refuse what would choose by the test set, on which all runs are tested where there is no validation split."""
        plain = {"tuner": "grid", "finalists": 0, "stop": "none"}
        if wrong := [f"{name}: {value}" for name, value in plain.items() if getattr(self, name) != value]:
            raise ValueError(
                "without a validation split the test set is all there is, which chooses nothing: set "
                f"{', '.join(wrong)}; or give validation, as 0.1"
            )

    def _check_ensembles(self) -> None:
        """Refuse ensembles of which one would be chosen, and a claim about one that is not there or not trained."""
        if self.ensembles and self.validation:
            raise ValueError("ensembles are tested on the test set, which chooses nothing; set validation: 0 for them")
        names = {ensemble.name for ensemble in self.ensembles}
        for claim in self.claims:
            for name in claim.ensembles - names:
                raise ValueError(unknown("ensemble", name, sorted(names) or ["(none)"]))
            if claim.ensembles and (claim.measure not in TESTED or claim.at != 1):
                raise ValueError(
                    f"an ensemble is tested after the last epoch; the claim {claim.claim!r} needs one of the measures "
                    f"{', '.join(TESTED)}, and no at; received {claim.measure}, at {claim.at:g}"
                )

    def _check_statements(self) -> None:
        """Refuse what is stated of points that are not in the space, or of the test set where it is not looked at."""
        if self.validation and (self.claims or self.published):
            raise ValueError(
                "claims, and errors that are published, are of the test set, which chooses nothing: set validation: 0 "
                "for them, or leave them out"
            )
        statements = {
            **{f"ensemble {ensemble.name!r}": ensemble for ensemble in self.ensembles},
            **{f"the claim {claim.claim!r}": claim for claim in self.claims},
            **{f"the published error {row.error}, of {label_of(row.where)}": row for row in self.published},
        }
        points = self.spoken_of if statements else []
        for name, statement in statements.items():
            if (where := absent(statement, points)) is not None:
                raise ValueError(f"{name}: no point of the space has {label_of(where)}")
        for ensemble in self.ensembles:
            if sum(any(has(point, where) for where in ensemble.of) for point in points) < 2:
                raise ValueError(f"ensemble {ensemble.name!r} is of a single point; name several")

    @property
    def spoken_of(self) -> list[dict[str, Any]]:
        """The points of the grid, and the ensembles, which claims may be about."""
        points = [self.parsed_space.active(point) for point in self.parsed_space.points()]
        return [*points, *({ENSEMBLE: ensemble.name} for ensemble in self.ensembles)]

    @cached_property
    def parsed_space(self) -> Space:
        """The space, read."""
        return parse_space(self.space)

    @property
    def sign(self) -> int:
        """The sign with which more of the objective is better."""
        return OBJECTIVES[self.objective]

    def config(self, fields: Mapping[str, Any], repeat: int = 0, epochs: int | None = None) -> RunConfig:
        """Describe a run of a point on the training set without its validation split, where there is one.

        `fields` are as of `Space.fields`; `epochs` take the place of the length that the study gives. A ValueError says
        which field or value is not allowed.
        """
        split = {"validation": self.validation, "data.validation_seed": self.seed, "test_split": None}
        own = {"evaluation.each_epoch": True, **(split if self.validation else {})}
        return self._config({**fields, **own}, repeat, epochs)

    def final_config(self, fields: Mapping[str, Any], repeat: int = 0, epochs: int | None = None) -> RunConfig:
        """Describe a run of a point, as `config` does, on the whole training set, to be tested once on the test set."""
        return self._config({**fields, **UNCHOSEN}, repeat, epochs)

    def _config(self, fields: Mapping[str, Any], repeat: int, epochs: int | None) -> RunConfig:
        length = {"iterations": None, "epochs": epochs} if epochs else {}
        own = {"seed": self.seed * 1000 + repeat}
        return make_config({**fields, **length, **own}, "the space", self.fields)

    def problem(self, fields: Mapping[str, Any]) -> str | None:
        """Say why a point of the space describes no network; None where it describes one."""
        from training.networks import make_architecture  # imports Keras, which would slow down --help

        try:
            config = self.config(fields)
            make_architecture(config.network, config.start, config.hardware.synchronized)
        except ValueError as error:
            return str(error)
        return None

    def to_yaml(self) -> str:
        """Write the study as YAML."""
        return yaml.safe_dump({"fields": {}, "space": {}, **self.model_dump(mode="json")}, sort_keys=False)


def make_study(settings: Mapping[str, Any], origin: str) -> Study:
    """Check settings and make a study of them.

    Args:
        settings: mapping of names of settings to values; `recipe` gives the fields that `fields` leaves open.
        origin: str, where they come from, for the message.

    Returns:
        Study.

    Raises:
        ValueError: a setting is unknown or its value not allowed, or the space is none; one line says which.
    """
    for name in settings:
        if name not in (*Study.model_fields, "recipe"):
            raise ValueError(f"{origin}: {unknown('setting of a study:', name, [*Study.model_fields, 'recipe'])}")
    try:
        settings = pydantic_core.to_jsonable_python(dict(settings))  # as a study's file will hold them for workers
    except pydantic_core.PydanticSerializationError as error:
        raise ValueError(f"{origin}: {error}; give plain numbers, texts, lists and mappings.") from error
    recipe = settings.pop("recipe", None)
    space = settings.get("space") or {}
    read_space(space)
    base = without_searched(without_decided(flatten(load_recipe(recipe))), space) if recipe else {}
    fields = nest(lay_over(base, fields_of(settings, origin), origin))
    try:
        return Study(**{**settings, "fields": fields, "space": space})
    except pydantic.ValidationError as error:
        raise ValueError(f"{origin}: {explain(error, Study.model_fields)}") from error


def without_searched(fields: Mapping[str, Any], space: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the fields, by path, that a space searches; an option of the same name builds on an optimizer's."""
    searched = searched_paths(space) - (set(REGISTRIES) - {"augmentation"})
    return {path: value for path, value in fields.items() if not {path, choice_of(path)} & searched}


def without_decided(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the fields, by path, that a study decides by its own settings."""
    return {path: value for path, value in fields.items() if path not in DECIDED}


def read_study(folder: Path) -> Study:
    """Read the description of a study from its folder, one of version 0.1.0 as far as a report needs it.

    Args:
        folder: Path.

    Returns:
        Study.

    Raises:
        ValueError: the folder does not hold a study.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        raise ValueError(f"{folder} is no study: it has no {STUDY_FILE}. `python -m tuning` makes one.")
    settings = read_mapping(path)
    if is_former(given_fields(settings)):
        fields = without_decided(former.translate(given_fields(settings)))
        return Study(**{**settings, "fields": nest(fields)})
    return make_study(settings, str(path))


def fields_of(settings: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Give the fields of a study by path; those of version 0.1.0, which had no groups, as they are today."""
    fields = given_fields(settings)
    flat = lay_over({}, former.translate(fields) if is_former(fields) else fields, origin)
    for path in sorted(flat.keys() & DECIDED.keys()):
        raise ValueError(f"{origin}: {name_of(path)} cannot be in fields: {DECIDED[path]}.")
    return flat


def given_fields(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the fields of a study as they are written, of whatever version."""
    fields = settings.get("fields") or {}
    if not isinstance(fields, Mapping):
        raise ValueError(f"fields must be those of a run by name, as in {{epochs: 30}}; received {fields!r}.")
    return fields
