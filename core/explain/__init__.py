"""Why a network answered as it did: routes along λ and attributions."""
