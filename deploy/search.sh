#!/bin/bash
# One member of a search on a cluster: number 0 is the chief, all others are workers.
#
#   search.sh NUMBER CONFIG STUDY [PORT]
#
# CONFIG is the file of a study, STUDY its folder, which all members see. The chief writes into it how to reach it, and
# workers wait for that; a chief that is started again, elsewhere too, goes on, and the workers follow. SIGTERM is passed
# on: a worker then finishes its epoch, hands the trial back and ends with status 143, so that a scheduler may start it
# again. CHIEF_HOST is the name or address by which others reach the chief; the default is this machine's name.
set -u
number=$1 config=$2 study=$3 port=${4:-7000}

if [ "$number" = 0 ]; then
    python -m tuning --config "$config" --study-dir "$study" --workers 0 --chief "${CHIEF_HOST:-$(hostname -f)}:$port" &
else
    python -m tuning work "$study" --wait 3600 &
fi
member=$!
trap 'kill -TERM "$member" 2>/dev/null' TERM
while true; do  # a signal ends the first wait, not the member
    wait "$member"
    status=$?
    kill -0 "$member" 2>/dev/null || exit "$status"
done
