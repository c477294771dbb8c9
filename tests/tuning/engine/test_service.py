"""The chief's service, without workers."""

import types

import pytest

from tuning.engine.service import listen, serve


def test_fault_that_ends_the_search_is_told(tmp_path):
    oracle = types.SimpleNamespace(finished=True, fault="ZeroDivisionError: division by zero")
    with pytest.raises(ValueError, match="The search stopped: ZeroDivisionError: division by zero The same command"):
        serve(oracle, tmp_path, 0, "127.0.0.1:0")


def test_address_that_cannot_be_listened_at_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Cannot listen at 192\.0\.2\.1:7: is it an address of this machine"):
        serve(types.SimpleNamespace(), tmp_path, 0, "192.0.2.1:7")


def test_two_studies_do_not_share_a_port(tmp_path):
    server, port = listen(types.SimpleNamespace(), "127.0.0.1:0")
    try:
        with pytest.raises(ValueError, match=f"Cannot listen at 127.0.0.1:{port}: is it an address of this machine"):
            serve(types.SimpleNamespace(), tmp_path, 0, f"127.0.0.1:{port}")
    finally:
        server.stop(None).wait()
