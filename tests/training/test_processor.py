"""A CPU that only emulates the numbers of a dtype policy is named before a run begins."""

import pytest

from training.processor import processor_flags, warn_of_emulation

X86 = "processor\t: 0\nmodel name\t: some CPU\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\nflags\t\t: fpu avx2 {}\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.mark.parametrize(
    ("dtype", "device", "cpuinfo", "warned"),
    [
        ("mixed_bfloat16", "CPU:0", X86.format("", ""), True),
        ("mixed_bfloat16", "CPU:0", X86.format("avx512_bf16", "avx512_bf16"), False),
        ("mixed_bfloat16", "CPU:0", X86.format("avx512_fp16", "avx512_fp16"), True),
        ("mixed_float16", "CPU:0", X86.format("avx512_bf16", "avx512_bf16"), True),
        ("mixed_float16", "CPU:0", X86.format("avx512_fp16", "avx512_fp16"), False),
        ("mixed_bfloat16", "CPU:0", ARM.format("bf16"), False),
        ("mixed_bfloat16", "CPU:0", ARM.format("asimdhp"), True),
        ("mixed_bfloat16", "GPU:0", X86.format("", ""), False),
        ("float32", "CPU:0", X86.format("", ""), False),
        ("mixed_bfloat16", "CPU:0", "", False),
    ],
)
def test_emulated_numbers_are_named_with_the_way_out(tmp_path, capsys, dtype, device, cpuinfo, warned):
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo)
    warn_of_emulation(dtype, (device,), file)
    said = capsys.readouterr().err
    assert said.count("\n") == warned
    if warned:
        name = dtype.removeprefix("mixed_")
        assert f"This CPU has no {name} instructions" in said and "--hardware.dtype float32" in said


def test_where_the_processor_cannot_be_asked_nothing_is_said(tmp_path, capsys):
    assert processor_flags(tmp_path / "absent") == frozenset()
    warn_of_emulation("mixed_bfloat16", ("CPU:0",), tmp_path / "absent")
    assert capsys.readouterr().err == ""
