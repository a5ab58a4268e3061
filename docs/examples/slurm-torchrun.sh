#!/bin/bash
# Train the sky network on the four GPUs of one machine. A batch of 8 maps is two for each.
#SBATCH --job-name=skysift-train
#SBATCH --nodes=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
set -euo pipefail
export OMP_NUM_THREADS=8
torchrun --standalone --nproc-per-node=4 \
    -m skysift.tasks.gamma_sky.network_training network --seed 3 --steps 5000
