"""Code that the services and the command line share."""
