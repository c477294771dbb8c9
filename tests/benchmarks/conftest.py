"""The scripts of `benchmarks/reproduce` import each other from their folder, as where one of them is run."""

import sys

from tests.shared import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "reproduce"))
