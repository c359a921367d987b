"""What a person does to pictures that are there: change many, delete, restore, take back."""
