#!/usr/bin/env bash
# One network for every λ against five networks at one λ each, on cluttered MNIST: docs/results/mnist.md.
source "$(dirname "$0")/common.sh"

data=(--dataset cluttered_digits --set dataset.source=mnist --set dataset.val=2000 --set dataset.test=5000)
data+=(--set training.precision=bfloat16 --seeds 0,1,2)
high_low=("${data[@]}" --set dataset.train=20000 --set method.controller_holdout=0.05)
chain=("${data[@]}" --set dataset.train=10000)

core sweep high_low --name one-high-low "${high_low[@]}" --epochs 12 --set method.full_route_fraction=0.8 --statics
core sweep high_low --name five-high-low "${high_low[@]}" --epochs 6 --set method.exchange_rate=1 \
  --lams 0.85,0.9,0.94,0.96,0.98
core sweep chain --name one-chain "${chain[@]}" --epochs 16
core sweep chain --name five-chain "${chain[@]}" --epochs 8 --set method.exchange_rate=1 --lams 0.85,0.9,0.93,0.95,0.98
core report one-high-low --against five-high-low
core report one-chain --against five-chain
