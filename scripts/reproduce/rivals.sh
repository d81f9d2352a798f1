#!/usr/bin/env bash
# LC-Net, D2NN and their rivals on one ResNet, initialised alike and trained as long: docs/methods/rivals.md. Overnight on two cores.
# `DATASET=digits DEPTH=8 EPOCHS=2 scripts/reproduce/rivals.sh` shows within minutes that all of them train.
source "$(dirname "$0")/common.sh"

depth=${DEPTH:-20} epochs=${EPOCHS:-12}
data=(--dataset "${DATASET:-cifar10}" --set training.batch_size=128 --set training.optimizer=sgd --set training.weight_decay=0.0005)
data+=(--set training.learning_rate=0.1 --seed "${SEED:-0}")
start=${TMPDIR:-/tmp}/gatescope-rivals
mkdir -p "$start"

# One ResNet, whose blocks or channels have gates.
resnet=(lc_resnet "${data[@]}" --set "architecture.depth=$depth")
core train "${resnet[@]}" --name rivals-static --method static --epochs "$epochs"
core export rivals-static "$start/static.safetensors" --force
begun=(--epochs "$epochs" --set "training.init_from=$start/static.safetensors")
blocks=("${begun[@]}" --set architecture.channels=false)
core train "${resnet[@]}" --name rivals-static-on --method static "${begun[@]}"
core train "${resnet[@]}" --name rivals-lcnet --method lcnet "${begun[@]}"
core train "${resnet[@]}" --name rivals-fbs --method fbs "${begun[@]}" --set architecture.layers=false
for method in aig blockdrop odena; do core train "${resnet[@]}" --name "rivals-$method" --method "$method" "${blocks[@]}"; done

# The same ResNet with early exits behind its first two groups.
n=$(((depth - 2) / 6))
exits=(resnet_cascade "${data[@]}" --set "architecture.n=$n" --set "architecture.exits=[$n,$((2 * n))]")
core train "${exits[@]}" --name rivals-exits-static --method static --epochs "$epochs"
core export rivals-exits-static "$start/exits.safetensors" --force
for method in d2nn branchynet decision_gates bolukbasi l2w; do
  core train "${exits[@]}" --name "rivals-$method" --method "$method" --epochs "$epochs" --set "training.init_from=$start/exits.safetensors"
done

against=()
for rival in static-on fbs aig blockdrop odena d2nn branchynet decision_gates bolukbasi l2w; do against+=(--against "rivals-$rival"); done
core report rivals-lcnet "${against[@]}"
