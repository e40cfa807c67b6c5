#!/bin/sh
# The comparison of bench/quantize.py on a machine with an NVIDIA GPU: llama.cpp with every layer on it, and vLLM with the original, GPTQ, AWQ and
# int8 checkpoints where vLLM is installed. Says that it was skipped without a GPU.
#   bench/gpu.sh [--rounds N] [--work DIR]
# llama.cpp on CUDA: install xllamacpp from its CUDA index (its README names it) in place of the CPU wheel.
set -eu
cd "$(dirname "$0")/.."
if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L 2>/dev/null | grep -q GPU; then
    echo "skipped: no NVIDIA GPU is seen here (nvidia-smi). Nothing was measured."
    exit 0
fi
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv
PYTHONPATH=${PYTHONPATH:-src} exec "${PYTHON:-python3}" bench/quantize.py --only tiny,speed,parallel,gateway,vllm "$@"
