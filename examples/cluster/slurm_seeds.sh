#!/bin/bash
#SBATCH --job-name=personaevo
#SBATCH --array=1-20                # one search for each seed
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --requeue                   # a preempted task resumes
#SBATCH --output=seed_%a.log
#
#   sbatch examples/cluster/slurm_seeds.sh runs --domain service --candidates 2000
#
# Each task of the array runs a search with its own seed into FOLDER/seed_N.duckdb. Then merge: see slurm_merge.sh.

set -eu
folder=$1
shift
mkdir -p "$folder"
archive=$folder/seed_$SLURM_ARRAY_TASK_ID.duckdb

resume=()
if [ -e "$archive" ]; then resume=(--resume); fi

personaevo search "$@" --seed "$SLURM_ARRAY_TASK_ID" --jobs "${SLURM_CPUS_PER_TASK:-1}" --archive "$archive" "${resume[@]}"
