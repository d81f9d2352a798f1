#!/usr/bin/env bash
# LC-Net on cluttered digits and its rivals: docs/results/digits.md. 2 to 8 minutes per network on one core.
source "$(dirname "$0")/common.sh"

small=(--dataset cluttered_digits --set architecture.depth=14 --set architecture.width=8)
small+=(--set training.precision=bfloat16)

core train lc_resnet --name lc-digits-static "${small[@]}" --method static --epochs 14
core export lc-digits-static lc-digits-static.safetensors
core train lc_resnet --name lc-digits "${small[@]}" --method lcnet --epochs 18 --set method.min_budget=0.3 \
  --set training.init_from=lc-digits-static.safetensors

lc="method.name=lcnet method.min_budget=0.3"
longer="$lc method.budget_warmup=0 training.init_from=$reference/lc-digits.safetensors training.epochs=6"
scratch="training.init_from= training.epochs=26"
core sweep lc_resnet --name rivals "${small[@]}" --method static --epochs 12 \
  --set training.init_from=$reference/lc-digits-static.safetensors \
  --variant "LC: $lc" --variant "C: $lc architecture.layers=false" \
  --variant "L: $lc architecture.channels=false" \
  --variant "constant: $lc method.gates=constant" \
  --variant "on: $longer" --variant "fixed: $longer method.gates=fixed" \
  --variant "narrow 6: architecture.width=6 $scratch" --variant "narrow 5: architecture.width=5 $scratch"
core report rivals/on/every/0 --against rivals/fixed/every/0
