#!/usr/bin/env bash
# Hierarchy on CIFAR-10: docs/results/cifar10.md. 18 to 37 and 15 to 22 minutes per seed on one core.
source "$(dirname "$0")/common.sh"

shared=(--dataset cifar10 --set 'architecture.root=[32,64,64]' --set 'architecture.branch=[96,128,128]')
shared+=(--set method.controller_holdout=0.06 --set training.batch_size=128 --set training.weight_decay=0.1)
shared+=(--set training.precision=bfloat16 --seeds 0,1,2)

core sweep hierarchy --name hierarchy-cifar10 "${shared[@]}" --method static --epochs 12
for seed in 0 1 2; do core export hierarchy-cifar10/static/$seed hierarchy-$seed.safetensors --force; done
core sweep hierarchy --name hierarchy-cifar10 "${shared[@]}" --epochs 8 --set method.full_route_fraction=0.8 \
  --set method.self_distillation=1 --set method.bn_recalibration_batches=16 \
  --set 'training.init_from=hierarchy-{seed}.safetensors' --set training.weights_dtype=float16
core report hierarchy-cifar10
