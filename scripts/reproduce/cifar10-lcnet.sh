#!/usr/bin/env bash
# LC-Net, L-Net and C-Net on CIFAR-10 with their rivals: docs/results/cifar10.md. 19 to 55 minutes per network.
source "$(dirname "$0")/common.sh"

data=(--dataset cifar10 --set dataset.val=2000 --set training.batch_size=128 --set training.optimizer=sgd)
data+=(--set training.weight_decay=0.0005 --set training.precision=bfloat16)
static=$reference/lc-cifar10-static.safetensors

core train lc_resnet --name lc-cifar10-static "${data[@]}" --method static --epochs 16 --set training.learning_rate=0.3
core sweep lc_resnet --name lc "${data[@]}" --method lcnet --epochs 12 --set training.learning_rate=0.1 \
  --set method.distillation_weight=1 --set training.init_from=$static \
  --variant "C: architecture.layers=false" --variant "L: architecture.channels=false training.weights_dtype=float16"
core sweep lc_resnet --name narrow-start "${data[@]}" --method static --epochs 16 --set training.learning_rate=0.3 \
  --set architecture.width=11
core export narrow-start/static/0 narrow.safetensors
core sweep lc_resnet --name narrow "${data[@]}" --method static --epochs 12 --set training.learning_rate=0.1 \
  --set architecture.width=11 --set method.distillation_weight=1 --set method.teacher=$static \
  --set training.init_from=narrow.safetensors
core export lc/every/0 lc.safetensors
longer=("${data[@]}" --method lcnet --epochs 3 --set training.learning_rate=0.01 --set method.budget_warmup=0)
longer+=(--set training.init_from=lc.safetensors)
core sweep lc_resnet --name lc-fixed "${longer[@]}" --set method.gates=fixed
core sweep lc_resnet --name lc-on "${longer[@]}"
for rival in lc/C/every/0 lc/L/every/0 lc-on/every/0 lc-fixed/every/0 narrow/static/0; do
  core report lc/every/0 --against "$rival"
done
core evaluate reference/lc-cifar10 --budgets 0.4,0.55,0.7 --split test
