#!/usr/bin/env bash
# The members and the model cascade of CIFAR-10: docs/results/cifar10.md. WEIGHTS: the folder with their weights.
source "$(dirname "$0")/common.sh"

members=(mobile-7m-cifar10 mobile-33m-cifar10 resnet18-215m-cifar10)
for name in "${members[@]}" resnet18-48m-cifar10; do
  case $name in
    resnet18-215m-cifar10) file=resnet18-wide-215M ;;
    *) file=${name%m-cifar10}M ;;
  esac
  "$PYTHON" -m scripts.import_weights "$name" "scripts/reproduce/members/$name.json" "${WEIGHTS:-weights}/$file.safetensors" \
    --machine 'one NVIDIA H100 outside of this repository; recipe in docs/results/cifar10.md'
done
for seed in 0 1 2; do
  core cascade "${members[@]}" --dataset cifar10 --set dataset.val=2000 --set training.weights_dtype=float16 --seed "$seed" \
    --name "model-cascade-cifar10-$seed"
done
"$PYTHON" -m scripts.cascade_table model-cascade-cifar10-{0,1,2} --macs 11.9,19.3,20.7,25.8,32,41,55
for seed in 0 1 2; do
  core evaluate "model-cascade-cifar10-$seed" --split test --budgets 0.05,0.1,0.12,0.2
done
