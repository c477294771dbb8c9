"""The rows that are measured: networks of the papers with what is published of them, and recipes with a change.

Reading them takes neither TensorFlow nor another backend.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from training.config import RunConfig

FOLDER = Path(__file__).parent
ROWS, INGREDIENTS = FOLDER / "rows.yaml", FOLDER / "ingredients.yaml"
FAIL, FAILS_ABOVE = "fail", 20  # what arXiv 1603.05027, Table 1, writes for an error above 20 %
NUMBERS = (int, float)


@dataclass(frozen=True)
class Published:
    """What a paper publishes of a row.

    Args:
        paper: str, arXiv number.
        table: str, where it stands, as in "Table 6".
        setting: str, the paper's words for the row.
        error: float, test error in %; "fail" where it is above 20 %; None where the paper prints no number.
        protocol: str, of how many runs, as in "median of 5 runs".
        mean: float, mean of these runs in %, where the paper gives it beside another figure.
        deviation: float, their standard deviation.
    """

    paper: str
    table: str
    setting: str
    error: float | str | None = None
    protocol: str = "one run"
    mean: float | None = None
    deviation: float | None = None

    def __post_init__(self) -> None:
        for name in ("paper", "table", "setting", "protocol"):
            _check(name, getattr(self, name), (str,), "a text")
        if self.error != FAIL:
            _check("error", self.error, (*NUMBERS, type(None)), f"a number, {FAIL!r} or nothing")
        for name in ("mean", "deviation"):
            _check(name, getattr(self, name), (*NUMBERS, type(None)), "a number or nothing")

    @property
    def reference(self) -> float | None:
        """The number that a mean of runs is compared with: the paper's own mean where it gives one, else its error."""
        figure = self.error if self.mean is None else self.mean
        return None if figure == FAIL else figure


@dataclass(frozen=True)
class Row:
    """A recipe and what is set otherwise in it: the network of a row of a paper, or an ingredient that is changed.

    Args:
        key: str, its name.
        recipe: str, one that comes with `training`, or a YAML file beside this one.
        network: str, a name in the catalogue, by itself; None for the network of the recipe, with its choices.
        published: tuple of Published, one for each table; of a row of a paper only.
        change: str, what is changed, as in "without label smoothing"; of a row of ingredients only.
        base: str, key of the row that it is compared with, and over whose fields its own are laid; empty for a row that
            stands by itself.
        seeds: int, how many runs are wanted.
        choices: mapping of fields of `Architecture`, over those of the network.
        augmentations: mapping from names of augmentations of the recipe to parameters over theirs, or to None, which
            leaves one out.
        overrides: mapping of fields of the configuration, by short name or dotted path.
    """

    key: str
    recipe: str
    network: str | None = None
    published: tuple[Published, ...] = ()
    change: str = ""
    base: str = ""
    seeds: int = 1
    choices: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    augmentations: Mapping[str, Mapping[str, Any] | None] = dataclasses.field(default_factory=dict)
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("recipe", "change"):
            _check(name, getattr(self, name), (str,), "a text")
        _check("network", self.network, (str, type(None)), "a text or nothing")
        for name in ("choices", "augmentations", "overrides"):
            _check(name, getattr(self, name), (Mapping,), "a mapping of fields")
        for name, parameters in self.augmentations.items():
            _check(f"augmentations.{name}", parameters, (Mapping, type(None)), "a mapping of parameters or nothing")
        if bool(self.published) == bool(self.change):
            raise ValueError(
                "give either published, of a row of a paper, or change, of a row of ingredients; received "
                f"{'both' if self.change else 'neither'}."
            )
        if self.published and self.network is None:
            raise ValueError("network must be given of a row of a paper.")
        if isinstance(self.seeds, bool) or not isinstance(self.seeds, int) or self.seeds < 1:
            raise ValueError(f"seeds must be a whole number from 1; received {self.seeds!r}.")

    def config(self, **overrides: Any) -> RunConfig:
        """Describe a run of the row.

        Args:
            **overrides: fields of the configuration, by short name or group, such as `seed`.

        Returns:
            RunConfig.

        Raises:
            ValueError: the recipe or a field does not exist, or a value is not allowed.
        """
        from training.config.fields import lay_over, make_config

        origin = f"row {self.key}"
        return make_config(overrides, origin, base=lay_over(self.read_recipe(), self.fields(), origin))

    def fields(self) -> dict[str, Any]:
        """Write what the row sets over its recipe as fields of the configuration.

        Returns:
            Dict from short name or dotted path to value.
        """
        from training.config.fields import flatten, nest

        recipe = nest(flatten(self.read_recipe()))
        network = self._network_over(recipe.get("network", {}))
        return {**network, **self._augmentation_over(recipe.get("augmentation", ())), **self.overrides}

    def _network_over(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Write the network as fields, where they are not those that the recipe has."""
        from training.config.groups import NAMED

        if not (self.network or self.choices):
            return {}
        among = before.get("choices", {})
        named = {name: before[name] for name in NAMED if before.get(name) is not None}
        choices = {**({} if self.network else {**among, **named}), **self.choices}
        rest = {name: value for name, value in choices.items() if name not in NAMED}
        return {
            **({"network": self.network} if self.network else {}),
            **{name: choices.get(name) for name in NAMED if choices.get(name) != before.get(name)},
            **({"network.choices": rest} if rest != among else {}),
        }

    def _augmentation_over(self, before: Sequence[Any]) -> dict[str, Any]:
        """Write the augmentation of the recipe, changed, as a field; nothing where it stays."""
        if not self.augmentations:
            return {}
        listed = [one if isinstance(one, Mapping) else {"name": one} for one in before]
        for name in self.augmentations:
            if name not in (names := [one["name"] for one in listed]):
                raise ValueError(f"row {self.key}: {_unknown('augmentation of the recipe', name, names)}")
        changed = [(one, self.augmentations.get(one["name"], {})) for one in listed]
        return {"augmentation": [{**one, **own} for one, own in changed if own is not None]}

    def read_recipe(self) -> dict[str, Any]:
        """Read the fields of the recipe."""
        from training.config import load_recipe, read_fields

        return read_fields(FOLDER / self.recipe) if self.recipe.endswith(".yaml") else load_recipe(self.recipe)


def read_rows(path: Path = ROWS) -> dict[str, Row]:
    """Read the rows.

    Args:
        path: Path of the YAML file.

    Returns:
        Dict from key to Row, in the order of the file.

    Raises:
        ValueError: a row has an unknown field, lacks one, or a value is not allowed.
    """
    try:
        rows = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(rows, Mapping):
        raise ValueError(f"{path} must hold a mapping from the keys of rows to their fields.")
    made: dict[str, Row] = {}
    for key, fields in rows.items():
        made[str(key)] = make_row(str(key), fields, made)
    return made


def read_all(files: Sequence[Path] = (ROWS, INGREDIENTS)) -> dict[str, Row]:
    """Read the rows of several files, whose results lie in one.

    Args:
        files: sequence of Path.

    Returns:
        Dict from key to Row.

    Raises:
        ValueError: as of `read_rows`; or two files have a row of one key.
    """
    found: dict[str, Row] = {}
    for path in files:
        rows = read_rows(path)
        if twice := found.keys() & rows.keys():
            raise ValueError(f"{path} has a row {min(twice)!r}, as another file has; give it another key.")
        found |= rows
    return found


def make_row(key: str, fields: Any, above: Mapping[str, Row] = MappingProxyType({})) -> Row:
    """Make a row of its fields, and check them; its base is one of those above it in the file."""
    try:
        if isinstance(fields, Mapping) and "base" in fields:
            _check("base", fields["base"], (str,), "the key of a row above")
            fields = _laid_over(pick(above, fields["base"]), fields)
        known = _known(Row, fields, given=("key",))
        if "published" in known:
            known["published"] = _make_published(known["published"])
        return Row(key=key, **known)
    except ValueError as error:
        raise ValueError(f"row {key!r}: {error}") from error


def _laid_over(base: Row, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the fields of a row over those of its base; a network takes the place of the base's with its choices."""
    if "recipe" in fields:
        raise ValueError(f"leave recipe out, it is that of base, {base.recipe!r}; received {fields['recipe']!r}.")
    layered = ("augmentations", "overrides") if "network" in fields else ("choices", "augmentations", "overrides")
    own = {name: fields.get(name, {}) for name in layered}
    for name, changes in own.items():
        _check(name, changes, (Mapping,), "a mapping of fields")
    below = {"recipe": base.recipe, "network": base.network}
    return {**below, **fields, **{name: {**getattr(base, name), **changes} for name, changes in own.items()}}


def _make_published(items: Any) -> tuple[Published, ...]:
    if not isinstance(items, list) or not items:
        raise ValueError(f"published must be a list, one item for each table; received {items!r}.")
    return tuple(Published(**_known(Published, item)) for item in items)


def pick(rows: Mapping[str, Row], key: str) -> Row:
    """Look up a row.

    Args:
        rows: mapping as of `read_rows`.
        key: str.

    Returns:
        Row.

    Raises:
        ValueError: there is no such row; the message names the nearest.
    """
    if key not in rows:
        raise ValueError(_unknown("row", key, list(rows)))
    return rows[key]


def _known(kind: type, fields: Any, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check that fields are a mapping of those of a class, none of them unknown and none missing."""
    if not isinstance(fields, Mapping):
        raise ValueError(f"give a mapping of fields; received {fields!r}.")
    own = {field.name: field for field in dataclasses.fields(kind) if field.name not in given}
    for name in fields:
        if name not in own:
            raise ValueError(_unknown("field", name, list(own)))
    none = dataclasses.MISSING
    required = [name for name, field in own.items() if field.default is none and field.default_factory is none]
    if missing := [name for name in required if name not in fields]:
        raise ValueError(f"{', '.join(missing)} must be given.")
    return dict(fields)


def _unknown(kind: str, received: object, allowed: list[str]) -> str:
    from keras_resnet.messages import unknown  # imports a backend

    return unknown(kind, received, allowed)


def _check(name: str, value: Any, kinds: tuple[type, ...], allowed: str) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{name} must be {allowed}; received {value!r}.")
