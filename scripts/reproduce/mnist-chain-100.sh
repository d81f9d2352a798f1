#!/usr/bin/env bash
# A chain of length 4 on 100×100 cluttered MNIST: docs/results/mnist.md. 24 to 30 minutes per seed on one core.
source "$(dirname "$0")/common.sh"

core sweep chain --name chain-100 --dataset cluttered_digits --set dataset.source=mnist --set dataset.canvas=100 \
  --set dataset.train=50000 --set dataset.val=2000 --set dataset.test=10000 --set dataset.shift=6 \
  --set 'architecture.links=[24,48,64,96]' --set method.bn_recalibration_batches=16 --set training.precision=bfloat16 \
  --set training.batch_size=128 --set training.learning_rate=0.003 --epochs 12 --seeds 0,1,2
core report chain-100
