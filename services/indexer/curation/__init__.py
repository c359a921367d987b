"""Changes that a person makes to present pictures: change many, delete, restore, take back."""
