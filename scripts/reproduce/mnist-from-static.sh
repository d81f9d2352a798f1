#!/usr/bin/env bash
# High-low and cascade initialised from a static network, on cluttered MNIST: docs/results/mnist.md.
source "$(dirname "$0")/common.sh"

data=(--dataset cluttered_digits --set dataset.source=mnist --set dataset.val=2000 --set dataset.test=5000)
data+=(--set dataset.train=20000 --set dataset.shift=4 --set method.bn_recalibration_batches=16)
data+=(--set training.precision=bfloat16 --set training.batch_size=128 --set training.learning_rate=0.003)
gated=(--set method.controller_holdout=0.05 --set method.full_route_fraction=0.8 --set method.self_distillation=1)
cascade=(--set 'architecture.head=[4,12,24,64]' --set architecture.depth=2)

for seed in 0 1 2; do
  core sweep high_low --name high-low-static "${data[@]}" --method static --statics --epochs 16 --seeds $seed
  core export "high-low-static/static go on/$seed" largest-$seed.safetensors --force
  core sweep high_low --name high-low-begun "${data[@]}" "${gated[@]}" --epochs 16 --seeds $seed \
    --set training.init_from=largest-$seed.safetensors
  core sweep cascade --name cascade-static "${data[@]}" "${cascade[@]}" --method static --statics --epochs 16 \
    --seeds $seed
  core export "cascade-static/static go on,go on,go on/$seed" exits-$seed.safetensors --force
  core sweep cascade --name cascade-begun "${data[@]}" "${gated[@]}" "${cascade[@]}" --epochs 24 --seeds $seed \
    --set training.init_from=exits-$seed.safetensors
done
core report high-low-begun --against high-low-static
core report cascade-begun --against cascade-static
