"""What a study asks of its data before its first trial."""

import pytest

from tests.training.helpers import write_image
from tuning.engine.workers import planned_epochs
from tuning.study import make_study


def test_study_of_several_labels_needs_another_objective(tmp_path):
    for number in range(4):
        write_image(tmp_path / f"{number}.png", (4, 4), seed=number)
    rows = ["path,label", "0.png,cat;dog", "1.png,", "2.png,dog", "3.png,cat"]
    (tmp_path / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    data = {"dataset": "csv", "data_dir": str(tmp_path / "table.csv"), "data.label_separator": ";"}
    fields = {**data, "network": "ResNet8", "epochs": 7, "batch_size": 1}
    described = {"trials": 1, "space": {"activation": ["relu", "gelu"]}, "validation": 0.5, "fields": fields}
    with pytest.raises(ValueError, match="objective accuracy is for images of one class each, and those of 'csv' may"):
        planned_epochs(make_study(described, "a test"))
    assert planned_epochs(make_study({**described, "objective": "loss"}, "a test")) == 7
