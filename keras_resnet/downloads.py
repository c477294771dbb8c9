"""Files that keras.applications publishes: fetched once, checked by hash, or asked for in words."""

from __future__ import annotations

import os


def fetch(address: str, md5: str, what: str) -> str:
    """Fetch a published file of this MD5, or find it where an earlier call left it; give its path."""
    import keras

    file = address.rpartition("/")[2]
    try:
        return keras.utils.get_file(file, address, cache_subdir="models", file_hash=md5)
    except Exception as error:
        folder = os.path.join(os.environ.get("KERAS_HOME", os.path.join("~", ".keras")), "models")
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The {what} {file} could not be fetched ({reason}). Download {address} elsewhere and put it into "
            f"{folder}; its MD5 is {md5}."
        ) from error
