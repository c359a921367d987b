"""What is known of every image, and of every job."""
