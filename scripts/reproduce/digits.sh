#!/usr/bin/env bash
# High-low, cascade and chain on cluttered digits: docs/results/digits.md. One to three minutes per network on one core.
source "$(dirname "$0")/common.sh"

data=(--dataset cluttered_digits --set dataset.shift=4 --set method.bn_recalibration_batches=16)
data+=(--epochs 24 --seeds 0,1,2)
data+=(--set training.precision=bfloat16 --set training.batch_size=128 --set training.learning_rate=0.003)
gated=(--set method.self_distillation=1 --set method.full_route_fraction=0.8 --set method.controller_holdout=0.05)
cascade=(--set 'architecture.head=[4,12,24,64]' --set architecture.depth=2)
chain=(--set 'architecture.links=[32,64,96]')

core sweep high_low --name high-low-digits "${data[@]}" "${gated[@]}"
core sweep high_low --name high-low-digits "${data[@]}" --method static
core sweep cascade --name cascade-digits "${data[@]}" "${gated[@]}" "${cascade[@]}"
core sweep cascade --name cascade-digits "${data[@]}" "${cascade[@]}" --method static
core sweep chain --name chain-digits "${data[@]}" "${gated[@]}" "${chain[@]}"
core sweep chain --name chain-digits "${data[@]}" "${chain[@]}" --method static
for name in high-low-digits cascade-digits chain-digits; do core report "$name"; done
