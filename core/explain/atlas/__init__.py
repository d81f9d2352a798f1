"""The atlas of a network: what each of many images runs, costs and is answered at eleven values of λ."""
