"""The sample collection: tagged pictures, drawn rather than downloaded."""
