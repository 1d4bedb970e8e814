"""Player, analyst and refiner, embedded and by a model, and the population they compare a person with."""
