#!/usr/bin/env bash
# The LC-Net on inverted residual blocks on CIFAR-10: docs/results/cifar10.md. 85 minutes on one core.
source "$(dirname "$0")/common.sh"

core train lc_mobile --name lc-mobile-cifar10 --dataset cifar10 --method slimmable --epochs 6 \
  --set architecture.stem=24 --set 'architecture.stages=[[24,1,1,1],[40,3,2,3],[80,4,2,4],[160,3,2,4]]' \
  --set architecture.head=320 --set architecture.layers=false --set architecture.granule=8 \
  --set architecture.gates_see=answer --set architecture.scout_exit=true \
  --set dataset.val=2000 --set method.random_widths=1 --set method.narrow_weight=0.5 \
  --set method.distillation_weight=0.9 --set method.label_weight=0.1 \
  --set method.teacher=$reference/mobile-33m-cifar10.safetensors \
  --set training.batch_size=128 --set training.optimizer=sgd --set training.learning_rate=0.02 \
  --set training.warmup=0.05 --set training.weight_decay=0.0002 --set training.border=reflected \
  --set training.cutout=8 --set training.precision=bfloat16 --set training.weights_dtype=float16 \
  --set training.init_from=$reference/mobile-33m-cifar10.safetensors \
  --set "training.init_nodes=[\"scout=$reference/mobile-7m-cifar10.safetensors\"]"
core report lc-mobile-cifar10 --against reference/mobile-33m-cifar10
core evaluate lc-mobile-cifar10 --policy open --lam 1 --split test
core evaluate lc-mobile-cifar10 --budgets 0.25,0.3,0.35,0.4,0.45 --split test
