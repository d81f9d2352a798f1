#!/usr/bin/env bash
# Hierarchy of two levels on CIFAR-10, seed 0.
source "$(dirname "$0")/common.sh"

shared=(--dataset cifar10 --set 'architecture.coarse=[[3,5],[4,7],[2,6],[0,8],[1,9]]' --set 'architecture.root=[32,64,64]')
shared+=(--set 'architecture.branch=[96,96]' --set 'architecture.fine=[128,128]' --set method.controller_holdout=0.06)
shared+=(--set training.batch_size=128 --set training.weight_decay=0.1 --set training.precision=bfloat16)
shared+=(--set training.weights_dtype=float16)

core train hierarchy --name two-levels-cifar10-static "${shared[@]}" --method static --epochs 12
core export two-levels-cifar10-static two-levels-cifar10-static.safetensors --force
core train hierarchy --name two-levels-cifar10 "${shared[@]}" --method d2nn --epochs 8 --set method.full_route_fraction=0.8 \
  --set method.self_distillation=1 --set method.bn_recalibration_batches=16 \
  --set training.init_from=two-levels-cifar10-static.safetensors
core report two-levels-cifar10
