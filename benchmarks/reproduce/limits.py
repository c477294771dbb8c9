"""Which runs the engine on JAX takes: those that it trains as `python -m training` does."""

from __future__ import annotations

from typing import Any

from data import Images
from training.config import RunConfig
from training.config.fields import flat_config, name_of
from training.data.augmentation import AUGMENTATIONS
from training.optimization.schedules import SCHEDULES

# Fields that mean something only to `python -m training`: the values at which a run here is the same. All others the
# engine heeds, or they change nothing here; a field that is new is one or the other (tests/benchmarks/test_limits.py).
ONLY: dict[str, tuple[Any, ...]] = {
    "start.weights": (None,),
    "start.new_head": (False,),
    "start.whiten": (None,),
    "start.freeze": ((),),
    "start.head_epochs": (0,),
    "data.label_separator": (None,),
    "data.train_split": ("train",),
    "data.test_split": (None, "test"),
    "data.validation": (0.0,),
    "data.image_size": (None,),
    "data.sizes.name": ("full",),
    "data.display_names": ({},),
    "data.on_bad_image": ("refuse",),
    "data.balance.name": ("none",),
    "data.repeats": (1,),
    "averaging.name": ("none",),
    "evaluation.test_crop": (None, 1.0),
    "evaluation.views.name": ("single",),
    "schedule.name": tuple(name for name in SCHEDULES if name != "plateau"),
    "hardware.accumulation": (1,),
    "hardware.dtype": ("float32", "mixed_bfloat16"),
}


def check_config(config: RunConfig, images: Images) -> None:
    """Refuse what only `python -m training` can do, and images of another data set than the run's."""
    flat = flat_config(config)
    for path, allowed in ONLY.items():
        if flat[path] not in allowed:
            raise ValueError(
                f"{name_of(path)}={flat[path]!r} is for `python -m training`; here it must be "
                f"{' or '.join(map(repr, allowed))}."
            )
    if config.data.dataset != images.name:
        raise ValueError(f"The run is one on {config.data.dataset!r}, and the images are {images.name!r}.")
    for choice in config.augmentation:
        if AUGMENTATIONS[choice["name"]].kind == "crop":
            raise ValueError(f"{choice['name']} changes the size of images, which only `python -m training` does.")
