#!/bin/bash
#SBATCH --job-name=personaevo-merge
#SBATCH --time=00:30:00
#
#   job=$(sbatch --parsable examples/cluster/slurm_seeds.sh runs --domain service --candidates 2000)
#   sbatch --dependency=afterok:$job examples/cluster/slurm_merge.sh runs all.duckdb
#
# Merges the searches in FOLDER into a new archive and prints its summary.

set -eu
folder=$1 merged=$2

personaevo archive merge "$merged" "$folder"/seed_*.duckdb
personaevo archive summary "$merged"
