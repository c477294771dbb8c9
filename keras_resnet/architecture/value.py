"""Architecture: every choice that makes a residual network, in one frozen value that checks itself."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_resnet.architecture.fields import Fields
from keras_resnet.architecture.rules import check_rules
from keras_resnet.architecture.serialized import checked_fields, plain
from keras_resnet.architecture.table import FIELDS, TABLE, argument_list
from keras_resnet.messages import unknown


@dataclass(frozen=True, kw_only=True)
class Architecture(Fields):
    """A residual or plain network, from the stem to the last stage.

    Args:
        {arguments}

    Raises:
        ValueError: a value is not allowed, or two values contradict each other.

    Source: arXiv 1512.03385, Table 1 and section 4.2; arXiv 1603.05027, Figure 4 and appendix. Of others:
        1409.1556 (VGG), 1605.07146 (Wide ResNet), 1611.05431 (ResNeXt), 1709.01507 (squeeze-and-excitation),
        1812.01187 (deep stem, ResNet-D), 1603.09382 (stochastic depth), 1706.02677 (zero scale).
    """

    def __post_init__(self) -> None:
        for name, field in TABLE.items():
            value = getattr(self, name)
            if field.is_tuple and isinstance(value, list):
                object.__setattr__(self, name, value := tuple(value))
            field.check(value)
        check_rules(self)

    def to_dict(self) -> dict[str, Any]:
        """Write the architecture as plain values, which `from_dict` reads.

        Returns:
            Dict that JSON can hold: of each field its value, of an activation that is no name its Keras configuration.
        """
        return plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """Read an architecture from plain values.

        Args:
            values: mapping of fields, as of `to_dict`; one that is missing has its default.

        Returns:
            Architecture.

        Raises:
            ValueError: a field does not exist or is missing, or a value is not allowed.
        """
        return cls(**checked_fields(values))

    def replace(self, **choices: Any) -> Architecture:
        """Make a copy with other choices.

        Args:
            **choices: fields of `Architecture`.

        Returns:
            Architecture.

        Raises:
            TypeError: a field does not exist.
            ValueError: a value is not allowed.
        """
        for choice in choices:
            if choice not in FIELDS:
                raise TypeError(unknown("choice", choice, FIELDS))
        return dataclasses.replace(self, **choices)


Architecture.__doc__ = (Architecture.__doc__ or "").replace("{arguments}", argument_list(" " * 8).lstrip())
# With plain types: what `Fields` says of them beside would fill a page.
EMPTY = inspect.Parameter.empty
Architecture.__signature__ = inspect.Signature(
    [field.parameter(EMPTY if field.is_required else field.default) for field in TABLE.values()]
)
