#!/bin/bash
#SBATCH --job-name=curate
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# A Ray cluster on the nodes of this job, and a build on it: sbatch slurm_ray.sh RECIPE [options of curate build]
# The environment (with curate-multimodal[gpu,ray]) and the workspace lie on a shared disk.
set -euo pipefail
source "${CURATE_VENV:-$HOME/curate/.venv}/bin/activate"
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token PORT=6379
[ -f "$HOME/.ray/auth_token" ] || ray get-auth-token --generate > /dev/null  # other users of the nodes must not join
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_ADDRESS="$HEAD:$PORT"

srun --nodes=1 --ntasks=1 --overlap -w "$HEAD" \
  ray start --head --port="$PORT" --num-gpus="$SLURM_GPUS_ON_NODE" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
sleep 20
if (( SLURM_JOB_NUM_NODES > 1 )); then
  # Without --kill-on-bad-exit=0 the loss of one node would end them all.
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --overlap --exclude="$HEAD" --kill-on-bad-exit=0 \
    ray start --address="$RAY_ADDRESS" --num-gpus="$SLURM_GPUS_ON_NODE" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

# The build runs on the head's machine, which is this one. SIGTERM, two minutes before the end, is a Ctrl-C to it: what was
# answered is in the log, and the same job goes on from there.
curate build "$@" --workspace "${CURATE_WORKSPACE:-$HOME/curate/out}" &
BUILD=$!
trap 'kill -TERM $BUILD 2>/dev/null' TERM
wait $BUILD || { STATUS=$?; wait $BUILD || STATUS=$?; exit $STATUS; }
