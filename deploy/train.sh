#!/bin/sh
# Trains on all hosts of a job, or goes on with the run in RUN_DIR: what Slurm and Kubernetes start on each host.
#
#   RUN_DIR=/shared/runs/first sh deploy/train.sh --recipe flax-imagenet --data-dir /shared/tfds
#
# RUN_DIR lies where all hosts can read it; the first one alone writes to it. KERAS_BACKEND=jax for several hosts.
set -eu
: "${RUN_DIR:?is to be the folder of the run, on a disk that all hosts share}"
PYTHON=${PYTHON:-python}

option=
if [ -e "$RUN_DIR/checkpoint.weights.h5" ]; then
    option=--resume
elif [ -e "$RUN_DIR/config.yaml" ] && [ ! -e "$RUN_DIR/metrics.csv" ]; then
    option=--overwrite  # a run that was ended before its first checkpoint, with nothing in it to lose
fi
case " $* " in
    *" $option "*) option= ;;  # it is given already
esac
exec "$PYTHON" -m training --hosts auto --run-dir "$RUN_DIR" "$@" $option
