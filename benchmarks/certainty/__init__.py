"""How right the product says it is: counts of matches, promises, absence."""
