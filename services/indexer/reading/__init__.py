"""Reading the text in pictures, in a process of its own."""
