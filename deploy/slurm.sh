#!/bin/bash
# A search as a job array of Slurm: task 0 is the chief, which needs no GPU, tasks 1 to 8 are workers.
#
#   sbatch deploy/slurm.sh study.yaml /shared/studies/mine
#
# Put account, partition, time and what a run needs into the lines below. A task that Slurm ends before its time, or that
# it takes a node from, is put into the queue again and goes on; the search ends when the chief has no more trials.
#SBATCH --job-name=search
#SBATCH --array=0-8
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=search-%A-%a.log
#SBATCH --signal=B:TERM@300
# The last line: SIGTERM five minutes before the end of the time, for a worker to finish its epoch.
set -u
folder=${SLURM_SUBMIT_DIR:-.}/deploy

bash "$folder/member.sh" "$SLURM_ARRAY_TASK_ID" "$1" "$2" &
member=$!
trap 'kill -TERM "$member" 2>/dev/null' TERM
while true; do
    wait "$member"
    status=$?
    kill -0 "$member" 2>/dev/null || break
done
if [ "$status" = 143 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
