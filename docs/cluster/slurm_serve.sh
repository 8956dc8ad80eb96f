#!/bin/bash
#SBATCH --job-name=curate-serve
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
# A fleet of vLLM servers of one model on all nodes of this job, and a build against it: sbatch slurm_serve.sh RECIPE MODEL
# MODEL is a name from `models` of the recipe that fits on one GPU. The environment lies on a shared disk.
set -euo pipefail
source "${CURATE_VENV:-$HOME/curate/.venv}/bin/activate"
RECIPE=$1 MODEL=$2 PORT=8000
export VLLM_API_KEY=${VLLM_API_KEY:-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')}
export OPENAI_API_KEY=$VLLM_API_KEY

srun --kill-on-bad-exit=0 curate serve "$RECIPE" --model "$MODEL" --host 0.0.0.0 --port "$PORT" --logs "serve-$SLURM_JOB_ID" &
SERVING=$!
trap 'kill -TERM $SERVING 2>/dev/null' EXIT

URLS=()
for HOST in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
  for (( GPU = 0; GPU < SLURM_GPUS_ON_NODE; GPU++ )); do
    URLS+=("http://$HOST:$((PORT + GPU))")
  done
done
for URL in "${URLS[@]}"; do
  until curl -sf -o /dev/null "$URL/health"; do sleep 5; kill -0 "$SERVING"; done
done
LIST=$(printf '%s/v1,' "${URLS[@]}")
curate build "$RECIPE" --set "models.$MODEL.engine=openai" --set "models.$MODEL.base_urls=[${LIST%,}]" \
  --set "models.$MODEL.args={}" --set "models.$MODEL.structured=[choice,json,regex]"
