"""What the processor of this machine computes slowly, said before a run begins."""

from __future__ import annotations

import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

# A dtype policy, what its numbers are called, and the flags of processors that compute with them (x86, Arm).
NUMBERS: dict[str, tuple[str, frozenset[str]]] = {
    "mixed_bfloat16": ("bfloat16", frozenset({"avx512_bf16", "amx_bf16", "bf16"})),
    "mixed_float16": ("float16", frozenset({"avx512_fp16", "amx_fp16", "asimdhp"})),
}


def warn_of_emulation(dtype: str, devices: tuple[str, ...], cpuinfo: Path = CPUINFO) -> None:
    """Say on stderr that the CPU of a run emulates the numbers of its dtype policy, where that can be known.

    A step of ResNet-20 took 15 times as long with bfloat16 as with float32 where it was emulated, and 4 times with
    float16.
    """
    if dtype not in NUMBERS or not any(name.startswith("CPU") for name in devices):
        return
    name, instructions = NUMBERS[dtype]
    flags = processor_flags(cpuinfo)
    if flags and not flags & instructions:
        print(
            f"This CPU has no {name} instructions, so that {dtype} takes several times as long as float32: set "
            "--hardware.dtype float32.",
            file=sys.stderr,
        )


def processor_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Read what the processor can do as Linux says it; nothing elsewhere."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    rows = (line.partition(":") for line in lines)
    return next(
        (frozenset(flags.split()) for key, _, flags in rows if key.strip() in ("flags", "Features")), frozenset()
    )
