"""The groups in which the Train form shows the options of a method and of the training. Loads without torch and without streamlit."""

from collections.abc import Sequence

from app.fields import Field

COMMON = ("epochs", "batch_size", "learning_rate", "seed")  # training options that are always visible
MORE, WEIGHTS_GROUP = "More options", "Weights and precision"
OPTION_GROUPS: dict[str, tuple[str, ...]] = {
    "What is rewarded": (
        *("metric", "efficiency", "bag_size", "credit", "exchange_rate", "calibrate", "lam_scale"),
        *("min_budget", "budget_weight", "budget_groups", "budget_warmup", "sandwich_weight"),
        *("min_rate", "rate_weight", "rate_of", "rate_groups"),
    ),
    "How the controllers learn": (
        *("controller_holdout", "controller_gradient", "outcomes", "refit_controllers", "control_rate", "gates"),
        *("exploration_fraction", "epsilon_decay_end", "final_epsilon", "random_route_fraction", "full_route_fraction"),
        *("pretraining", "joint_from", "alpha", "temperature", "policy_weight"),
    ),
    "Exits, distillation and a teacher": (*("early_exit_weight", "self_distillation", "distillation_weight", "label_weight", "teacher"),),
    "Optimiser": ("optimizer", "warmup", "weight_decay", "ema_decay", "bn_recalibration_batches", "freeze_bn"),
    "What happens to the images": (
        *("border", "cutout", "cutout_probability", "corrupted", "mixup", "mixup_batches", "mixup_end", "label_smoothing"),
    ),
    WEIGHTS_GROUP: ("init_from", "init_nodes", "init_partial", "precision", "weights_dtype"),
}


def group_of(option: str) -> str:
    """Return the group of an option of a method or of the training."""
    return next((title for title, members in OPTION_GROUPS.items() if option in members), MORE)


def found(options: Sequence[Field], sought: str) -> list[Field]:
    """Return the options whose label, name or help has every word that is sought."""
    words = sought.casefold().split()
    return [one for one in options if all(word in f"{one.label} {one.name} {one.help}".casefold() for word in words)]
