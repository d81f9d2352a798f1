#!/usr/bin/env bash
# The wider LC-Net on CIFAR-10: docs/results/cifar10.md. 47 to 159 minutes per network.
source "$(dirname "$0")/common.sh"

wide=(--dataset cifar10 --set dataset.val=2000 --set training.batch_size=128 --set training.optimizer=sgd)
wide+=(--set training.weight_decay=0.0005 --set training.precision=bfloat16)
wide+=(--set architecture.depth=18 --set 'architecture.widths=[16,40,80,160]')
static=$reference/lc-wide-cifar10-static.safetensors

core sweep lc_resnet --name wide-start "${wide[@]}" --method static --epochs 20 --set training.learning_rate=0.1
core export wide-start/static/0 lc-wide-start.safetensors
core sweep lc_resnet --name wide-static "${wide[@]}" --method static --epochs 60 --set training.learning_rate=0.1 \
  --set training.init_from=lc-wide-start.safetensors --set training.weights_dtype=float16
lc=("${wide[@]}" --method lcnet --set method.distillation_weight=1 --set training.weights_dtype=float16)
core sweep lc_resnet --name wide-begun "${lc[@]}" --epochs 12 --set training.learning_rate=0.1 \
  --set training.init_from=$static --variant "C: architecture.layers=false"
core export wide-begun/every/0 lc-wide-begun.safetensors
lc+=(--set method.teacher=$static --set method.budget_warmup=0 --set training.init_from=lc-wide-begun.safetensors)
# the first of these ships as lc-wide-cifar10
core sweep lc_resnet --name wide "${lc[@]}" --epochs 28 --set training.learning_rate=0.05 --set method.min_budget=0.25
core sweep lc_resnet --name wide-on "${lc[@]}" --epochs 5 --set training.learning_rate=0.03 \
  --variant "fixed: method.gates=fixed"
core report wide-on/every/0 --against wide-on/fixed/every/0
core evaluate reference/lc-wide-cifar10 --budgets 0.434 --split test
