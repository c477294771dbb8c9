"""The search: which activation, which shortcut, which of any other choice learns best."""

from importlib.util import find_spec

import training  # noqa: F401 - says what is missing, and ends quietly on Ctrl-C

# Looked for and not imported, which would take seconds and which --help does not need.
if missing := [name for name in ("keras_tuner", "scipy", "jinja2", "markdown_it") if not find_spec(name)]:
    raise ImportError(
        f"tuning needs {', '.join(missing)}. "
        "Install it with: pip install 'keras-resnet-suite[cpu,train,tune]' (or '[gpu,train,tune]')."
    )
