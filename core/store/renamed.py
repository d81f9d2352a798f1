"""The current names of options and metrics in files that were exported under earlier names, and options that they do not have."""

from typing import Any

METHOD = {"refreshed": "bn_recalibration_batches", "distilled": "distillation_weight"}  # of every method
OPTIONS: dict[tuple[str, str | None], dict[str, str]] = {  # by part of the configuration and component
    ("training", None): {"settled": "freeze_bn", "start": "init_from", "stored": "weights_dtype"},
    ("architecture", "lc_resnet"): {"least_scale": "min_scale", "layer_rate": "layer_gate_lr"},
    ("method", "static"): METHOD | {"held_out": "controller_holdout"},
    ("method", "d2nn"): METHOD
    | {
        "taught": "self_distillation",
        "early": "early_exit_weight",
        "episodes": "random_route_fraction",
        "full_path": "full_route_fraction",
        "explore": "exploration_fraction",
        "settle": "epsilon_decay_end",
        "last_epsilon": "final_epsilon",
        "held_out": "controller_holdout",
        "bag": "bag_size",
        "mixing": "controller_gradient",
        "refit": "refit_controllers",
    },
    ("method", "lcnet"): METHOD
    | {
        "least": "min_budget",
        "penalty": "budget_weight",
        "groups": "budget_groups",
        "anneal": "budget_warmup",
        "beside": "sandwich_weight",
    },
}
METRICS = {
    "train taught loss": "train self-distillation loss",
    "train distilled loss": "train distillation loss",
    "train beside loss": "train all-open distillation loss",
    "train full network loss": "train all-open classification loss",
}


def with_current_names(header: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an exported file's header under the current names. Older files: `gated` is read from the method."""
    config, curve = header.get("config"), header.get("curve")
    current = {"gated": header.get("method") != "static"} | header
    if isinstance(config, dict):
        current["config"] = {part: _options(part, chosen) for part, chosen in config.items()}
    if isinstance(curve, dict):
        current["curve"] = {METRICS.get(name, name): points for name, points in curve.items()}
    return current


def _options(part: str, chosen: Any) -> Any:
    if not isinstance(chosen, dict) or not isinstance(chosen.get("name"), str | None):
        return chosen
    names = OPTIONS.get((part, chosen.get("name")), {})
    current = {names.get(option, option): value for option, value in chosen.items()}
    shared = chosen.get("name") == "d2nn" and current.get("bag_size", 1) != 1  # a reward, before images could have their own
    return {"credit": "bag"} | current if part == "method" and shared else current
