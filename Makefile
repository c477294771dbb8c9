# The two commands a user needs: `make train` and `make test`. Both create .venv where it is missing.

VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
# TensorFlow for GPUs where an NVIDIA driver answers, the smaller CPU build elsewhere.
TENSORFLOW := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
export TF_CPP_MIN_LOG_LEVEL ?= 3
# A test mostly builds graphs in Python, on one core. A file's tests stay in one process, with the networks they share;
# tests/order.py says which file begins first.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: install train test test-slow lint format benchmark benchmark-depth benchmark-workers figures stubs
.PHONY: benchmark-inference benchmark-pipeline benchmark-startup benchmark-scaling benchmark-search benchmark-trials
.PHONY: docs tutorial reproduction studies clean

install: $(VENV)/installed

$(VENV)/installed: setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(TENSORFLOW),train,tune,test]'
	touch $@

$(VENV)/docs-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

train: install  ## Train ResNet-20 on the embedded digits, evaluate, export; ARGS adds options.
	$(BIN)/python -m training --recipe digits --export $(ARGS)

test: install lint  ## The fast tests; ARGS adds options.
	$(PYTEST) $(ARGS)

test-slow: $(VENV)/docs-installed  ## All others: whole products of choices, very deep networks, long runs.
	$(PYTEST) -m slow $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install  ## Training speed beside keras.applications and, where it is installed, PyTorch.
	$(BIN)/python benchmarks/train_step.py $(ARGS)

stubs: install  ## What type checkers and editors know of the builders, written anew from the table of fields.
	$(BIN)/python -m keras_resnet.stubs

figures: install  ## The pictures of the guide and of docs/units.md, drawn anew from networks and data.
	$(BIN)/python docs/make_figures.py
	$(BIN)/python docs/make_augmentations.py
	$(BIN)/python docs/make_explanation.py
	$(BIN)/python docs/make_published.py

studies: install  ## The papers' studies, small, and their reports in docs/studies; ARGS names some of them.
	$(BIN)/python docs/make_studies.py $(ARGS)

docs: $(VENV)/docs-installed  ## Guide and API reference as HTML; a broken internal link is an error.
	$(BIN)/python -m sphinx -q -W --keep-going docs build/docs
	@echo build/docs/index.html

tutorial: $(VENV)/docs-installed  ## The outputs in docs/tutorial.ipynb, made anew.
	$(BIN)/python docs/run_tutorial.py

reproduction: install  ## docs/reproduction.md, its picture and docs/cifar10-94.md, anew from benchmarks/reproduce/results.csv.
	$(BIN)/python benchmarks/reproduce/table.py

benchmark-inference: install  ## How fast ResNet-50 answers: every export beside keras.applications and PyTorch.
	$(BIN)/python benchmarks/inference.py $(ARGS)

benchmark-depth: install  ## Time and memory of networks of 20 to 1202 layers.
	$(BIN)/python benchmarks/depth.py $(ARGS)

benchmark-startup: install  ## Seconds to the first line of helps and of a prediction, beside `import tensorflow`.
	$(BIN)/python benchmarks/startup.py $(ARGS)

benchmark-pipeline: install  ## Images a second of recipes and augmentations without a network, beside Keras's layers.
	$(BIN)/python benchmarks/pipeline.py $(ARGS)

benchmark-search: install  ## How near searches by random, keras-tuner, ours and Optuna come to the best; docs/searches.md.
	$(BIN)/python benchmarks/search.py $(ARGS)
	$(BIN)/python benchmarks/search.py --table

benchmark-workers: install  ## How much sooner two workers finish a study than one.
	$(BIN)/python benchmarks/workers.py $(ARGS)

benchmark-trials: install  ## What a search costs beside its training, for 125 to 500 trials.
	$(BIN)/python benchmarks/many_trials.py $(ARGS)

benchmark-scaling: install  ## What several processes or GPUs spend on communication; needs JAX.
	$(BIN)/python benchmarks/scaling.py $(ARGS)

clean:
	rm -rf $(VENV) *.egg-info build .pytest_cache .ruff_cache
