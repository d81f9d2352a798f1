#!/usr/bin/env bash
# High-low and cascade on the embedded faces: docs/results/faces.md. Seconds per network.
source "$(dirname "$0")/common.sh"

data=(--dataset faces --epochs 100 --seeds 0,1,2 --set training.batch_size=32)
gated=(--set method.metric=f1 --set method.bag_size=8 --set method.credit=bag --set method.controller_holdout=0)
high_low=(--set 'architecture.low=[24,40,40,40]' --set 'architecture.high=[32,32,32,64,64,64]')

core sweep high_low --name high-low-faces "${data[@]}" "${gated[@]}" "${high_low[@]}"
core sweep high_low --name high-low-faces "${data[@]}" "${high_low[@]}" --method static
core sweep cascade --name cascade-faces "${data[@]}" "${gated[@]}"
core sweep cascade --name cascade-faces "${data[@]}" --method static
for name in high-low-faces cascade-faces; do core report "$name"; done
