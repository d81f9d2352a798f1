#!/usr/bin/env bash
# ResNet-38 and its cascade on CIFAR-10: docs/results/cifar10.md. 47 and 48 minutes.
source "$(dirname "$0")/common.sh"

shared=(--dataset cifar10 --set architecture.n=6 --set method.controller_holdout=0.06 --set training.batch_size=128)
shared+=(--set training.weight_decay=0.1 --set training.precision=bfloat16 --set training.weights_dtype=float16)

core train resnet_cascade --name resnet38-cifar10-static "${shared[@]}" --method static --epochs 20 \
  --set training.learning_rate=0.003
core export resnet38-cifar10-static resnet38-cifar10-static.safetensors
core train resnet_cascade --name resnet38-cascade-cifar10 "${shared[@]}" --method d2nn --epochs 8 \
  --set training.learning_rate=0.0015 --set 'architecture.exits=[13]' --set 'architecture.scout=[48,96,96,192]' \
  --set method.bn_recalibration_batches=16 --set method.distillation_weight=1 --set method.full_route_fraction=0.8 \
  --set training.init_from=resnet38-cifar10-static.safetensors
core report resnet38-cascade-cifar10
