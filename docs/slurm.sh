#!/bin/bash
# nirgan on several machines under SLURM: sbatch docs/slurm.sh conf/triplet_urban.yaml
#
# Before the time is up, and where the partition preempts, the run gets a signal, saves its state and ends; the job
# comes back into the queue and goes on from there. One process a GPU is started by srun, Lightning finds the others.
#SBATCH --job-name=nirgan
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4      # as many as GPUs
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=6        # data.num_workers, and two
#SBATCH --time=08:00:00
#SBATCH --signal=USR1@120        # two minutes before the end: room for a batch and a checkpoint
#SBATCH --requeue                # after preemption SLURM starts the job again by itself
#SBATCH --open-mode=append

config=${1:-conf/triplet_urban.yaml}
# A requeued job keeps its number, so `last` finds what this job has saved and nothing else.
name=$(basename "$config" .yaml)-$SLURM_JOB_ID
resume=()
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && compgen -G "runs/$name/version_*/checkpoints/*.ckpt" >/dev/null; then
  resume=(--ckpt_path last)
fi

trap : TERM  # preemption signals this shell too; srun must be waited for
srun --kill-on-bad-exit=1 python -m nirgan fit --config "$config" --config conf/trainer/ddp-multinode.yaml \
  --trainer.num_nodes "$SLURM_NNODES" --name "$name" "${resume[@]}"
status=$?

# 128 + USR1: the time is up, the state is saved.
if [ "$status" -eq 138 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"

# Without SLURM, torchrun starts the same; on each machine, with the first one's name:
#   torchrun --nnodes=2 --nproc-per-node=4 --rdzv-backend=c10d --rdzv-endpoint=FIRST:29500 \
#     -m nirgan fit --config conf/triplet_urban.yaml --config conf/trainer/ddp-multinode.yaml
# It hands SIGTERM on to the processes and kills them 30 seconds later; SIGUSR1 it does not hand on.
