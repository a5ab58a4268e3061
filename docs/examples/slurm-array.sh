#!/bin/bash
# One job of an array: each does its share of the files of stamps.txt, with the cores that it has.
# sbatch slurm-array.sh; to go on after a failure, the same again: what is done is kept.
#SBATCH --job-name=skysift
#SBATCH --array=1-50
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
set -euo pipefail
skysift predict star-galaxy @stamps.txt --out classes \
    --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --workers "$SLURM_CPUS_PER_TASK" --memory 1.5GB
