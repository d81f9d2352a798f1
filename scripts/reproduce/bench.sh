#!/usr/bin/env bash
# Every table of docs/performance.md. The reference networks on CIFAR-10 need its images.
source "$(dirname "$0")/common.sh"

for batch in 1 64; do
  for depth in 38 110; do
    core bench lc_resnet --set architecture.depth=$depth --set architecture.channels=false \
      --set architecture.gates_of=group --seconds 2 --batch $batch
  done
  core bench lc_resnet --set architecture.depth=38 --set architecture.layers=false \
    --set architecture.gates_of=group --seconds 1 --batch $batch
  core bench reference/resnet38-cascade-cifar10 --lams 0.4,0.45 --seconds 2 --batch $batch
  core bench reference/lc-cifar10 --seconds 1 --batch $batch
done
core bench lc_resnet --set architecture.depth=18 --set architecture.images=imagenet --set architecture.channels=false \
  --size 224 --batch 1 --threads 1 --seconds 1
core bench reference/model-cascade-cifar10 --against resnet18-215m-cifar10 --lams 0.25 --random "" --threads 1 --seconds 1
core bench reference/lc-wide-cifar10 --seconds 1 --threads 1
for name in high-low-digits cascade-digits chain-digits lc-digits; do
  core bench reference/$name --batch 1 --threads 1 --seconds 1
done
for name in resnet38-cascade-cifar10 chain-digits; do core bench reference/$name --slider; done
